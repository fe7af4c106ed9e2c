// What starts and stops servers: NestJS, node:cluster, `node --watch` and tsx.

import {appendFile, cp, mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {apps, program, useApps} from './support/apps'

const place = useApps()

test('NestJS listens before the answer, and drains in a shutdown hook', async () => {
  const tsx = [program('tsx/dist/cli.mjs'), '--tsconfig', 'nest/tsconfig.json']
  const server = place.start([...tsx, 'nest/main.ts'], {env: {STOPS_IN: '1000', PORT: '0'}})
  await server.tells('primary')
  expect(server.told().map(({event}) => event)).toEqual(['listens', 'primary'])
  await server.end('SIGTERM')
  expect(server.told('stopped')).toHaveLength(1)
  expect(await place.released('nest')).toBe(true)
})

describe('node:cluster', () => {
  const start = () => place.start(['cluster.mjs'], {env: {STOPS_IN: '500'}})

  test('each worker is a candidate, and one takes over where the primary is killed', async () => {
    const server = start()
    const first = await server.tells('primary')
    await server.tells('listens', 2)
    expect(first.pid).not.toBe(server.pid)
    process.kill(first.pid, 'SIGKILL')
    const second = await server.tells('primary', 2)
    expect(server.told('listens').map(({pid}) => pid)).toContain(second.pid)
    expect(second.token).toBeGreaterThan(Number(first.token))
    expect(await server.end('SIGTERM')).toBe(0)
    expect(server.told('stopped')).toMatchObject([{pid: second.pid}])
    expect(await place.released('app')).toBe(true)
  })

  test('`disconnect` ends workers without a signal: released, and not drained', async () => {
    const server = start()
    await server.tells('primary')
    await server.tells('listens', 2)
    expect(await server.end('SIGUSR2')).toBe(0)
    expect(server.told('asked to stop')).toEqual([])
    expect(await place.released('app')).toBe(true)
  })
})

describe.each([
  ['node --watch', ['--watch']],
  ['tsx watch', [program('tsx/dist/cli.mjs'), 'watch']],
])('%s', (_, args) => {
  test('a change makes the next process primary, with the work drained', async () => {
    const cwd = await mkdtemp(join(apps, 'watch-'))
    for (const file of ['server.mjs', 'work.mjs']) await cp(join(apps, file), join(cwd, file))
    const server = place.start([...args, 'server.mjs'], {cwd, env: {STOPS_IN: '300'}})
    const first = await server.tells('primary')
    await appendFile(join(cwd, 'server.mjs'), '\n// changed\n')
    const second = await server.tells('primary', 2)
    expect(second.pid).not.toBe(first.pid)
    expect(server.told('stopped')).toMatchObject([{pid: first.pid}])
    await server.end('SIGTERM')
    expect(server.told('stopped')).toHaveLength(2)
    expect(await place.released('app')).toBe(true)
  })
})
