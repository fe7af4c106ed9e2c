// The drop-in for Parabol's class of this name: what each of its faults (P5 to P15) is here.

import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {LeaderRunner, type Lease, type RunOptions, setLogger} from 'primary-lease'
import {sleep, until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, useRedis} from './support/redis'
import {Relay} from './support/relay'
import {runScript} from './support/servers'

const redis = useRedis()
const LONG = 30_000

/** What was logged since the test began. */
let lines: {level: string; message: string; fields: Record<string, unknown>}[] = []

beforeAll(() => {
  const log = (level: string) => (message: string, fields: Record<string, unknown>) => {
    lines.push({level, message, fields})
  }
  setLogger({debug: () => {}, info: log('info'), warn: log('warn'), error: log('error')})
})
// Native state outlives the test file.
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
beforeEach(() => {
  lines = []
})

/** Runners of several servers for the same jobs. */
function runners(lockTTL = LONG, options = {}) {
  const prefix = newPrefix()
  const server = () => new LeaderRunner(redis.url, prefix, lockTTL, options)
  return {prefix, server, key: (name: string) => `lease:{${prefix}:${name}}`}
}

const never = () => {
  throw new Error('not to be called')
}

test('one server runs a job and the others skip it', async () => {
  const {server} = runners()
  const calls: string[] = []
  const job = (who: string) =>
    server().runLocked(
      'mail',
      () => {
        calls.push(`${who} runs`)
      },
      () => {
        calls.push(`${who} skips`)
      },
    )
  const outcomes = await Promise.all([job('a'), job('b'), job('c')])
  expect(calls.sort().map((call) => call.split(' ')[1])).toEqual(['runs', 'skips', 'skips'])
  expect(outcomes.map(({outcome}) => outcome).sort()).toEqual(['ran', 'skipped', 'skipped'])
  expect(outcomes).toContainEqual({outcome: 'ran', token: expect.any(Number)})
  expect(outcomes).toContainEqual({outcome: 'skipped', reason: 'held'})
  expect(lines).toEqual([])
})

test('P5: a job that throws is not skipped, and its error is told and logged', async () => {
  const {server} = runners()
  for (const thrown of [new Error('mine'), 'a text', undefined]) {
    const outcome = await server().runLocked(
      `job ${typeof thrown}`,
      async () => {
        throw thrown
      },
      never,
    )
    expect(outcome).toEqual({outcome: 'failed', error: thrown, token: expect.any(Number)})
  }
  await until('it is logged', () => lines.length === 3)
  expect(lines[0]).toMatchObject({level: 'error', fields: {error: new Error('mine')}})
})

test('P6: a run whose release fails still ran', async () => {
  const {server} = runners(1_500)
  const outcome = await server().runLocked('job', () => redis.server.freeze(), never)
  redis.server.thaw()
  expect(outcome).toMatchObject({outcome: 'ran'})
})

test('P7: with Redis away nothing is skipped in silence', async () => {
  const {server} = runners(LONG, {acquireTimeout: 200})
  redis.server.freeze()
  const outcome = await server().runLocked('job', never, never)
  redis.server.thaw()
  expect(outcome).toMatchObject({
    outcome: 'unavailable',
    error: {code: 'ERR_STORE_UNAVAILABLE'},
  })
  await until('it is logged', () => lines.some(({level}) => level === 'error'))
})

