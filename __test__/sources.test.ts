// A connection is read out of whatever client somebody has, and the client is neither used nor changed.

import Redis, {Cluster, type RedisOptions} from 'ioredis'
import Redis6, {Cluster as Cluster6} from 'ioredis-6'
import Valkey, {Cluster as ValkeyCluster} from 'iovalkey'
import {type RedisSource, setLogger, withLease} from 'primary-lease'
import * as nodeRedis5 from 'redis-5'
import * as nodeRedis6 from 'redis-6'
import {newPrefix, useRedis} from './support/redis'

const PASSWORD = 'hush-hush'
const redis = useRedis(['--requirepass', PASSWORD, '--unixsocket', 'redis.sock'])
const look = (db = 0) => redis.connect({password: PASSWORD, db})

beforeAll(async () => {
  setLogger(null)
  await look().acl('SETUSER', 'bob', 'on', '>bobs', '~*', '&*', '+@all')
})

/** What a run finds of its own lease in a database, and who holds it. */
async function seen(source: RedisSource, db = 0, keyPrefix = '') {
  const resource = newPrefix()
  return await withLease(source, resource, {}, async () => ({
    leases: await look(db).exists(`${keyPrefix}lease:{${resource}}`),
    connections: String(await look().client('LIST')),
  }))
}

const refused = (message: RegExp) => ({
  name: 'PrimaryLeaseError',
  code: 'ERR_INVALID_CONFIG',
  message: expect.stringMatching(message),
})

const run = (source: unknown) => withLease(source as RedisSource, newPrefix(), {}, () => 'ran')

const ioredis = {'ioredis 5': Redis, 'ioredis 6': Redis6, iovalkey: Valkey}

describe.each(Object.entries(ioredis))('%s', (_, Client) => {
  const opened: {disconnect(): void}[] = []
  afterAll(() => opened.map((client) => client.disconnect()))
  const connect = (...args: (string | number | RedisOptions)[]) => {
    const last = {lazyConnect: true, ...(typeof args.at(-1) === 'object' ? Object(args.pop()) : {})}
    const client = new (Client as unknown as new (...given: unknown[]) => Redis)(...args, last)
    opened.push(client)
    return client
  }

  test('is read, and neither used nor changed', async () => {
    const client = connect({
      port: redis.server.port,
      username: 'bob',
      password: 'bobs',
      db: 3,
      keyPrefix: 'app:',
      connectionName: 'mine',
      family: 4,
    })
    const options = {...client.options}
    const {leases, connections} = await seen(client, 3, 'app:')
    expect(leases).toBe(1)
    expect(connections).toMatch(/name=mine:primary-lease.* user=bob/)
    expect(client.status).toBe('wait')
    expect(client.options).toEqual(options)
  })

  test('is read as it has read its URL, whose query leaves text', async () => {
    const query = 'family=4&connectTimeout=4000&keyPrefix=q:'
    const client = connect(`redis://bob:bobs@127.0.0.1:${redis.server.port}/2?${query}`)
    expect(client.options.connectTimeout).toBe('4000')
    expect(await seen(client, 2, 'q:')).toMatchObject({leases: 1})
  })

  test('is read where it has a socket, which wins over the host', async () => {
    const path = `${redis.server.dir}/redis.sock`
    const client = connect({path, host: 'nowhere.invalid', password: PASSWORD})
    expect(await seen(client)).toMatchObject({leases: 1})
    expect(await seen(connect(path, {password: PASSWORD}))).toMatchObject({leases: 1})
  })

  test.each([[null], ['']])('takes %p for no password, as it does itself', async (nothing) => {
    const client = connect({port: redis.server.port, password: nothing as string, username: ''})
    await expect(run(client)).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
    client.options.password = PASSWORD
    expect(await run(client)).toBe('ran')
  })

  test.each([
    [{db: 'four'}, /db must be a whole number from 0/],
    [{family: 5}, /family must be 0, 4 or 6, got 5/],
    [{connectTimeout: -1}, /connectTimeout must be/],
    [{port: 70_000}, /port must be a whole number from 1 to 65535, got 70000/],
    [{role: 'slave'}, /role 'slave' cannot be used/],
    [{Connector: class {}}, /Connector cannot be used/],
    [{keyPrefix: '{}'}, /keyPrefix must be without an empty hash tag/],
    [{password: () => PASSWORD}, /a password function cannot be used/],
    [{password: 5}, /password must be a string, got a number/],
  ])('is refused with %p, by name', async (options, message) => {
    await expect(run(connect({port: 1, ...options} as RedisOptions))).rejects.toMatchObject(
      refused(message),
    )
  })

  test('may behave as it likes', async () => {
    const client = connect({
      port: redis.server.port,
      password: PASSWORD,
      connectTimeout: 0,
      ...({protocol: 2, replyMapping: 'legacy', familyFallback: {}} as RedisOptions),
      retryStrategy: () => null,
      readOnly: true,
      enableOfflineQueue: false,
      commandTimeout: 1,
      scripts: {own: {lua: 'return 1'}},
    })
    expect(await run(client)).toBe('ran')
  })
})

