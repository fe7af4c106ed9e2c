import {
  establishPrimaryServer,
  type PrimaryLease,
  resignPrimaryServer,
  setLogger,
} from '../index.js'
import {keyOf} from '../support/record.mjs'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const PASSWORD = 'hush-hush'
// The socket lies in the server's own directory.
const redis = useRedis(['--requirepass', PASSWORD, '--unixsocket', 'redis.sock'])
const EAGER = {ttl: TTL, eagerStart: true}
const withPassword = (password: string) => redis.url.replace('//', `//:${password}@`)

const look = (db = 0) => redis.connect({password: PASSWORD, db})

// What is refused here is warned of too; that is tested where the log is read.
beforeAll(() => setLogger(null))

afterAll(() => resignPrimaryServer())

async function establish(...args: Parameters<typeof establishPrimaryServer>) {
  const lease = await establishPrimaryServer(...args)
  expect(lease?.isHeld).toBe(true)
  return lease as PrimaryLease
}

test('a wrong password is refused at once, and repeated nowhere', async () => {
  const server = new Server()
  await server.call('log')
  // An unreachable Redis would be waited for longer than any test takes.
  const options = {ttl: TTL, establishTimeout: 3_600_000}
  const refused = server.call('establish', withPassword('wr0ng-one'), newPrefix(), options)
  await expect(refused).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
  const message = await refused.catch((error: Error) => `${error.message}${error.stack}`)
  const said = `${message}${JSON.stringify(server.lines)}${server.stderr.join('')}`
  expect(said).not.toContain('wr0ng-one')
})

test('a missing password is refused at once', async () => {
  await expect(establishPrimaryServer(redis.url, newPrefix(), {ttl: TTL})).rejects.toMatchObject({
    name: 'PrimaryLeaseError',
    code: 'ERR_STORE_DENIED',
  })
})

test('a password and a database in the URL are used', async () => {
  const prefix = newPrefix()
  const lease = await establish(`${withPassword(PASSWORD)}/4`, prefix, EAGER)
  expect(await look(4).hget(keyOf(prefix), 'token')).toBe(String(lease.token))
  await lease.release()
})

test('an options object is used', async () => {
  const prefix = newPrefix()
  const source = {
    host: '127.0.0.1',
    port: redis.server.port,
    password: PASSWORD,
    db: 2,
    keyPrefix: 'app:',
    connectionName: 'elections',
  }
  const lease = await establish(source, prefix, EAGER)
  const client = look(2)
  expect(await client.hget(`app:${keyOf(prefix)}`, 'token')).toBe(String(lease.token))
  expect(await client.client('LIST')).toContain('name=elections')
  await lease.release()
})

test.each([
  ['an option', (path: string) => ({path, password: PASSWORD})],
  ['a URL', (path: string) => `unix://:${PASSWORD}@${path}`],
])('a Unix socket is used, given as %s', async (_, source) => {
  const prefix = newPrefix()
  const lease = await establish(source(`${redis.server.dir}/redis.sock`), prefix, EAGER)
  expect(await look().hget(keyOf(prefix), 'token')).toBe(String(lease.token))
  expect(await look().client('LIST')).toContain('redis.sock')
  await lease.release()
})

test('the options of an ioredis client are used, and the client is not', async () => {
  const client = redis.connect({password: PASSWORD, db: 3, keyPrefix: 'parabol:'})
  const options = {...client.options}
  const prefix = newPrefix()
  const lease = await establish(client, prefix, EAGER)
  expect(await look(3).hget(`parabol:${keyOf(prefix)}`, 'token')).toBe(String(lease.token))
  expect(client.status).toBe('wait')
  expect(client.options).toEqual(options)
  await lease.release()
})

test('a key of another type under our name is named and left alone', async () => {
  const prefix = newPrefix()
  const client = look()
  await client.set(keyOf(prefix), 'somebody else’s')
  await expect(establishPrimaryServer(withPassword(PASSWORD), prefix, EAGER)).rejects.toMatchObject(
    {
      code: 'ERR_STORE_DENIED',
      message: expect.stringContaining(keyOf(prefix)),
    },
  )
  expect(await client.get(keyOf(prefix))).toBe('somebody else’s')
})

test('clients that differ in their connectionName alone share a connection and a campaign', async () => {
  const client = (connectionName: string) =>
    redis.connect({password: PASSWORD, db: 5, connectionName})
  const prefix = newPrefix()
  const lease = await establish(client('one'), prefix, EAGER)
  expect(await establishPrimaryServer(client('another'), prefix, EAGER)).toBe(lease)
  const list = String(await look().client('LIST'))
  expect(list.match(/name=(one|another):primary-lease/g)).toEqual(['name=one:primary-lease'])
  await lease.release()
})
