// One run under a lease: what the run sees, what its caller is told, and what Redis is left with.

import {AsyncLocalStorage} from 'node:async_hooks'
import {type Lease, type LeaseOptions, setLogger, withLease} from 'primary-lease'
import {until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, useRedis} from './support/redis'
import {runScript} from './support/servers'

const redis = useRedis()
const LONG = 30_000

beforeAll(() => setLogger(null))
// Native state outlives the test file.
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))

/** A resource of its own, and a call for it. */
function resource(options: LeaseOptions = {}) {
  const name = newPrefix()
  return {
    name,
    key: `lease:{${name}}`,
    run: <T>(run: (lease: Lease) => T | Promise<T>, more: LeaseOptions = {}) =>
      withLease(redis.url, name, {...options, ...more}, run),
  }
}

const code = (error: unknown) => (error as {code?: string}).code

test('the caller gets what the run returned, and the lease is held during the run alone', async () => {
  const {name, run} = resource()
  const kept: Lease[] = []
  const value = await run(async (lease) => {
    kept.push(lease)
    expect(lease).toMatchObject({resource: name, isHeld: true})
    expect(Number.isSafeInteger(lease.token)).toBe(true)
    expect(lease.remainingMs).toBeGreaterThan(0)
    lease.assertHeld()
    await expect(run(() => 'a second run')).rejects.toMatchObject({code: 'ERR_LEASE_HELD'})
    return {the: 'value'}
  })
  expect(value).toEqual({the: 'value'})
  expect(kept[0]).toMatchObject({isHeld: false, remainingMs: 0})
  expect(() => kept[0]?.assertHeld()).toThrow('is not held any more')
  expect(await run((lease) => lease.token)).toBeGreaterThan(Number(kept[0]?.token))
})

test('values of every kind come back as they are, also without a promise', async () => {
  const {run} = resource()
  const object = {}
  for (const value of [undefined, null, 0, '', 'text', 7n, object, Symbol.iterator]) {
    expect(await run(() => value)).toBe(value)
    expect(await run(async () => value)).toBe(value)
  }
})

test('the caller gets the error of the run as it is', async () => {
  const {run} = resource()
  for (const thrown of [new TypeError('mine'), 'a text', undefined]) {
    const throws = () => {
      throw thrown
    }
    await expect(run(throws)).rejects.toBe(thrown)
    await expect(run(async () => throws())).rejects.toBe(thrown)
  }
  expect(await run(() => 'free again')).toBe('free again')
})

test('the lease is renewed for as long as the run is pending', async () => {
  const {key, run} = resource({ttl: 1_500})
  const held = await run(async (lease) => {
    const value = await redis.client.get(key)
    // Nearly run out, and then nearly whole again: that is a renewal.
    for (let renewals = 0; renewals < 6; renewals++) {
      await until('it has aged', async () => (await redis.client.pttl(key)) < 1_250)
      await until('it is renewed', async () => (await redis.client.pttl(key)) > 1_250)
    }
    expect(await redis.client.get(key)).toBe(value)
    return lease.isHeld
  })
  expect(held).toBe(true)
})

test('a run that blocks the event loop for longer than the ttl keeps its lease', async () => {
  const {key, run} = resource({ttl: 1_500})
  await run(async (lease) => {
    const value = await redis.client.get(key)
    const end = performance.now() + 4_000
    while (performance.now() < end);
    expect(lease.isHeld).toBe(true)
    expect(await redis.client.get(key)).toBe(value)
  })
})

test('a run goes on in the asynchronous context of its caller', async () => {
  const context = new AsyncLocalStorage<string>()
  const {run} = resource()
  expect(await context.run('mine', () => run(async () => context.getStore()))).toBe('mine')
})

