import {randomBytes} from 'node:crypto'
import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryLease,
  resignPrimaryServer,
  setLogger,
} from '../index.js'
import {until} from '../support/until'
import {newPrefix, useRedis, vacate} from './support/redis'
import {Relay} from './support/relay'

// Nothing that is written here has to outlive the server.
const redis = useRedis(['--appendonly', 'no'])
afterEach(() => resignPrimaryServer())

// Elections here begin and end by the dozen.
const {warn, error} = console
const quiet = () => {}
beforeAll(() => setLogger(null))
afterAll(() => setLogger({debug: quiet, info: quiet, warn, error}))

const MB = 1024 * 1024
const HOUR = 3_600_000

/** A lease of an election that nobody else stands in, and what has become of it. */
async function hold(url: string, ttl: number) {
  const prefix = newPrefix()
  await vacate(url, prefix)
  const changes: string[] = []
  onPrimaryChange(prefix, ({type}) => changes.push(type))
  const lease = await establishPrimaryServer(url, prefix, {ttl})
  if (!lease) throw new Error('nobody else was there')
  return {lease, changes}
}

let lease: PrimaryLease
beforeEach(async () => {
  lease = (await hold(redis.url, HOUR)).lease
})

describe('commands that are not awaited', () => {
  const numbers = Array.from({length: 12_000}, (_, number) => String(number))

  test('are applied in the order of the calls', async () => {
    await Promise.all(numbers.map((number) => lease.command('log', ['RPUSH', 'log', number])))
    expect(await redis.client.lrange('log', 0, -1)).toEqual(numbers)
  })

  test('are while Redis forgets its scripts, and another client of ours makes them known', async () => {
    const other = (await hold(redis.url.replace('127.0.0.1', 'localhost'), HOUR)).lease
    const asked: Promise<unknown>[] = []
    for (const number of numbers) {
      asked.push(lease.command('scripts', ['RPUSH', 'scripts', number]))
      if (Number(number) % 300 === 0) {
        await redis.client.script('FLUSH')
        await other.fence('elsewhere')
      }
    }
    await Promise.all(asked)
    expect(await redis.client.lrange('scripts', 0, -1)).toEqual(numbers)
  })

  test('keep their order where some are large', async () => {
    const values = numbers.slice(0, 60).map((number, index) => {
      if (index % 3 === 0) return number.padStart(3 * MB, '-')
      return index % 3 === 1 ? Buffer.alloc(5 * MB, number) : number
    })
    const lengths = values.map((value, index) =>
      lease.command('sizes', ['RPUSH', 'sizes', value]).then((length) => [index + 1, length]),
    )
    for (const [expected, length] of await Promise.all(lengths)) expect(length).toBe(expected)
    const kept = await redis.client.lrangeBuffer('sizes', 0, -1)
    kept.forEach((value, index) => {
      expect(value.equals(Buffer.from(values[index] ?? ''))).toBe(true)
    })
    await redis.client.del('sizes')
  })
})

describe('a large reply', () => {
  test('of 40 MB arrives, and so do 100 of 1 MB at once', async () => {
    await redis.client.set('large', Buffer.alloc(40 * MB, 'x'))
    const large = await lease.command('large', ['GETDEL', 'large'])
    expect(large).toHaveLength(40 * MB)
    const bytes = Buffer.alloc(40 * MB, 255)
    await redis.client.set('large', bytes)
    expect(bytes.equals((await lease.command('large', ['GETDEL', 'large'])) as Buffer)).toBe(true)

    const keys = Array.from({length: 100}, (_, number) => `large:${number}`)
    for (const key of keys) await redis.client.set(key, Buffer.alloc(MB, key))
    const values = await Promise.all(keys.map((key) => lease.command('large', ['GETDEL', key])))
    values.forEach((value, number) => {
      expect(value === Buffer.alloc(MB, `large:${number}`).toString()).toBe(true)
    })
    expect(await redis.client.exists(keys)).toBe(0)
  })

  test('that is longer on its way than the ttl arrives, and costs no lease', async () => {
    const relay = await Relay.before(redis.server.port)
    try {
      // Long enough for a busy machine, which may be silent for a sixth of it.
      const ttl = 9_000
      const {lease, changes} = await hold(relay.url, ttl)
      await redis.client.set('slow', Buffer.alloc(10 * MB, 'x'))
      relay.manner = {how: 'trickle', bytes: 4 * 1024}
      const begun = performance.now()
      let arrived = false
      const asked = lease.command('slow', ['GETDEL', 'slow']).finally(() => {
        arrived = true
      })
      await until('longer than the ttl', () => performance.now() > begun + ttl)
      expect(arrived).toBe(false)
      relay.manner = {how: 'pass'}
      expect(await asked).toHaveLength(10 * MB)
      expect(changes).toEqual(['elected'])
      expect(lease.isHeld).toBe(true)
    } finally {
      relay.close()
    }
  })
})

