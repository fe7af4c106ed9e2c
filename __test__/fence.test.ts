import {rm} from 'node:fs/promises'
import Redis from 'ioredis'
import {
  type ElectionOptions,
  establishPrimaryServer,
  type Lease,
  type PrimaryLease,
  resignPrimaryServer,
  setLogger,
  withLease,
} from '../index.js'
import {keyOf} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis, vacate} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()
afterEach(() => resignPrimaryServer())

// What is done to Redis here is worth a warning, and so is a server that refuses to subscribe us.
const {warn, error} = console
const quiet = () => {}
beforeAll(() => setLogger(null))
afterAll(() => setLogger({debug: quiet, info: quiet, warn, error}))

/** Renewed so seldom that its holder learns of nothing that happens to Redis in a test. */
const HOUR = 3_600_000

const fenceOf = (resource: string) => `fence:{${resource}}`

/** A lease of this process. */
async function hold(url: string, prefix: string, options: ElectionOptions = {}) {
  await vacate(url, prefix, options)
  const lease = await establishPrimaryServer(url, prefix, {ttl: HOUR, ...options})
  if (!lease) throw new Error('the released record was not taken')
  return lease
}

/** What a resource says to a lease that does not know that it has a successor. */
async function refusal(lease: PrimaryLease | Lease, asked: Promise<unknown>, highest: number) {
  expect(lease.isHeld).toBe(true)
  const message = expect.stringMatching(new RegExp(`${lease.token}.*${highest}`))
  const {token} = lease
  const code = 'ERR_STALE_TOKEN'
  await expect(asked).rejects.toMatchObject({
    name: 'PrimaryLeaseError',
    code,
    message,
    token,
    highest,
  })
}

test('a resource remembers the token of each election that has shown it', async () => {
  const prefix = newPrefix()
  const lease = await hold(redis.url, prefix)
  expect(await lease.fence('ledger')).toBeUndefined()
  expect(await lease.fence('ledger')).toBeUndefined()
  await lease.release()
  const scoped = await hold(redis.url, prefix, {scope: 'v2'})
  await scoped.fence('ledger')
  expect(await redis.client.hgetall(fenceOf('ledger'))).toEqual({
    [`primary:${prefix}`]: String(lease.token),
    [`primary:${prefix}:v2`]: String(scoped.token),
  })
})

test('a lease shows the name by which a resource knows it, also after its end', async () => {
  const prefix = newPrefix()
  const names = []
  for (const options of [{}, {scope: 'v2'}]) {
    const lease = await hold(redis.url, prefix, options)
    await lease.fence('names')
    await lease.release()
    names.push(lease.name)
  }
  expect(names).toEqual([`primary:${prefix}`, `primary:${prefix}:v2`])
  const run = await withLease(redis.url, prefix, {ttl: 1000}, async (lease) => {
    await lease.fence('names')
    return lease
  })
  names.push(run.name)
  expect(run.name).toBe(`lease:${prefix}`)
  expect(Object.keys(await redis.client.hgetall(fenceOf('names'))).sort()).toEqual(names.sort())
})