describe('P8: a server that is late', () => {
  /** Runs a short job on one server and, so much after its grant, on another. */
  async function late(minHold: number, ms: number, options = {}) {
    const {server} = runners(LONG, {minHold})
    const granted = performance.now()
    const first = await server().runLocked('job', () => {}, never, options)
    await sleep(granted + ms - performance.now())
    const second = await server().runLocked('job', () => {}, undefined, options)
    return [first.outcome, second.outcome]
  }

  test('by half of minHold does not run the job again', async () => {
    expect(await late(4_000, 2_000)).toEqual(['ran', 'skipped'])
  })

  test('by one and a half of minHold does', async () => {
    expect(await late(400, 600)).toEqual(['ran', 'ran'])
  })

  test('by any time does not run the same tick again', async () => {
    const tick = new Date(1_795_000_000_000)
    expect(await late(0, 300, {tick})).toEqual(['ran', 'skipped'])
    expect(await late(0, 1_500, {tick})).toEqual(['ran', 'skipped'])
  })

  test('does not run it again by default when it is late by less than 500 ms', async () => {
    const {server, key} = runners(LONG)
    await server().runLocked('job', () => {})
    // Granted at (a token is that), and free again at, in microseconds of Redis's clock.
    const [token, , , freeAt] = String(await redis.client.get(key('job'))).split(' ')
    expect(Number(freeAt) - Number(token)).toBe(500_000)
  })
})

test('a tick of a period is one for servers that are late by less than half of that', async () => {
  const {server} = runners(LONG)
  const hour = {tickEvery: 3_600_000}
  expect(await server().runLocked('job', () => {}, never, hour)).toMatchObject({outcome: 'ran'})
  expect(await server().runLocked('job', never, undefined, hour)).toEqual({
    outcome: 'skipped',
    reason: 'ran',
  })
})

test('a period that is longer than the time between two ticks is warned of, once', async () => {
  const {server} = runners(LONG)
  const runner = server()
  for (let tick = 0; tick < 3; tick++) {
    await runner.runLocked('job', () => {}, undefined, {tickEvery: 3_600_000})
    await runner.runLocked('other', () => {}, undefined, {tickEvery: 2})
    await sleep(2)
  }
  await until('it is logged', () => lines.length > 0)
  expect(lines).toMatchObject([
    {
      level: 'warn',
      message: expect.stringContaining('twice within half of tickEvery'),
      fields: {resource: expect.stringContaining('job'), tickEvery: 3_600_000},
    },
  ])
})

test('no tick is dropped of a schedule that is faster than the default minHold', async () => {
  const {server} = runners(LONG)
  const runner = server()
  const period = 100
  const outcomes = []
  for (let tick = 0; tick < 5; tick++) {
    outcomes.push(await runner.runLocked('each', () => {}, never, {tickEvery: period}))
    await sleep(period)
  }
  expect(outcomes.map(({outcome}) => outcome)).toEqual(Array(5).fill('ran'))
})

test('minHold is 0 by default where the schedule names the tick, and not for a Date or by word', async () => {
  const {server, key} = runners(LONG)
  /** What a run leaves behind of the time for which its lease was to be kept. */
  const held = async (name: string, runner: LeaderRunner, options: RunOptions) => {
    expect(await runner.runLocked(name, () => {}, never, options)).toMatchObject({outcome: 'ran'})
    const [token, , , freeAt] = String(await redis.client.get(key(name))).split(' ')
    return Math.max(Number(freeAt) - Number(token), 0)
  }
  const context = {date: new Date(1_795_000_000_000), triggeredAt: new Date()}
  expect(await held('period', server(), {tickEvery: 1_000})).toBe(0)
  expect(await held('context', server(), {tick: context})).toBe(0)
  expect(await held('date', server(), {tick: context.date})).toBe(500_000)
  expect(await held('word', server(), {tick: context, minHold: 700})).toBe(700_000)
  const worded = runners(LONG, {minHold: 600})
  const runner = worded.server()
  await runner.runLocked('job', () => {}, never, {tick: context})
  const [token, , , freeAt] = String(await redis.client.get(worded.key('job'))).split(' ')
  expect(Number(freeAt) - Number(token)).toBe(600_000)
})