describe('a large argument', () => {
  test('of bytes or text arrives whole', async () => {
    const bytes = randomBytes(9 * MB + 7)
    expect(await lease.command('whole', ['SET', 'whole', bytes])).toBe('OK')
    expect(bytes.equals((await redis.client.getBuffer('whole')) as Buffer)).toBe(true)
    // At an odd place, so that pairs of surrogates lie across whatever it is cut into.
    const text = `.${'😀'.repeat(3 * MB)}\ud83d`
    expect(await lease.command('whole', ['SET', 'whole', text])).toBe('OK')
    expect(Buffer.from(text).equals((await redis.client.getBuffer('whole')) as Buffer)).toBe(true)
    await redis.client.del('whole')
  })

  test('is not copied within the call', async () => {
    const bytes = Buffer.alloc(64 * MB, 'x')
    const begun = performance.now()
    const copy = Buffer.from(bytes)
    const copying = performance.now() - begun
    const calls: number[] = []
    // Of one of them at least the processor is not taken away.
    for (let call = 0; call < 3; call++) {
      const called = performance.now()
      const asked = lease.command('copy', ['SETRANGE', 'copy', '0', bytes])
      calls.push(performance.now() - called)
      expect(await asked).toBe(copy.length)
      await redis.client.del('copy')
    }
    expect(Math.min(...calls)).toBeLessThan(copying / 2)
  })

  test('that is not any more what it was is refused, and those behind it are sent', async () => {
    const bytes = new Uint8Array(8 * MB)
    const asked = lease.command('gone', ['SET', 'gone', bytes])
    const behind = lease.command('gone', ['SET', 'behind', '1'])
    structuredClone(bytes, {transfer: [bytes.buffer]})
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(
        /args\[2\] must not change until it is sent: .* 8388608 .* 0$/,
      ),
    })
    expect(await behind).toBe('OK')
    expect(await redis.client.exists('gone')).toBe(0)
  })

  test.each<[string, (string | Buffer)[], RegExp]>([
    [
      'one of 600 MB',
      [Buffer.alloc(600 * MB)],
      /args\[2\] .* 536870912 bytes \(512 MB\).* 629145600/,
    ],
    ['one byte too many', [Buffer.alloc(512 * MB + 1)], /args\[2\] .* got 536870913/],
    [
      'three of 400 MB',
      [Buffer.alloc(400 * MB), Buffer.alloc(400 * MB), Buffer.alloc(400 * MB)],
      /args must have at most 1072693248 bytes together, got 1258291\d+ up to args\[4\]/,
    ],
    ['a text of 600 MB', ['€'.repeat(200 * MB)], /args\[2\] .* \(512 MB\)/],
  ])('of more than Redis takes is refused, and costs no lease: %s', async (_, large, message) => {
    const {lease, changes} = await hold(redis.url, 3_000)
    const connections = async () => String(await redis.client.client('LIST')).split('\n').length
    const before = await connections()
    await expect(lease.command('huge', ['MSET', 'huge', ...large])).rejects.toMatchObject({
      name: 'PrimaryLeaseError',
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(message),
    })
    // One of before may have been closed, since nobody used it.
    expect(await connections()).toBeLessThanOrEqual(before)
    expect(await redis.client.exists('fence:{huge}')).toBe(0)
    expect(changes).toEqual(['elected'])
    expect(lease.isHeld).toBe(true)
  })
})

test('integers are numbers up to 2^53 - 1, and bigints beyond', async () => {
  const command = (...args: string[]) => lease.command('count', args)
  await redis.client.set('count', '9007199254740990')
  expect(await command('INCR', 'count')).toBe(Number.MAX_SAFE_INTEGER)
  expect(await command('INCR', 'count')).toBe(9007199254740992n)
  expect(await command('incrby', 'count', '1')).toBe(9007199254740993n)
  expect(await command('HINCRBY', 'counts', 'a', '-9223372036854775808')).toBe(-(2n ** 63n))
  // Redis itself rounds the others on their way through a script.
  const field = ['count:bits', 'SET', 'i64', '0', '1', 'INCRBY', 'i64', '0', '9007199254740992']
  await expect(command('BITFIELD', ...field)).rejects.toMatchObject({
    name: 'ReplyError',
    message: expect.stringMatching(/was applied, but .* beyond 2\^53 - 1/),
  })
})

test('what is no token in the record of a fence is named', async () => {
  for (const odd of ['9007199254740992', 'soon']) {
    await redis.client.hset('fence:{odd}', `primary:${lease.prefix}`, odd)
    await expect(lease.fence('odd')).rejects.toMatchObject({
      code: 'ERR_STORE_DENIED',
      message: expect.stringMatching(new RegExp(`fence:\\{odd\\} .*${lease.prefix}: ${odd}`)),
    })
  }
})

test('a policy that may evict the record of a fence before its data is warned of once', async () => {
  const warnings: string[] = []
  const warn = (message: string) => warnings.push(message)
  setLogger({debug: quiet, info: quiet, warn, error})
  try {
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    // Each has a connection of its own.
    for (const db of [1, 2]) {
      const {lease} = await hold(`${redis.url}/${db}`, HOUR)
      for (let round = 0; round < 3; round++) await lease.fence('evicted')
      await until('the warning', () => warnings.length)
    }
  } finally {
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
    setLogger(null)
  }
  expect(warnings).toEqual([
    expect.stringMatching(/maxmemory-policy allkeys-lru may evict .* set noeviction or a volatile/),
  ])
})
