// A server with the shape of Parabol's, transpiled file by file, as two processes on a real Redis.

import {join} from 'node:path'
import {AppServer} from '../support/app-server'
import {RedisServer} from '../support/redis.mjs'
import {transpile} from '../support/transpile'
import {until} from '../support/until'
import {app, ended} from './support/installed'

let redis: RedisServer

beforeAll(async () => {
  redis = await RedisServer.start()
  transpile(app, join(app, 'src'))
})
afterEach(AppServer.killAll)
afterAll(() => redis?.close())

const start = (entry: string) =>
  new AppServer(join('src', entry), app, {
    REDIS_URL: redis.url,
    DATABASE_URL: `${redis.url}/1`,
    RESET_MS: '50',
  })

test('an embedder is primary, and the other takes over as it leaves', async () => {
  const primary = start('embedder.js')
  await primary.tells('reset')
  const other = start('embedder.js')
  await other.tells('listens')
  expect(other.count('reset')).toBe(0)
  expect(await primary.end('SIGTERM')).toBe(0)
  await other.tells('reset')
  expect(await other.end('SIGINT')).toBe(0)
  expect(primary.stderr + other.stderr).toBe('')
})

test('two web servers share the jobs between them', async () => {
  const first = start('server.js')
  const second = start('server.js')
  const servers = [first, second]

  const sum = (event: string) => first.count(event) + second.count(event)
  await until('jobs were run, and skipped', () => sum('ran') >= 3 && sum('skipped') >= 3)
  const atOnce = servers.flatMap(({told}) =>
    told.flatMap(({event, atOnce}) => (event === 'ran' ? [atOnce] : [])),
  )
  expect(new Set(atOnce)).toEqual(new Set([1]))

  const mutation = first.mutate()
  await first.tells('the mutation runs')
  expect(await second.mutate()).toEqual({error: {message: 'Already running'}})
  await command('rpush', 'the mutation may end', 'now')
  expect(await mutation).toEqual({imported: 3})
  await command('rpush', 'the mutation may end', 'badly')
  expect(await second.mutate()).toEqual({error: 'Error: nothing to import'})

  expect(await first.end('SIGTERM')).toBe(0)
  expect(await second.end('SIGINT')).toBe(0)
  const logged = JSON.stringify(servers.flatMap((server) => server.all('log')))
  expect(logged).toContain('this job always fails')
  expect(logged).toContain('the job unscheduled is not scheduled')
  // No library writes to the terminal, and nothing ended a process.
  expect(first.stderr + second.stderr).toBe('')
})

test.each(['29', '30'])('its suite passes under Jest %s, which ends by itself', async (version) => {
  const jest = join(app, 'node_modules', `jest-${version}`, 'bin/jest.js')
  const {status, output} = await ended(
    process.execPath,
    [jest, '--runInBand', '--ci', '--no-cache'],
    {
      env: {REDIS_URL: redis.url},
    },
  )
  expect({status, output}).toEqual({
    status: 0,
    output: expect.stringMatching(/^Tests: +4 passed, 4 total$/m),
  })
  expect(output).not.toMatch(/did not exit/)
})

async function command(...args: string[]) {
  const {default: Redis} = await import('ioredis')
  const client = new Redis(redis.url)
  await client.call(...(args as [string]))
  client.disconnect()
}