describe('a primary that does not know that it has a successor', () => {
  // Without messages it does not hear that its record is gone. A restart finds what was saved last.
  const redis = useRedis(['--appendonly', 'no', '--rename-command', 'SUBSCRIBE', ''])

  /** The next primary, in a process of its own, over a record that is missing or not renewed. */
  async function succeed(prefix: string) {
    const server = new Server()
    await server.call('listen', prefix)
    await server.call('establish', redis.url, prefix, {ttl: TTL})
    const {token} = await server.change('elected')
    return {server, token: Number(token)}
  }

  test('is refused, and nothing of it is written', async () => {
    const prefix = newPrefix()
    const old = await hold(redis.url, prefix)
    expect(await old.command('stock', ['SET', 'stock:apples', '1'])).toBe('OK')
    await redis.client.del(keyOf(prefix))
    const {server, token} = await succeed(prefix)
    // Its successor has not been there yet.
    expect(await old.command('stock', ['INCR', 'stock:apples'])).toBe(2)
    await server.call('fence', 'stock')
    await refusal(old, old.fence('stock'), token)
    await refusal(old, old.command('stock', ['SET', 'stock:apples', '9']), token)
    await refusal(old, old.command('stock', ['SET', 'stock:pears', '9']), token)
    expect(await redis.client.get('stock:apples')).toBe('2')
    expect(await redis.client.exists('stock:pears')).toBe(0)
  })

  const restart = async () => {
    await redis.server.stop()
    await redis.server.start()
  }
  /** How data are lost, and whether what the resource had seen before is there afterwards. */
  const losses: [string, (prefix: string) => Promise<unknown>, boolean][] = [
    ['the loss of its record alone', (prefix) => redis.client.del(keyOf(prefix)), true],
    ['a FLUSHALL', () => redis.client.flushall(), false],
    ['a restart without data', () => rm(`${redis.server.dir}/dump.rdb`).then(restart), false],
    ['a return to an older state', restart, true],
  ]
  test.each(losses)('is refused after %s too, and tokens go on rising', async (_, lose, seen) => {
    const prefix = newPrefix()
    const resource = `resource-of-${prefix}`
    // Whoever returns to its record has to watch it for its ttl.
    const earlier = await hold(redis.url, prefix, {ttl: 3 * TTL})
    await earlier.fence(resource)
    await redis.client.save()
    await earlier.release()
    const old = await hold(redis.url, prefix)
    expect(old.token).toBeGreaterThan(earlier.token)

    await lose(prefix)
    const highest = await redis.client.hget(fenceOf(resource), `primary:${prefix}`)
    expect(highest).toBe(seen ? String(earlier.token) : null)
    const {server, token} = await succeed(prefix)
    expect(token).toBeGreaterThan(old.token)
    await server.call('fence', resource)
    await refusal(old, old.command(resource, ['SET', `${resource}:write`, 'late']), token)
    expect(await redis.client.exists(`${resource}:write`)).toBe(0)

    await server.kill()
    const last = await succeed(prefix)
    expect(last.token).toBeGreaterThan(token)
  })
})

describe('a command', () => {
  let lease: PrimaryLease
  beforeEach(async () => {
    lease = await hold(redis.url, newPrefix())
  })

  test('brings the reply of Redis', async () => {
    const command = (...args: (string | Buffer)[]) => lease.command('list', args)
    expect(await command('RPUSH', 'list', 'a', 'grün', '')).toBe(3)
    expect(await command('LRANGE', 'list', '0', '-1')).toEqual(['a', 'grün', ''])
    expect(await command('GET', 'list:none')).toBeNull()
    expect(await command('HMGET', 'list:none', 'a', 'b')).toEqual([null, null])
    expect(await command('DECR', 'list:count')).toBe(-1)
    await command('GEOADD', 'list:geo', '13.4', '52.5', 'berlin')
    const [[name, [longitude]]] = (await command(
      ...['GEOSEARCH', 'list:geo', 'FROMMEMBER', 'berlin', 'BYRADIUS', '1', 'km', 'WITHCOORD'],
    )) as [[string, [string, string]]]
    expect(name).toBe('berlin')
    expect(Number(longitude)).toBeCloseTo(13.4)
  })

  test('takes and brings bytes', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 195, 40])
    expect(await lease.command('bytes', ['SET', bytes, new Uint8Array(bytes)])).toBe('OK')
    expect(await redis.client.getBuffer(bytes)).toEqual(bytes)
    const reply = await lease.command('bytes', ['GET', bytes])
    expect(Buffer.isBuffer(reply)).toBe(true)
    expect(reply).toEqual(bytes)
    const part = Buffer.from('xGETx').subarray(1, 4)
    expect(await lease.command('bytes', [part, 'bytes:none'])).toBeNull()
  })

  test('that Redis refuses rejects in the words of Redis', async () => {
    await lease.command('mixed', ['SET', 'mixed', 'text'])
    await expect(lease.command('mixed', ['LPUSH', 'mixed', 'item'])).rejects.toMatchObject({
      name: 'ReplyError',
      code: 'WRONGTYPE',
      message: expect.stringMatching(/^WRONGTYPE Operation against a key/),
    })
    await expect(lease.command('mixed', ['SETT'])).rejects.toMatchObject({
      name: 'ReplyError',
      message: expect.stringContaining('Unknown Redis command'),
    })
    expect(await lease.command('mixed', ['GET', 'mixed'])).toBe('text')
  })

  test('of a lease that is not held any more is not sent', async () => {
    const lost = {code: 'ERR_LEASE_LOST', message: expect.stringContaining(String(lease.token))}
    const refused = async () => {
      await expect(lease.command('gone', ['SET', 'gone', '1'])).rejects.toMatchObject(lost)
      await expect(lease.fence('gone')).rejects.toMatchObject(lost)
    }
    const released = lease.release()
    // Its campaign is still under way, and then over.
    await refused()
    await released
    await refused()
    expect(await redis.client.exists('gone', fenceOf('gone'))).toBe(0)
  })
})

