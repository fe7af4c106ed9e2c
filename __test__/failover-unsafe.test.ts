// Elections on a server that does not answer INFO in scripts.

import Redis from 'ioredis'
import {
  establishPrimaryServer,
  type PrimaryLease,
  type RedisSource,
  resignPrimaryServer,
  setLogger,
} from 'primary-lease'
import {createClient} from 'redis-6'
import {keyOf} from '../support/record.mjs'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis(['--rename-command', 'INFO', 'HIDDEN'])
const TTL = 1500
const warnings: string[] = []

beforeAll(() => {
  const warn = (line: string) => warnings.push(line)
  setLogger({debug() {}, info() {}, warn, error: warn} as never)
})
afterAll(() => resignPrimaryServer())

const establish = (source: RedisSource, options = {}) =>
  establishPrimaryServer(source, newPrefix(), {ttl: TTL, ...options}) as Promise<PrimaryLease>

const at = () => ({host: '127.0.0.1', port: redis.server.port})

test('without the option they are denied, and the error names it', async () => {
  await expect(establish(redis.url)).rejects.toMatchObject({
    code: 'ERR_STORE_DENIED',
    message: expect.stringMatching(/INFO server is refused.*failoverUnsafe/),
  })
})

test.each<[string, () => RedisSource]>([
  ['a URL', () => `${redis.url}?failoverUnsafe=true`],
  ['an options object', () => ({...at(), failoverUnsafe: true})],
  [
    'an ioredis client',
    () => ({client: new Redis({...at(), lazyConnect: true}), failoverUnsafe: true}),
  ],
  [
    'a client with it in its URL',
    () => new Redis(`${redis.url}?failoverUnsafe=true`, {lazyConnect: true}),
  ],
  ['a node-redis client', () => ({client: createClient({socket: at()}), failoverUnsafe: true})],
])('with it, from %s, one is elected after a watch', async (_, source) => {
  const lease = await establish(source())
  expect(lease.isHeld).toBe(true)
  await lease.release()
})

test('it is warned of once, and the record tells', async () => {
  const prefix = newPrefix()
  const source = {...at(), db: 3, failoverUnsafe: true}
  warnings.length = 0
  const lease = await establishPrimaryServer(source, prefix, {ttl: TTL})
  const again = await establish(source)
  expect(warnings.filter((line) => line.includes('failoverUnsafe'))).toHaveLength(1)
  const run = await redis.connect({db: 3, enableReadyCheck: false}).hget(keyOf(prefix), 'run')
  expect(run).toBe('0:0')
  await Promise.all([lease?.release(), again.release()])
})

test('a server that is released is followed after a ttl, not at once', async () => {
  const prefix = newPrefix()
  const source = {...at(), failoverUnsafe: true}
  const first = await establishPrimaryServer(source, prefix, {ttl: TTL})
  await first?.release()
  const begun = performance.now()
  const second = await establishPrimaryServer(source, prefix, {ttl: TTL})
  expect(performance.now() - begun).toBeGreaterThan(TTL)
  expect(second?.token).toBeGreaterThan(first?.token ?? Infinity)
  await second?.release()
})

test('eagerStart is refused with it', async () => {
  const source = {...at(), failoverUnsafe: true}
  await expect(establish(source, {eagerStart: true})).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringMatching(/eagerStart cannot be used with failoverUnsafe/),
  })
})

test.each([
  [{client: {host: 'localhost'}}, /client cannot be used: it is an options object/],
  [{client: new Redis({lazyConnect: true}), db: 3}, /has no option "db", known: failoverUnsafe/],
  [{host: 'localhost', failoverUnsafe: 'yes'}, /failoverUnsafe must be true or false/],
])('%p is refused', async (source, message) => {
  await expect(establish(source as never)).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringMatching(message),
  })
})