describe('a lease that is lost', () => {
  const take = (key: string) => redis.client.set(key, '1 ff', 'PX', 60_000)

  test('aborts the signal and rejects, with the result of the run', async () => {
    const {key, run} = resource({ttl: 1_500})
    const running = run(async (lease) => {
      expect(lease.signal.aborted).toBe(false)
      await take(key)
      await until('it is lost', () => lease.signal.aborted)
      expect(lease.signal.reason).toMatchObject({code: 'ERR_LEASE_LOST'})
      expect(lease.isHeld).toBe(false)
      return 'too late'
    })
    await expect(running).rejects.toMatchObject({
      name: 'PrimaryLeaseError',
      code: 'ERR_LEASE_LOST',
      message: expect.stringContaining('superseded'),
      result: 'too late',
    })
    expect(await redis.client.get(key)).toBe('1 ff')
  })

  test('rejects with the error of the run as its cause', async () => {
    const {key, run} = resource({ttl: 1_500})
    const running = run(async (lease) => {
      await take(key)
      await until('it is lost', () => !lease.isHeld)
      // Asked for late, it is aborted from the start.
      await until('it is told', () => lease.signal.aborted)
      lease.signal.throwIfAborted()
    })
    const error = await running.catch((error: unknown) => error)
    expect(error).toMatchObject({code: 'ERR_LEASE_LOST', cause: {code: 'ERR_LEASE_LOST'}})
  })

  test('is lost, and not taken again, when Redis is emptied', async () => {
    const {run} = resource({ttl: 1_500})
    const running = run(async (lease) => {
      await redis.client.flushall()
      await until('it is lost', () => !lease.isHeld)
    })
    await expect(running).rejects.toMatchObject({
      code: 'ERR_LEASE_LOST',
      message: expect.stringContaining('store-lost'),
    })
  })

  test('is lost at its deadline when Redis hangs', async () => {
    const {run} = resource({ttl: 1_500})
    const running = run(async (lease) => {
      redis.server.freeze()
      await until('it is lost', () => !lease.isHeld)
      redis.server.thaw()
      return 'done'
    })
    await expect(running).rejects.toMatchObject({code: 'ERR_LEASE_LOST', result: 'done'})
  })
})

describe('waiting', () => {
  test('ends with the release, in the order in which the callers came', async () => {
    const {key, run} = resource({ttl: LONG})
    const done = lock()
    const order: number[] = []
    const first = run(() => done.opened)
    const others = [1, 2, 3, 4].map((n) =>
      run(
        () => {
          order.push(n)
        },
        {wait: LONG},
      ),
    )
    await until('one of them listens', async () => {
      const [, listeners] = await redis.client.pubsub('NUMSUB', `${key}:released:0`)
      return Number(listeners) > 0
    })
    done.open()
    await Promise.all([first, ...others])
    expect(order).toEqual([1, 2, 3, 4])
  })

  test('is done by one of a process at a time, so that the others need not ask', async () => {
    const {run} = resource({ttl: LONG})
    const asked = async () => {
      const stats = await redis.client.info('commandstats')
      const calls = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)]
      return calls.reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const done = lock()
    const began = lock()
    const first = run(() => {
      began.open()
      return done.opened
    })
    await began.opened
    const before = await asked()
    const others = Array.from({length: 20}, () => run(() => {}, {wait: LONG}))
    // Asked behind them, and answered: by now they have asked too, those who do.
    await resource().run(() => {})
    // Of the twenty one, and this last one's lease and its release.
    expect((await asked()) - before).toBe(3)
    done.open()
    await Promise.all([first, ...others])
  })

  test('is told of a release by another process', async () => {
    const {name, run} = resource({ttl: LONG})
    const script = `withLease(url, '${name}', {ttl: ${LONG}}, () => new Promise((done) => {
      console.log('running')
      setTimeout(done, 300)
    }))`
    const other = runScript(redis.url, script)
    await until('it runs there', () => redis.client.exists(`lease:{${name}}`))
    // Not told, it would ask again when the other's lease had run out, and this test would fail.
    expect(await run(() => 'mine', {wait: LONG})).toBe('mine')
    expect((await other).stdout).toBe('running\n')
  })

  test('is over in time', async () => {
    const {run} = resource({ttl: LONG})
    const asked = performance.now()
    await run(() =>
      expect(run(() => {}, {wait: 200})).rejects.toMatchObject({code: 'ERR_LEASE_HELD'}),
    )
    expect(performance.now() - asked).toBeGreaterThan(195)
  })

  test('ends with the signal of the caller, whose reason is the error', async () => {
    const {run} = resource({ttl: LONG})
    const abort = new AbortController()
    await run(async () => {
      const waiting = run(() => {}, {wait: LONG, signal: abort.signal})
      abort.abort('not any more')
      await expect(waiting).rejects.toBe('not any more')
      await expect(run(() => {}, {signal: abort.signal})).rejects.toBe('not any more')
    })
    expect(await run(() => 'nobody kept it')).toBe('nobody kept it')
  })

  test('lasts until a minHold is over', async () => {
    const {run} = resource()
    await run(() => {}, {minHold: 300})
    const released = performance.now()
    await expect(run(() => {})).rejects.toMatchObject({code: 'ERR_LEASE_HELD'})
    await run(() => {}, {wait: LONG})
    // Less what had passed of it at the release.
    expect(performance.now() - released).toBeGreaterThan(150)
  })
})