describe('through a relay', () => {
  let relay: Relay
  beforeEach(async () => {
    relay = await Relay.before(redis.server.port)
  })
  afterEach(() => relay.close())

  test('a tick of a server whose answers are cut is run by another that was willing', async () => {
    const {prefix, server} = runners(5_000, {acquireTimeout: 5_000})
    const deaf = new LeaderRunner(relay.url, prefix, 5_000, {acquireTimeout: 1_500})
    await deaf.runLocked('warm', () => {})
    const at = 1_795_000_000_000
    const tick = {tick: new Date(at)}
    relay.manner = {how: 'cut', after: 0, hangUp: false}
    const cut = deaf.runLocked('job', never, never, tick)
    const granted = async () => redis.client.exists(`lease:{${prefix}:job}:tick:${at}`)
    await until('it is granted', granted)
    const willing = server().runLocked('job', () => {}, never, tick)
    expect(await cut).toMatchObject({outcome: 'unavailable'})
    relay.manner = {how: 'pass'}
    expect(await willing).toMatchObject({outcome: 'ran'})
  })

  test('a question that falls into a hole is asked again in time', async () => {
    const {prefix} = runners()
    const runner = new LeaderRunner(relay.url, prefix, LONG)
    await runner.runLocked('warm', () => {})
    relay.manner = {how: 'swallow'}
    const running = runner.runLocked('job', () => {}, never)
    await until('it is swallowed', () => relay.swallowed > 0)
    relay.manner = {how: 'pass'}
    expect(await running).toMatchObject({outcome: 'ran'})
  })
})

test('a present tick is not run again by a server that waited longer than it lasts', async () => {
  const {prefix, server} = runners(LONG, {acquireTimeout: 10_000})
  const dir = await mkdtemp(join(tmpdir(), 'primary-lease-hangs-'))
  const go = join(dir, 'go')
  const options = {tickEvery: 2_000}
  // Its loop stands still between the grant and the run.
  const script = `const {LeaderRunner} = require(${JSON.stringify(join(__dirname, '../index.js'))})
    const runner = new LeaderRunner('${redis.url}', '${prefix}', ${LONG})
    runner.runLocked('job', () => console.log('runs'), undefined, ${JSON.stringify(options)})
      .then(({outcome}) => console.log(outcome))
    setImmediate(() => {
      while (!require('node:fs').existsSync(${JSON.stringify(go)}));
    })`
  const child = spawn(process.execPath, ['-e', script], {stdio: ['ignore', 'pipe', 'inherit']})
  try {
    const said = text(child.stdout)
    const tick = `lease:{${prefix}:job}:tick`
    await until('it is granted', () => redis.client.exists(tick))
    const waiting = server().runLocked('job', never, () => {}, options)
    await until('the tick is over', async () => !(await redis.client.exists(tick)))
    await writeFile(go, '')
    expect(await waiting).toEqual({outcome: 'skipped', reason: 'ran'})
    expect(await said).toBe('runs\nran\n')
  } finally {
    child.kill('SIGKILL')
  }
})

test('a server that was frozen before it saw its grant still runs the tick', async () => {
  const {prefix, server, key} = runners(1_500)
  const dir = await mkdtemp(join(tmpdir(), 'primary-lease-frozen-'))
  const go = join(dir, 'go')
  const at = 1_795_000_000_000
  const script = `const {LeaderRunner} = require(${JSON.stringify(join(__dirname, '../index.js'))})
    const runner = new LeaderRunner('${redis.url}', '${prefix}', 1_500)
    runner.runLocked('job', ({isHeld}) => console.log('held', isHeld), undefined, {tick: new Date(${at})})
      .then(({outcome}) => console.log(outcome))
    while (!require('node:fs').existsSync(${JSON.stringify(go)}));`
  const child = spawn(process.execPath, ['-e', script], {stdio: ['ignore', 'pipe', 'inherit']})
  try {
    const said = text(child.stdout)
    const granted = async () => (await redis.client.exists(key('job'))) === 1
    await until('it is granted', granted)
    child.kill('SIGSTOP')
    await until('the lease has run out', async () => !(await granted()))
    expect(await server().runLocked('job', never, undefined, {tick: new Date(at)})).toEqual({
      outcome: 'skipped',
      reason: 'ran',
    })
    await writeFile(go, '')
    child.kill('SIGCONT')
    expect(await said).toBe('held true\nran\n')
    await (child.exitCode ?? once(child, 'exit'))
  } finally {
    child.kill('SIGKILL')
    await rm(dir, {recursive: true, force: true})
  }
})