describe('an argument that cannot be meant is refused:', () => {
  test.each<[string, unknown, unknown, RegExp]>([
    ['a resource without a name', '', ['PING'], /resource .*1 to 200/],
    ['a resource with braces', 'a{b}', ['PING'], /resource .*braces/],
    ['a number for a resource', 7, ['PING'], /resource must be a string, got a number/],
    ['no arguments', 'r', undefined, /args must be an array of strings and Buffers, got undefined/],
    ['a line of text', 'r', 'PING', /args must be an array .* got a string/],
    ['an empty array', 'r', [], /args must have 1 to 7000 elements, .* got 0/],
    ['too many arguments', 'r', Array(7001).fill('x'), /7000 .* got 7001/],
    ['a number', 'r', ['SET', 'key', 1], /args\[2\] must be a string or a Buffer, got a number/],
    ['null', 'r', ['SET', null, 'a'], /args\[1\] .* got null/],
    ['numbers of 16 bits', 'r', ['SET', 'key', new Uint16Array(1)], /args\[2\] .* another type/],
    ['an object', 'r', ['SET', 'key', {toString: () => 'a'}], /args\[2\] .* got an object/],
  ])('%s', async (_, resource, args, message) => {
    const lease = await establishPrimaryServer('memory://arguments', newPrefix())
    const command = lease?.command.bind(lease) as (...given: unknown[]) => Promise<unknown>
    await expect(command(resource, args)).rejects.toMatchObject({
      name: 'PrimaryLeaseError',
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(message),
    })
  })
})

test('a Redis that hangs is waited for a sixth of the ttl, or as long as the lease is held', async () => {
  const ttl = 10 * TTL
  const lease = await hold(redis.url, newPrefix(), {ttl})
  await lease.command('hung', ['SET', 'hung', '0'])
  redis.server.freeze()
  const begun = performance.now()
  const [applied, recorded] = await Promise.allSettled([
    lease.command('hung', ['INCR', 'hung']),
    lease.fence('hung'),
  ])
  // The next renewal would be noticed to hang after a third and a sixth of the ttl.
  expect(performance.now() - begun).toBeLessThan(ttl / 3)
  const unavailable = (message: RegExp) => ({
    reason: {code: 'ERR_STORE_UNAVAILABLE', message: expect.stringMatching(message)},
  })
  expect(applied).toMatchObject(unavailable(/the command may or may not have been applied/))
  expect(recorded).toMatchObject(unavailable(/the token may or may not have been recorded/))

  await until('the lease nearly ends', () => lease.remainingMs < ttl / 20)
  const late = performance.now()
  await expect(lease.fence('hung')).rejects.toThrow()
  expect(performance.now() - late).toBeLessThan(ttl / 8)
  redis.server.thaw()
  expect(['0', '1']).toContain(await redis.client.get('hung'))
})

