// Names: two different ones are never one in Redis, and what cannot be one is refused.

import {
  establishPrimaryServer,
  inspectPrimary,
  LeaderRunner,
  type Lease,
  onPrimaryChange,
  type PrimaryLease,
  primaryStatus,
  resignPrimaryServer,
  setLogger,
  whilePrimary,
  withLease,
} from '../index.js'
import {newPrefix, TTL, useRedis} from './support/redis'

const redis = useRedis()

beforeAll(() => setLogger(null))
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
afterEach(() => resignPrimaryServer())

/** As untyped JavaScript would call it. */
const establish = establishPrimaryServer as (...args: unknown[]) => Promise<PrimaryLease>

test('elections whose names read alike are different ones', async () => {
  const name = newPrefix()
  const named = (prefix: string, scope?: string) =>
    establish(redis.url, prefix, {ttl: TTL, scope, eagerStart: false})
  const leases = await Promise.all([
    named(`${name}:b`, 'c'),
    named(name, 'b:c'),
    named(`${name}:b:c`),
    named(`${name}%3Ab`, 'd'),
    named(`${name}:b%3Ac`),
  ])
  expect(leases.map((lease) => lease.isHeld)).toEqual([true, true, true, true, true])
  await Promise.all(leases.map((lease) => lease.fence(name)))
  const keys = await redis.client.keys(`primary:*${name}*`)
  expect(keys.sort()).toEqual(
    [
      `primary:{${name}%3Ab:c}`,
      `primary:{${name}:b%3Ac}`,
      `primary:{${name}%3Ab%3Ac}`,
      `primary:{${name}%253Ab:d}`,
      `primary:{${name}%3Ab%253Ac}`,
    ].sort(),
  )
  // Each is known to a resource by a name of its own.
  expect(await redis.client.hlen(`fence:{${name}}`)).toBe(5)
})

test('a name reaches Redis whole, wherever its length and its letters lie', async () => {
  // Around 256 bytes, which most names have room in, with a character of four bytes at the end.
  const names = Array.from({length: 16}, (_, more) => {
    const begin = `${newPrefix()} ${'é'.repeat(80)}`
    return `${begin}${'x'.repeat(246 + more - Buffer.byteLength(begin) - 4)}😀`
  })
  await Promise.all(
    names.map((name) =>
      withLease(redis.url, name, {ttl: TTL}, async (lease) => {
        expect(lease.resource).toBe(name)
        expect(await redis.client.exists(`lease:{${name}}`)).toBe(1)
      }),
    ),
  )
})

test('jobs and resources whose names read alike are different ones', async () => {
  const name = newPrefix()
  const job = (runner: string, job: string) => (run: (lease: Lease) => Promise<unknown>) =>
    new LeaderRunner(redis.url, runner, TTL).runLocked(job, run)
  const lease = (resource: string) => (run: (lease: Lease) => Promise<unknown>) =>
    withLease(redis.url, resource, {ttl: TTL}, run)
  const calls = [job(name, 'mail:send'), job(`${name}:mail`, 'send'), lease(`${name}:mail:send`)]
  const held: Lease[] = []
  let all = () => {}
  const together = new Promise<void>((resolve) => {
    all = resolve
  })
  const run = async (lease: Lease) => {
    if (held.push(lease) === calls.length) all()
    await together
    await lease.fence(name)
  }
  await Promise.all(calls.map((call) => call(run)))
  expect(held.map(({resource}) => resource).sort()).toEqual(
    [`${name}%3Amail:send`, `${name}:mail%3Asend`, `${name}:mail:send`].sort(),
  )
  expect((await redis.client.hkeys(`fence:{${name}}`)).sort()).toEqual(
    [
      `lease:${name}%3Amail:send`,
      `lease:${name}:mail%3Asend`,
      `lease:${name}%3Amail%3Asend`,
    ].sort(),
  )
})

test('a name without a colon or a percent sign stands in Redis as it was given', async () => {
  const name = newPrefix()
  await establish(redis.url, name, {ttl: TTL, scope: 'v 1.2/ü'})
  expect(await redis.client.keys(`primary:*${name}*`)).toEqual([`primary:{${name}:v 1.2/ü}`])
})