test('one tick is run once, also much later', async () => {
  const {name, run} = resource()
  const tick = new Date(1_795_000_000_000)
  const first = await run((lease) => lease.token, {tick})
  await expect(run(() => 'again', {tick})).rejects.toMatchObject({
    code: 'ERR_LEASE_HELD',
    message: expect.stringContaining('tick'),
  })
  expect(await run((lease) => lease.token, {tick: new Date(+tick + 1)})).toBeGreaterThan(first)
  const ttl = await redis.client.pttl(`lease:{${name}}:tick:${+tick}`)
  expect(ttl).toBeGreaterThan(23 * 3_600_000)
})

test('maxRun ends the wait for a run that never ends, and its lease', async () => {
  const {key, run} = resource({ttl: 1_500})
  const kept: Lease[] = []
  const running = run(
    (lease) => {
      kept.push(lease)
      expect(lease.signal.aborted).toBe(false)
      return new Promise<void>(() => {})
    },
    {maxRun: 400},
  )
  await expect(running).rejects.toMatchObject({
    code: 'ERR_LEASE_LOST',
    message: expect.stringContaining('maxRun'),
  })
  expect(kept[0]).toMatchObject({isHeld: false, signal: {aborted: true}})
  await until('it has run out', async () => !(await redis.client.exists(key)))
})

describe('bad input', () => {
  test.each<[object, string]>([
    [{ttl: 99}, 'ttl must be from 100 to 86400000 ms, got 99 ms'],
    [{ttl: Number.NaN}, 'ttl must be a number of milliseconds, not negative, got NaN'],
    [{ttl: '5'}, 'ttl must be a number of milliseconds, not negative, got a string'],
    [{minHold: 6_000}, 'minHold must be from 0 to 5000 ms (the ttl), got 6000 ms'],
    [{tick: 5}, 'tick must be the scheduled time as a Date'],
    [{tick: new Date('never')}, 'got an invalid Date'],
    [{tickEvery: 0}, 'tickEvery must be from 2 to 2592000000 ms, got 0 ms'],
    [{tick: new Date(), tickEvery: 1_000}, 'tick and tickEvery were both given'],
    [{tick: new Date(), tickMemory: 5}, 'tickMemory must be from 5000 to 2592000000 ms, got 5 ms'],
    [{maxRun: 0}, 'maxRun must be above 0 ms, got 0'],
    [{signal: {}}, 'signal must be an AbortSignal, got an object'],
    [{stallTimeout: 1}, 'stallTimeout must be false, or from 10000 (twice the ttl)'],
    [{ttI: 1}, 'options has no option "ttI", known: ttl, minHold'],
  ])('%o', async (options, message) => {
    await expect(
      withLease(redis.url, 'bad', options as LeaseOptions, () => {}),
    ).rejects.toMatchObject({code: 'ERR_INVALID_CONFIG', message: expect.stringContaining(message)})
  })

  test('names with control characters, runs that are none, no Redis', async () => {
    const call = withLease as (...args: unknown[]) => Promise<unknown>
    const invalid = (message: string) => ({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringContaining(message),
    })
    const run = () => {}
    await expect(call(redis.url, 'a\nb', {}, run)).rejects.toMatchObject(
      invalid('resource must be'),
    )
    await expect(call(redis.url, 7, {}, run)).rejects.toMatchObject(invalid('resource must be a'))
    await expect(call(redis.url, 'a', {}, 7)).rejects.toMatchObject(
      invalid('run must be a function, got a number'),
    )
    await expect(call(undefined, 'a', {}, run)).rejects.toMatchObject(invalid('redis: undefined'))
  })
})

describe('trouble', () => {
  test('a Redis that hangs is unavailable after the acquireTimeout', async () => {
    const {run} = resource()
    redis.server.freeze()
    const error = await run(() => {}, {acquireTimeout: 200}).catch((error: unknown) => error)
    redis.server.thaw()
    expect(error).toMatchObject({code: 'ERR_STORE_UNAVAILABLE'})
    // What it was asked while it hung is taken back.
    await until('the lease is free', () => run(() => true).catch((error) => code(error) === ''))
  })

  test('a key of another kind under our name is denied', async () => {
    const {key, run} = resource()
    await redis.client.hset(key, 'a', 'b')
    await expect(run(() => {})).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
    await redis.client.del(key)
    await redis.client.set(key, 'nothing of ours')
    await expect(run(() => {})).rejects.toMatchObject({
      code: 'ERR_STORE_DENIED',
      message: expect.stringContaining(key),
    })
  })

  test('a thenable whose then throws is an error of the run', async () => {
    const {run} = resource()
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      get then() {
        throw new Error('no then')
      },
    }
    await expect(run(() => thenable)).rejects.toThrow('no then')
    expect(await run(() => 'free again')).toBe('free again')
  })
})