const nodeRedis = {'node-redis 5': nodeRedis5, 'node-redis 6': nodeRedis6}

describe.each(Object.entries(nodeRedis))('%s', (name, library) => {
  const createClient = library.createClient as (
    options?: nodeRedis6.RedisClientOptions,
  ) => ReturnType<typeof nodeRedis6.createClient>

  test('is read, and neither used nor changed', async () => {
    const options = {
      socket: {host: '127.0.0.1', port: redis.server.port, family: 4},
      username: 'bob',
      password: 'bobs',
      database: 3,
      name: 'mine',
    }
    const client = createClient(options)
    const before = {...client.options, socket: {...client.options.socket}}
    const {leases, connections} = await seen(client, 3)
    expect(leases).toBe(1)
    expect(connections).toMatch(/name=mine:primary-lease.* user=bob/)
    expect(client.isOpen).toBe(false)
    expect({...client.options, socket: {...client.options.socket}}).toEqual(before)
  })

  test('is read as it has read its URL, whose user and password win', async () => {
    const client = createClient({
      url: `redis://bob:bobs@127.0.0.1:${redis.server.port}/2`,
      username: 'eve',
      password: 'not this one',
      database: 7,
      socket: {host: 'nowhere.invalid', port: 1},
    })
    const {leases, connections} = await seen(client, 2)
    expect(leases).toBe(1)
    expect(connections).toMatch(/name=primary-lease.* user=bob/)
  })

  test('is not read by its URL where its options have changed since', async () => {
    const client = createClient({url: `redis://:wrong@127.0.0.1:${redis.server.port}`})
    await expect(run(client)).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
    Object.assign(client.options, {password: PASSWORD})
    expect(await run(client)).toBe('ran')
    Object.assign(client.options.socket ?? {}, {port: 0})
    await expect(run(client)).rejects.toMatchObject(refused(/socket\.port must be .* got 0/))
  })

  test('is read where it has a socket', async () => {
    const socket = {path: `${redis.server.dir}/redis.sock`, tls: false as const}
    expect(await seen(createClient({socket, password: PASSWORD}))).toMatchObject({leases: 1})
  })

  test.each([[''], [undefined]])('takes %p for no password, as it does itself', async (nothing) => {
    const socket = {host: '127.0.0.1', port: redis.server.port}
    const client = createClient({socket, password: nothing})
    await expect(run(client)).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
  })

  test('has a prefix of keys from version 6 on, which may be bytes', async () => {
    const socket = {host: '127.0.0.1', port: redis.server.port}
    const prefixed = (keyPrefix: string | Buffer) =>
      createClient({socket, password: PASSWORD, keyPrefix})
    const expected = name === 'node-redis 6' ? 'äpp:' : ''
    expect(await seen(prefixed('äpp:'), 0, expected)).toMatchObject({leases: 1})
    expect(await seen(prefixed(Buffer.from('äpp:')), 0, expected)).toMatchObject({leases: 1})
    const bytes = run(prefixed(Buffer.from([0xff])))
    if (expected === '') expect(await bytes).toBe('ran')
    else await expect(bytes).rejects.toMatchObject(refused(/keyPrefix of bytes/))
  })

  test('is refused where another gives its credentials', async () => {
    const provider = (type: string) =>
      ({type, credentials: async () => ({password: PASSWORD}), subscribe: async () => []}) as never
    const with_ = (options: nodeRedis6.RedisClientOptions) =>
      run(createClient({socket: {host: '127.0.0.1', port: redis.server.port}, ...options}))
    const named = refused(/credentialsProvider cannot be used/)
    const asking = provider('async-credentials-provider')
    await expect(with_({credentialsProvider: asking})).rejects.toMatchObject(named)
    const streaming = provider('streaming-credentials-provider')
    await expect(with_({credentialsProvider: streaming, password: PASSWORD})).rejects.toMatchObject(
      named,
    )
    expect(await with_({credentialsProvider: asking, password: PASSWORD})).toBe('ran')
  })

  test.each([
    [{database: -1}, /redis: database must be a whole number from 0/],
    [{socket: {port: 70_000}}, /redis: socket\.port must be/],
    [{socket: {family: 5}}, /family must be 0, 4 or 6, got 5/],
    [{socket: {lookup: () => {}}}, /redis: socket\.lookup cannot be used/],
    [{socket: {localAddress: '127.0.0.1'}}, /redis: socket\.localAddress cannot be used/],
    [{name: 5}, /redis: name must be a string/],
  ])('is refused with %p, by name', async (options, message) => {
    const client = createClient(options as nodeRedis6.RedisClientOptions)
    await expect(run(client)).rejects.toMatchObject(refused(message))
  })

  test('may behave as it likes', async () => {
    const client = createClient({
      socket: {
        host: '127.0.0.1',
        port: redis.server.port,
        reconnectStrategy: false,
        noDelay: false,
      },
      password: PASSWORD,
      ...({RESP: 2} as object),
      pingInterval: 5,
      disableOfflineQueue: true,
      commandsQueueMaxLength: 1,
    })
    expect(await run(client)).toBe('ran')
  })

  test('is refused by name where it is no single connection', async () => {
    const {createCluster, createClientPool, createSentinel} = library as typeof nodeRedis6
    const rootNodes = [{url: redis.url}]
    const sentinelRootNodes = [{host: '127.0.0.1', port: 1}]
    const named = (client: unknown, message: RegExp) =>
      expect(run(client)).rejects.toMatchObject(refused(message))
    await named(createCluster({rootNodes}), /a node-redis cluster cannot be used/)
    await named(createSentinel({name: 'a', sentinelRootNodes}), /a node-redis sentinel cannot/)
    await named(createClientPool(), /a node-redis pool cannot be used/)
  })
})