/** Every name that a caller can give, as its field is called, and who refuses it. */
const NAMES: [string, (name: string) => unknown][] = [
  ['prefix', (name) => establish(redis.url, name)],
  ['scope', (scope) => establish(redis.url, newPrefix(), {scope})],
  ['prefix', async (name) => onPrimaryChange(name, () => {})],
  ['prefix', async (name) => whilePrimary(name, () => {})],
  ['prefix', async (name) => primaryStatus(name)],
  ['prefix', (name) => resignPrimaryServer(name)],
  ['prefix', async (name) => new LeaderRunner(redis.url, name, TTL)],
  ['resource', (name) => withLease(redis.url, name, {}, () => {})],
  [
    'name',
    async (name) => {
      const ran = await new LeaderRunner(redis.url, newPrefix(), TTL).runLocked(name, () => {})
      if (ran.outcome === 'failed') throw ran.error
    },
  ],
  ['resource', (name) => fenced((lease) => lease.fence(name))],
  ['resource', (name) => fenced((lease) => lease.command(name, ['PING']))],
  ['prefix', (name) => inspectPrimary(redis.url, name)],
  ['scope', (name) => inspectPrimary(redis.url, 'jobs', {scope: name})],
  ['memory://name', (name) => establish(`memory://${name}`, newPrefix())],
]

const fenced = (run: (lease: Lease) => Promise<unknown>) =>
  withLease(redis.url, newPrefix(), {ttl: TTL}, run)

const refused = (field: string, shown: string) => ({
  name: 'PrimaryLeaseError',
  code: 'ERR_INVALID_CONFIG',
  message: expect.stringMatching(
    new RegExp(`${field.replaceAll('/', '\\/')}.*${shown.replaceAll('\\', '\\\\')}`),
  ),
})

describe.each(NAMES)('%s', (field, use) => {
  test.each([
    ['a brace in front', '}jobs', '}jobs'],
    ['braces', 'a{b}', 'a{b}'],
    ['no character', '', '0 characters'],
    ['a control character', 'a\u0007', 'characters'],
    ['201 characters', 'x'.repeat(201), '201 characters'],
  ])('with %s is refused', async (_, name, shown) => {
    const pattern = shown.replaceAll(/[{}]/g, '\\$&')
    const error = await Promise.resolve(use(name)).catch((error: unknown) => error)
    expect(error).toMatchObject({...refused(field, ''), code: 'ERR_INVALID_CONFIG'})
    expect((error as Error).message).toMatch(new RegExp(pattern))
  })
})

describe('half of a surrogate pair, which all become one character, is refused', () => {
  const LONE = 'jobs \ud83d'
  const SWAPPED = '\udc00\ud800'

  test.each(NAMES.filter(([field]) => field !== 'memory://name'))('in %s', async (field, use) => {
    const expected = (shown: string) => refused(field, `without half a surrogate pair.*${shown}`)
    await expect(use(LONE)).rejects.toMatchObject(expected('\\ud83d'))
    await expect(use(SWAPPED)).rejects.toMatchObject(expected('\\udc00'))
  })

  test('in serverId, keyPrefix and a URL', async () => {
    const options = {host: '127.0.0.1', port: redis.server.port}
    await expect(establish(redis.url, newPrefix(), {serverId: LONE})).rejects.toMatchObject(
      refused('serverId', '\\ud83d'),
    )
    const source = {...options, keyPrefix: LONE}
    await expect(establish(source, newPrefix())).rejects.toMatchObject(
      refused('keyPrefix', '\\ud83d'),
    )
    await expect(establish(`memory://${LONE}`, newPrefix())).rejects.toMatchObject(
      refused('redis', 'surrogate'),
    )
    // Which may well be a part of the secret.
    const secret = {...options, password: `hush${LONE}`}
    const error = await establish(secret, newPrefix()).catch((error: Error) => error)
    expect(error).toMatchObject(refused('password', ''))
    expect((error as Error).message).not.toContain('hush')
  })

  test('a whole pair is a character like any other, and so is the one that replaces them', async () => {
    for (const name of ['🐢', '\ufffd']) {
      const lease = await establish(redis.url, `${newPrefix()}${name}`, {ttl: TTL, serverId: name})
      expect(lease.prefix.endsWith(name)).toBe(true)
    }
  })
})

describe('a keyPrefix with an empty hash tag, which scatters keys over a cluster, is refused', () => {
  test.each(['{}', 'app:{}:', '{}{app}'])('%s', async (keyPrefix) => {
    const source = {host: '127.0.0.1', port: redis.server.port, keyPrefix}
    const expected = {
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringContaining(JSON.stringify(keyPrefix)),
    }
    await expect(establish(source, newPrefix())).rejects.toMatchObject(expected)
    const leased = withLease(source, newPrefix(), {}, () => {})
    await expect(leased).rejects.toMatchObject(expected)
  })

  test.each(['{app}', '{app}{}', '}{x}', 'app{'])('and %s is not', async (keyPrefix) => {
    const source = {host: '127.0.0.1', port: redis.server.port, keyPrefix}
    expect(await withLease(source, newPrefix(), {}, () => 'ran')).toBe('ran')
  })
})
