// A server with the shape of Parabol's, transpiled file by file, as two processes on a real Redis.

import {readdir, readFile, writeFile} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {join} from 'node:path'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {AppServer} from './support/app-server'
import {app, ended} from './support/installed'

let redis: RedisServer

beforeAll(async () => {
  redis = await RedisServer.start()
  await transpile()
})
afterEach(AppServer.killAll)
afterAll(() => redis?.close())

async function transpile() {
  const {transformSync} = createRequire(join(app, 'package.json'))('@swc/core')
  for (const file of await readdir(join(app, 'src'))) {
    if (!file.endsWith('.ts')) continue
    const source = await readFile(join(app, 'src', file), 'utf8')
    const jsc = {target: 'es2022', parser: {syntax: 'typescript'}}
    const {code} = transformSync(source, {jsc, module: {type: 'commonjs'}})
    await writeFile(join(app, 'src', file.replace(/ts$/, 'js')), code)
  }
}

const start = () => new AppServer('src/server.js', redis.url)

test('two servers share the work between them, and a restarted one takes it over', async () => {
  const servers = [start(), start()]
  const primaries = await Promise.all(servers.map((server) => server.isPrimary()))
  expect(primaries.filter(Boolean)).toHaveLength(1)
  const [primary, other] = primaries[0] ? servers : servers.toReversed()
  if (!primary || !other) throw new Error('there are two')

  const sum = (event: string) => primary.count(event) + other.count(event)
  await until('jobs were run, and skipped', () => sum('ran') >= 3 && sum('skipped') >= 3)
  const atOnce = servers.flatMap(({told}) =>
    told.flatMap(({event, atOnce}) => (event === 'ran' ? [atOnce] : [])),
  )
  expect(new Set(atOnce)).toEqual(new Set([1]))

  const first = primary.mutate()
  await primary.tells('the mutation runs')
  expect(await other.mutate()).toEqual({error: 'already running'})
  await command('rpush', 'the mutation may end', 'now')
  expect(await first).toEqual({imported: 3})
  await command('rpush', 'the mutation may end', 'now')
  expect(await other.mutate()).toEqual({imported: 3})

  expect(await primary.terminate()).toBe(0)
  expect(primary.count('chronos has stopped')).toBe(1)
  const restarted = start()
  expect(await restarted.isPrimary()).toBe(true)
  expect(await other.terminate()).toBe(0)
  expect(await restarted.terminate()).toBe(0)
  // The failing job was logged, by each server for itself, and nothing ended a process.
  expect(primary.stderr + other.stderr + restarted.stderr).toContain('this job always fails')
  expect(primary.stderr + other.stderr).not.toMatch(/unhandled/i)
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