test('P9: an event loop that stands still near the end of the lease does not lose it', async () => {
  const {server} = runners(2_000)
  const outcome = await server().runLocked('job', (lease) => {
    const end = performance.now() + 3_000
    while (performance.now() < end);
    expect(lease.isHeld).toBe(true)
  })
  expect(outcome).toMatchObject({outcome: 'ran'})
})

test('P10: the loss of a lease is told to the job and to its caller', async () => {
  const {server, key} = runners(1_500)
  const outcome = await server().runLocked(
    'job',
    async ({signal}: Lease) => {
      await redis.client.set(key('job'), '1 ff')
      await until('it is told', () => signal.aborted)
    },
    never,
  )
  expect(outcome).toMatchObject({
    outcome: 'lost',
    reason: 'superseded',
    token: expect.any(Number),
    error: {code: 'ERR_LEASE_LOST'},
  })
  await until('it is logged', () => lines.some(({level}) => level === 'warn'))
})

describe('P13: a runner that is closed', () => {
  test('lets the job in flight finish, and then releases its lease', async () => {
    const {server} = runners(LONG, {minHold: 0})
    const runner = server()
    const done = lock()
    const began = lock()
    const running = runner.runLocked('job', () => {
      began.open()
      return done.opened
    })
    await began.opened
    let closed = false
    const closing = runner.close().then(() => {
      closed = true
    })
    expect(await runner.runLocked('other', never, never)).toEqual({
      outcome: 'skipped',
      reason: 'closed',
    })
    expect(closed).toBe(false)
    done.open()
    await closing
    expect(await running).toMatchObject({outcome: 'ran'})
    expect(await server().runLocked('job', () => {})).toMatchObject({outcome: 'ran'})
  })

  test('waits for drain at most, aborts the signal then and still releases', async () => {
    const {server} = runners(LONG, {minHold: 0})
    const runner = server()
    const done = lock()
    const began = lock()
    const leases: Lease[] = []
    const running = runner.runLocked('job', (lease) => {
      leases.push(lease)
      expect(lease.signal.aborted).toBe(false)
      began.open()
      return done.opened
    })
    await began.opened
    await runner.close({drain: 100})
    expect(leases[0]).toMatchObject({isHeld: false, signal: {aborted: true}})
    expect(await server().runLocked('job', () => {})).toMatchObject({outcome: 'ran'})
    done.open()
    expect(await running).toMatchObject({outcome: 'lost', reason: 'resigned'})
  })

  test('gives up what it has not been granted', async () => {
    const {server} = runners(LONG)
    const runner = server()
    redis.server.freeze()
    const asking = runner.runLocked('job', never, never)
    const closing = runner.close()
    expect(await asking).toEqual({outcome: 'skipped', reason: 'closed'})
    redis.server.thaw()
    await closing
    await until('nobody keeps it', async () => {
      const {outcome} = await server().runLocked('job', () => {})
      return outcome === 'ran'
    })
  })

  test('without a wait for it, before process.exit, releases too', async () => {
    const {prefix, server} = runners(LONG, {minHold: 0})
    const script = `const runner = new LeaderRunner(url, '${prefix}', ${LONG}, {minHold: 0})
      runner.runLocked('job', () => {
        runner.close({drain: 10_000})
        console.log('running')
        process.exit()
      })`
    expect((await runScript(redis.url, script)).stdout).toBe('running\n')
    expect(await server().runLocked('job', () => {})).toMatchObject({outcome: 'ran'})
  })

  test('refuses a drain that is none', async () => {
    await expect(runners().server().close({drain: -1})).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: 'drain must be a number of milliseconds, not negative, got -1',
    })
  })
})

