// A password that is changed on the server, and then where the source has it, costs no lease.

import Redis from 'ioredis'
import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryLease,
  type RedisSource,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {createClient} from 'redis-6'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()
const TTL = 6000

beforeAll(() => setLogger(null))
afterAll(() => resignPrimaryServer())

let users = 0
async function newUser() {
  const name = `user-${++users}`
  await redis.client.acl('SETUSER', name, 'on', '>old-one', '~*', '&*', '+@all')
  const port = redis.server.port
  return {
    name,
    port,
    host: '127.0.0.1',
    async rotate() {
      await redis.client.acl('SETUSER', name, '>new-one', '<old-one')
      await redis.client.client('KILL', 'USER', name)
    },
    async isConnected() {
      return String(await redis.client.client('LIST')).includes(`user=${name} `)
    },
  }
}

type User = Awaited<ReturnType<typeof newUser>>

const sources: [string, (user: User) => [RedisSource, () => void]][] = [
  [
    'an options object',
    ({host, port, name}) => {
      const options = {host, port, username: name, password: 'old-one'}
      return [options, () => Object.assign(options, {password: 'new-one'})]
    },
  ],
  [
    'an ioredis client',
    ({host, port, name}) => {
      const client = new Redis({host, port, username: name, password: 'old-one', lazyConnect: true})
      return [client, () => Object.assign(client.options, {password: 'new-one'})]
    },
  ],
  [
    'a node-redis client, opened by a URL',
    ({host, port, name}) => {
      const client = createClient({url: `redis://${name}:old-one@${host}:${port}`})
      return [client, () => Object.assign(client.options, {password: 'new-one'})]
    },
  ],
]

describe.each(sources)('%s', (_, open) => {
  test('an election goes on with the password that the source has then', async () => {
    const user = await newUser()
    const [source, change] = open(user)
    const prefix = newPrefix()
    const seen: string[] = []
    onPrimaryChange(prefix, ({type}) => seen.push(type))
    const lease = (await establishPrimaryServer(source, prefix, {ttl: TTL})) as PrimaryLease
    change()
    await user.rotate()
    await until('a log-in with the new password', () => user.isConnected(), TTL)
    // Past what it had left when the connection broke.
    const end = Date.now() + TTL
    await until('a ttl has passed', () => Date.now() > end || !lease.isHeld, TTL * 3)
    expect(lease.isHeld).toBe(true)
    expect(seen).not.toContain('lost')
    await lease.release()
  })

  test('a run goes on with it too, and so does the next', async () => {
    const user = await newUser()
    const [source, change] = open(user)
    await withLease(source, newPrefix(), {ttl: TTL}, async (lease) => {
      change()
      await user.rotate()
      await until('a log-in with the new password', () => user.isConnected(), TTL)
      expect(lease.isHeld).toBe(true)
      await lease.fence('mail')
    })
    expect(await withLease(source, newPrefix(), {}, () => 'ran')).toBe('ran')
  })
})

test('it is read again when the source changes after the refusal', async () => {
  const user = await newUser()
  const options = {host: user.host, port: user.port, username: user.name, password: 'old-one'}
  const prefix = newPrefix()
  const changes: string[] = []
  onPrimaryChange(prefix, ({type}) => changes.push(type))
  const lease = (await establishPrimaryServer(options, prefix, {ttl: 12_000})) as PrimaryLease
  await user.rotate()
  await until('a refusal', () => changes.includes('unavailable'), 25_000)
  options.password = 'new-one'
  await until('a log-in', () => changes.includes('available'), 25_000)
  expect(lease.isHeld).toBe(true)
  await lease.release()
})

test('a server with URLs alone gives the new one with another call', async () => {
  const user = await newUser()
  const url = (password: string) => `redis://${user.name}:${password}@${user.host}:${user.port}`
  const prefix = newPrefix()
  const changes: string[] = []
  onPrimaryChange(prefix, ({type}) => changes.push(type))
  const lease = await establishPrimaryServer(url('old-one'), prefix, {ttl: 12_000})
  await user.rotate()
  await until('a refusal', () => changes.includes('unavailable'), 25_000)
  expect(await establishPrimaryServer(url('new-one'), prefix, {ttl: 12_000})).toBe(lease)
  await until('a log-in', () => changes.includes('available'), 25_000)
  expect(lease?.isHeld).toBe(true)
  await lease?.release()
})
