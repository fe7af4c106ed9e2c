// What cannot be used as a source is refused by the name of what is wrong, with the value where it is no secret.

import {
  establishPrimaryServer,
  type RedisSource,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {RedisServer} from '../support/redis.mjs'
import {SentinelServer} from '../support/sentinel.mjs'
import {newPrefix, TTL, useRedis} from './support/redis'

beforeAll(() => setLogger(null))
afterAll(() => resignPrimaryServer())

const run = (source: unknown) =>
  withLease(source as RedisSource, newPrefix(), {ttl: TTL, acquireTimeout: 1500}, () => 'ran')
const establish = (source: unknown) =>
  establishPrimaryServer(source as RedisSource, newPrefix(), {ttl: TTL})

const is = (code: string, message: RegExp) => ({
  name: 'PrimaryLeaseError',
  code,
  message: expect.stringMatching(message),
})

describe.each<[string, [unknown, RegExp][]]>([
  [
    'a scheme that is none of ours',
    [
      ['gopher://host', /redis must be redis:\/\/, .* got an unknown scheme/],
      ['http://host', /redis must be .* got http:\/\//],
      [' redis://host', /redis must be .* got an unknown scheme/],
      ['redis:host', /redis must be a URL: .* got a text without a scheme/],
      ['redis:/host', /got a text without a scheme/],
      ['redis//host', /got a text without a scheme/],
      ['localhost:6379', /got a text without a scheme/],
      ['/run/redis.sock', /got a text without a scheme/],
      ['{"host":"x"}', /got a text without a scheme/],
      ['memory://', /'memory:\/\/name' must be 1 to 200 .* got "" \(0 characters\)/],
    ],
  ],
  [
    'a port that is none',
    [
      ['redis://host:0', /redis must be a URL with a port from 1 to 65535, got port 0/],
      ['redis://host:65536', /redis must be a valid URL .* got invalid port number/],
      ['redis://host:6379x', /got invalid port number/],
      ['redis://host:-1', /got invalid port number/],
      ['redis+sentinel://host:0/main', /redis must be ports from 1 to 65535, got a sentinel with/],
      ['redis+sentinel://host:65536/main', /got a sentinel with an invalid port/],
      [{port: 0}, /redis: port must be a whole number from 1 to 65535, got 0/],
      [{port: -1}, /redis: port must be .* got -1/],
      [{port: 1.5}, /redis: port must be .* got 1\.5/],
      [{port: 1e9}, /redis: port must be .* got 1000000000/],
      [{port: Number.NaN}, /redis: port must be .* got something else/],
      [{port: '6379x'}, /redis: port must be .* got something else/],
      [{sentinels: [{port: 65_536}], name: 'main'}, /redis: sentinels\[0\]\.port .* got 65536/],
    ],
  ],
  [
    'an escape that is no UTF-8',
    [
      ['redis://%ff@host', /redis must be a URL in UTF-8, got a user that is not UTF-8/],
      ['redis://:%ff@host', /got a password that is not UTF-8/],
      ['redis://%ff', /got a host that is not UTF-8/],
      ['redis://host?password=%ff', /got a query parameter password that is not UTF-8/],
      ['redis://host?keyPrefix=%ff', /got a query parameter keyPrefix that is not UTF-8/],
      ['unix:///%ff', /got a path that is not UTF-8/],
      ['redis+sentinel://host/%ff', /got a name that is not UTF-8/],
      ['redis+sentinel://%ff/main', /got a host that is not UTF-8/],
    ],
  ],
  [
    'an IPv6 address without its brackets, or none in them',
    [
      ['redis://::1', /redis must be a valid URL \(an IPv6 address in brackets\), got empty host/],
      ['redis://::1:6379', /got empty host/],
      ['redis://[::1', /got invalid IPv6 address/],
      ['redis://[::1]x', /got invalid IPv6 address/],
      ['redis://[::g]', /got invalid IPv6 address/],
      ['redis://[]', /got invalid IPv6 address/],
      ['redis://[127.0.0.1]', /got invalid IPv6 address/],
      ['redis://[fe80::1%25lo]:6379', /got invalid IPv6 address/],
      ['redis+sentinel://::1/main', /got a sentinel without a valid host/],
      ['redis+sentinel://[::1]x/main', /got a sentinel without a valid host/],
    ],
  ],
  [
    'a database that is none',
    [
      ['redis://host/0/', /redis must be a URL whose path is a db number, got the path \/0\//],
      ['redis://host/0x1', /got the path \/0x1/],
      ['redis:///run/redis.sock', /got the path \/run\/redis\.sock/],
      ['redis://host?db=-1', /got the query parameter db=-1/],
      ['redis+sentinel://host/main/x', /got the path \/name\/x/],
    ],
  ],
  [
    'TLS that is for another place, or cannot be read',
    [
      [
        {host: 'a', tls: {host: 'b'}},
        /redis: tls\.host cannot be used: it would win over the host/,
      ],
      [{port: 1, tls: {port: 2}}, /redis: tls\.port cannot be used: it would win over the port/],
      [{port: 1, tls: {path: '/x'}}, /redis: tls\.path cannot be used/],
      [{port: 1, tls: {ca: 'no certificate'}}, /redis: tls\.ca must be at least one .* got none/],
      [{port: 1, tls: {cert: 'x', key: 'x'}}, /redis: tls\.cert must be at least one .* got none/],
      [{port: 1, tls: {key: 'x'}}, /redis: tls\.cert must be given with tls\.key, got none/],
      [
        {port: 1, tls: {minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2'}},
        /redis: tls\.maxVersion must be tls\.minVersion or above, got less/,
      ],
    ],
  ],
  [
    'nothing, or a list of it',
    [
      [[], /redis: an array cannot be used/],
      [[[]], /redis: an array cannot be used/],
      [{sentinels: [], name: 'main'}, /redis: sentinels must be an array .* got an empty array/],
      [{sentinels: {}, name: 'main'}, /redis: sentinels must be an array .* got an object/],
      [{sentinels: [[]], name: 'main'}, /redis: sentinels\[0\] must be .* got an array/],
      ['redis+sentinel:///main', /got a sentinel without a valid host/],
      ['redis+sentinel://a,,b/main', /got a sentinel without a valid host/],
    ],
  ],
])('%s', (_, table) => {
  test.each(table)('%j', async (source, message) => {
    const refused = is('ERR_INVALID_CONFIG', message)
    await expect(run(source)).rejects.toMatchObject(refused)
    await expect(establish(source)).rejects.toMatchObject(refused)
  })
})

describe('a server that is no master', () => {
  const redis = useRedis()
  let replica: RedisServer
  let sentinel: SentinelServer
  beforeAll(async () => {
    const {port} = redis.server
    replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(port)])
    sentinel = await SentinelServer.watch([`sentinel monitor main 127.0.0.1 ${port} 1`])
  })
  afterAll(async () => {
    await sentinel.close()
    await replica.close()
  })

  test('a replica is named, and may become one', async () => {
    const words = new RegExp(`the server is a replica \\(127\\.0\\.0\\.1:${replica.port}\\)`)
    for (const source of [replica.url, {host: '127.0.0.1', port: replica.port}]) {
      await expect(run(source)).rejects.toMatchObject(is('ERR_STORE_UNAVAILABLE', words))
    }
    await redis.connect({port: replica.port}).replicaof('NO', 'ONE')
    expect(await run(replica.url)).toBe('ran')
  })

  test('a sentinel is refused by name', async () => {
    const words = /the server is a Sentinel, which holds no data \(127\.0\.0\.1:\d+\)/
    for (const use of [run, establish]) {
      const refused = use(`redis://127.0.0.1:${sentinel.port}`)
      await expect(refused).rejects.toMatchObject(is('ERR_STORE_DENIED', words))
    }
  })

  test('a master is no sentinel, and a name that no sentinel knows is named', async () => {
    const by = (port: number, name: string) => ({sentinels: [{port, host: '127.0.0.1'}], name})
    for (const use of [run, establish]) {
      await expect(use(by(redis.server.port, 'main'))).rejects.toMatchObject(
        is('ERR_STORE_DENIED', /no sentinel can be asked: .*unknown command .SENTINEL/),
      )
      await expect(use(by(sentinel.port, 'nobody'))).rejects.toMatchObject(
        is('ERR_STORE_DENIED', /the sentinels know no master named 'nobody'/),
      )
    }
  })

  test('a database that the server has not is refused by its number', async () => {
    await expect(run(`${redis.url}/99`)).rejects.toMatchObject(
      is('ERR_STORE_DENIED', /db 99 is refused: ERR DB index is out of range/),
    )
  })
})