test('P15: the leases are in the database that the URL names', async () => {
  const {prefix} = runners()
  const runner = new LeaderRunner(`${redis.url}/4`, prefix, LONG)
  const client = redis.connect({db: 4})
  await runner.runLocked('job', async () => {
    expect(await client.exists(`lease:{${prefix}:job}`)).toBe(1)
    expect(await redis.client.exists(`lease:{${prefix}:job}`)).toBe(0)
  })
})

test('a job that runs itself is skipped there, and no deadlock', async () => {
  const runner = runners().server()
  const inner: unknown[] = []
  await runner.runLocked('job', async () => {
    inner.push(await runner.runLocked('job', never))
  })
  expect(inner).toEqual([{outcome: 'skipped', reason: 'held'}])
})

test('the lease of a job that never ends is released after maxRun, and reported', async () => {
  const {server} = runners(1_500)
  const outcome = await server().runLocked('job', () => new Promise(() => {}), never, {maxRun: 200})
  expect(outcome).toMatchObject({outcome: 'lost', reason: 'overrun'})
  await until('it is logged', () => lines.some(({message}) => /maxRun/.test(message)))
})

test('a skip that fails is logged and changes nothing', async () => {
  const {server} = runners()
  await server().runLocked('job', () => {})
  const skips = [
    never,
    async () => never(),
    () => {
      // Nothing.
    },
    async () => {
      await sleep(1)
    },
  ]
  for (const skip of skips) {
    expect(await server().runLocked('job', never, skip)).toMatchObject({outcome: 'skipped'})
  }
  await until('it is logged', () => lines.filter(({level}) => level === 'error').length === 2)
})

describe('bad input', () => {
  test('of a call is a failed outcome, and never a rejection', async () => {
    const runner = runners().server()
    const call = runner.runLocked.bind(runner) as (...args: unknown[]) => Promise<unknown>
    const failed = (message: string) => ({
      outcome: 'failed',
      error: {code: 'ERR_INVALID_CONFIG', message: expect.stringContaining(message)},
    })
    expect(await call('a\0b', () => {})).toMatchObject(failed('name must be 1 to 200 characters'))
    expect(await call(5, () => {})).toMatchObject(failed('name must be a string, got a number'))
    expect(await call('a', 'b')).toMatchObject(failed('run must be a function, got a string'))
    expect(await call('a', () => {}, 5)).toMatchObject(failed('skip must be a function'))
    expect(await call('a', () => {}, null, {tick: new Date('x')})).toMatchObject(
      failed('tick must'),
    )
    expect(await call('a', () => {}, null, {ttl: 5})).toMatchObject(failed('no option "ttl"'))
    expect(await call('a', () => {}, null, {minHold: 1e6})).toMatchObject(failed('minHold must be'))
    await until('each is logged', () => lines.length === 7)
  })

  test.each<[unknown[], string]>([
    [['p', 99], 'lockTTL must be from 100 to 86400000 ms, got 99 ms'],
    [['p', Number.POSITIVE_INFINITY], 'lockTTL must be a number of milliseconds, got Infinity'],
    [['p', '20'], 'lockTTL must be a number of milliseconds, got a string'],
    [['p\n', 1000], 'prefix must be 1 to 200 characters'],
    [['p', 1000, {minHold: 1001}], 'minHold must be from 0 to 1000 ms (the lockTTL), got 1001 ms'],
    [['p', 1000, {drain: 1}], 'options has no option "drain"'],
  ])('of the constructor is thrown: %p', (args, message) => {
    const make = () => new (LeaderRunner as new (...all: unknown[]) => unknown)(redis.url, ...args)
    expect(make).toThrow(message)
  })
})