test('a server whose event loop hangs for longer than stallTimeout gives the lease up', async () => {
  const {name, run} = resource({ttl: LONG})
  const script = `withLease(url, '${name}', {ttl: 1_500, stallTimeout: 3_000}, async (lease) => {
    console.log('running')
    const end = performance.now() + 9_000
    while (performance.now() < end);
    await new Promise(setImmediate)
    return lease.isHeld
  }).catch(({code, message, result}) => console.log(code, message.split(': ')[1], result))`
  const hung = runScript(redis.url, script)
  let turned = false
  hung.then(() => {
    turned = true
  })
  await until('it runs there', () => redis.client.exists(`lease:{${name}}`))
  // Renewed until then, and nobody would be let in before the loop turns.
  expect(await run(() => turned, {wait: LONG})).toBe(false)
  expect((await hung).stdout).toBe('running\nERR_LEASE_LOST stalled false\n')
})

describe('the end of the process', () => {
  const ending = {
    'process.exit in the run': 'process.exit()',
    'an uncaught exception': "setTimeout(() => { throw new Error('thrown on purpose') })",
    'an unhandled rejection': "Promise.reject(new Error('rejected on purpose'))",
    'nothing left to wait for': '',
  }

  test.each(Object.entries(ending))('%s releases the lease', async (_, how) => {
    const {name, run} = resource()
    const script = `withLease(url, '${name}', {ttl: ${LONG}}, () => {
      console.log('running'); ${how}; return new Promise(() => {})
    })`
    expect((await runScript(redis.url, script)).stdout).toBe('running\n')
    expect(await run(() => 'mine')).toBe('mine')
  })

  test('a process lives until its runs are answered', async () => {
    const {name} = resource()
    const script = `withLease(url, '${name}', {}, () => 'done').then(console.log)`
    expect(await runScript(redis.url, script)).toMatchObject({code: 0, stdout: 'done\n'})
  })
})

test('memory:// has leases too', async () => {
  const call = <T>(run: (lease: Lease) => T, options: LeaseOptions = {}) =>
    withLease('memory://leases', 'a job', options, run)
  const token = await call((lease) => lease.token)
  const done = lock()
  const first = call(() => done.opened)
  await expect(call(() => {})).rejects.toMatchObject({code: 'ERR_LEASE_HELD'})
  const waiting = call((lease) => lease.token, {wait: LONG})
  done.open()
  await first
  expect(await waiting).toBeGreaterThan(token)
})

test('messages of releases that never were make a waiter ask now and then, no more', async () => {
  const {key, run} = resource({ttl: LONG})
  const done = lock()
  const holding = run(() => done.opened)
  await until('it is held', () => redis.client.exists(key))
  const waiting = run(() => 'served', {wait: LONG})
  const channel = `${key}:released:0`
  const listening = async () => ((await redis.client.pubsub('NUMSUB', channel)) as unknown[])[1]
  await until('it waits', listening)
  const asked = async () => {
    const stats = await redis.client.info('commandstats')
    const calls = (name: string) =>
      Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1])
    return (calls('evalsha') || 0) + (calls('eval') || 0)
  }
  const before = await asked()
  const from = performance.now()
  for (let sent = 0; sent < 3_000; sent++) await redis.client.publish(channel, '0')
  // Four in each second, with this ttl, and the first question.
  const most = 1 + 4 * (2 + (performance.now() - from) / 1_000)
  expect((await asked()) - before).toBeLessThanOrEqual(most)
  done.open()
  await holding
  expect(await waiting).toBe('served')
})

test('a token that is no safe integer is denied with its key and its value', async () => {
  const {key, run} = resource()
  await redis.client.set(key, '9007199254740993 ff 5000', 'PX', 60_000)
  await expect(run(() => {})).rejects.toMatchObject({
    code: 'ERR_STORE_DENIED',
    message: expect.stringContaining(
      `${key} holds the token 9007199254740993, which is above 2^53 - 1`,
    ),
  })
})
