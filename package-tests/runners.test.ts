// Test runners and their fake timers, beside which everything goes on, and which end by themselves.

import {join} from 'node:path'
import {apps, newerNode, program, useApps} from './support/apps'
import {ended} from './support/installed'

const place = useApps()

const run = (file: string, args: string[], env = {}) =>
  ended(newerNode, [program(file), ...args], {
    cwd: join(apps, 'runners'),
    env: {REDIS_URL: place.url, ...env},
  })

test.concurrent.each(['threads', 'forks'])('Vitest, in %s', async (pool) => {
  const {status, output} = await run('vitest/vitest.mjs', ['run'], {POOL: pool, NO_COLOR: '1'})
  expect({status, output}).toEqual({
    status: 0,
    output: expect.stringMatching(/^ *Tests +5 passed/m),
  })
  expect(output).not.toMatch(/close timed out|hanging/i)
})

test.concurrent('Jest, with fake timers before and after the import', async () => {
  const {status, output} = await run('jest/bin/jest.js', ['--ci'])
  expect({status, output}).toEqual({
    status: 0,
    output: expect.stringMatching(/^Tests: +2 passed/m),
  })
  expect(output).not.toMatch(/did not exit/)
})

test.concurrent('sinon', async () => {
  const {status, output} = await ended(newerNode, ['sinon.mjs'], {
    cwd: join(apps, 'runners'),
    env: {REDIS_URL: place.url},
  })
  expect({status, output}).toEqual({status: 0, output: expect.stringMatching(/^all came$/m)})
})