class RedisMock {
  options = {host: 'localhost', port: 6379}
  sendCommand() {}
  defineCommand() {}
}

test.each([
  ['an ioredis 5 Cluster', () => new Cluster([1], {lazyConnect: true})],
  ['an ioredis 6 Cluster', () => new Cluster6([1], {lazyConnect: true})],
  ['an iovalkey Cluster', () => new ValkeyCluster([1], {lazyConnect: true})],
])('%s is refused by name', async (_, open) => {
  await expect(run(open())).rejects.toMatchObject(refused(/an ioredis Cluster cannot be used/))
})

test('ioredis-mock is refused by name, though it looks like a client', async () => {
  await expect(run(new RedisMock())).rejects.toMatchObject(refused(/an ioredis-mock client/))
})

test.each([['redis'], ['valkey'], ['redis+unix'], ['unix']])('a %s URL is used', async (scheme) => {
  const where = scheme.endsWith('unix')
    ? `@${redis.server.dir}/redis.sock`
    : `@127.0.0.1:${redis.server.port}`
  const url = `${scheme}://bob:bobs${where}?db=2&keyPrefix=u:&family=4&connectTimeout=4000`
  const {leases, connections} = await seen(url, 2, 'u:')
  expect(leases).toBe(1)
  expect(connections).toMatch(/name=primary-lease.* user=bob/)
})
