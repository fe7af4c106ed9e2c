import {readFile} from 'node:fs/promises'
import {join} from 'node:path'

const read = (path: string) => readFile(join(__dirname, '..', path), 'utf8')

test('the example of docs/testing.md is the test that runs', async () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(await read('docs/testing.md')) ?? []
  expect(example).toBe(await read('__test__/examples/without-redis.test.ts'))
})