test('a user who lacks a permission is told which side lacks it', async () => {
  const user = (...rules: string[]) => redis.client.call('ACL', 'SETUSER', 'bob', ...rules)
  await user('reset', 'on', '>secret', '~*', '&*', '+@all', '-set')
  const lease = await hold(redis.url.replace('//', '//bob:secret@'), newPrefix())
  await expect(lease.command('acl', ['SET', 'acl', '1'])).rejects.toMatchObject({
    name: 'ReplyError',
    message: expect.stringMatching(/permission|can't run this command/),
  })
  expect(await lease.fence('acl')).toBeUndefined()
  await user('resetkeys', '~primary:*', '+set')
  for (const ask of [() => lease.fence('acl'), () => lease.command('acl', ['SET', 'acl', '1'])]) {
    await expect(ask()).rejects.toMatchObject({
      name: 'PrimaryLeaseError',
      code: 'ERR_STORE_DENIED',
      message: expect.not.stringContaining('secret'),
    })
  }
  expect(await redis.client.exists('acl')).toBe(0)
})

test('in a cluster a command of another slot is refused, and Redis never sees it', async () => {
  const server = await RedisServer.start(['--cluster-enabled', 'yes'])
  const client = new Redis(server.url)
  try {
    const slots = Array.from({length: 16_384}, (_, slot) => slot)
    await client.cluster('ADDSLOTS', ...slots)
    await until('the cluster is there', async () =>
      (await client.cluster('INFO')).includes('cluster_state:ok'),
    )
    const lease = await hold(server.url, newPrefix())
    const seen: string[][] = []
    const monitor = await client.monitor()
    monitor.on('monitor', (_time, args: string[]) => seen.push(args))
    await expect(lease.command('mail', ['SET', 'outbox', '1'])).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(/"outbox" is in slot \d+ .* write "\{mail\}" into the key/),
    })
    expect(await lease.command('mail', ['SET', 'outbox:{mail}', '1'])).toBe('OK')
    // Its keys are asked for before.
    const scripts = () => seen.filter(([name]) => /^eval/i.test(String(name))).flat()
    await until('the other is seen', () => scripts().includes('outbox:{mail}'))
    expect(scripts()).not.toContain('outbox')
    monitor.disconnect()
    await resignPrimaryServer()
  } finally {
    client.disconnect()
    await server.close()
  }
})

test('a store in memory fences, and has no commands', async () => {
  const lease = await establishPrimaryServer('memory://fences', newPrefix())
  expect(await lease?.fence('ledger')).toBeUndefined()
  await expect(lease?.command('ledger', ['SET', 'a', 'b'])).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringContaining('memory://fences has no commands'),
  })
})

test('a command under way keeps the process alive until it is answered, and no longer', async () => {
  const script = `establishPrimaryServer(url, '${newPrefix()}', {ttl: 500})
    .then((lease) => lease.command('end', ['SET', 'end', 'reached']))
    .then(console.log)`
  const {code, stdout} = await runScript(redis.url, script)
  expect({code, stdout}).toEqual({code: 0, stdout: 'OK\n'})
  expect(await redis.client.get('end')).toBe('reached')
})

test('the lease of a run fences with the tokens of its own resource', async () => {
  const job = newPrefix()
  const name = `lease:${job}`
  const run = async (lease: Lease) => {
    expect(await lease.command('runs', ['INCR', 'runs:count'])).toBe(1)
    expect(await redis.client.hget(fenceOf('runs'), name)).toBe(String(lease.token))
    // As a newer run of another server does, when Redis has lost this one's lease.
    const highest = lease.token + 1
    await redis.client.hset(fenceOf('runs'), name, String(highest))
    await refusal(lease, lease.fence('runs'), highest)
    await refusal(lease, lease.command('runs', ['INCR', 'runs:count']), highest)
    return lease
  }
  const lease = await withLease(redis.url, job, {ttl: 60_000}, run)
  expect(await redis.client.get('runs:count')).toBe('1')
  await expect(lease.fence('runs')).rejects.toMatchObject({code: 'ERR_LEASE_LOST'})
})
