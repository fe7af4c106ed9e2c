import {
  type ElectionOptions,
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryLease,
  primaryStatus,
  resignPrimaryServer,
  whilePrimary,
} from '../index.js'
import {keyOf, lastWrite, now, ripeWatch} from '../support/record.mjs'
import {until} from '../support/until'
import {CALM, guard, useLog} from './support/guarded'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()
const log = useLog()

afterEach(() => resignPrimaryServer())

async function establish(prefix: string, options: ElectionOptions = CALM) {
  const lease = await establishPrimaryServer(redis.url, prefix, options)
  expect(lease).toBeDefined()
  return lease as PrimaryLease
}

/** Takes the lease away by a Redis that is silent until the loss, then answers again. */
async function lose(lease: PrimaryLease) {
  redis.server.freeze()
  await until('the loss', () => lease.signal.aborted)
  redis.server.thaw()
}

describe('the work begins', () => {
  test('at the election, with the lease that the caller is answered', async () => {
    const prefix = newPrefix()
    const {runs} = guard(prefix)
    const lease = await establish(prefix)
    expect(runs.map((run) => run.lease)).toEqual([lease])
    expect(runs[0]?.lease).toBe(lease)
  })

  test('in the next turn where this server is primary already', async () => {
    const prefix = newPrefix()
    const lease = await establish(prefix)
    const work = guard(prefix)
    expect(work.runs).toHaveLength(0)
    expect((await work.run()).lease).toBe(lease)
  })

  test('once per election, though it returns at once', async () => {
    const prefix = newPrefix()
    const tokens: number[] = []
    whilePrimary(prefix, ({token}) => void tokens.push(token))
    const lease = await establish(prefix)
    await redis.renewals(prefix, 4)
    expect(tokens).toEqual([lease.token])
    await lose(lease)
    await until('the next election', () => tokens.length > 1)
    expect(tokens[1]).toBeGreaterThan(lease.token)
  })

  test('again at a new campaign, after a resign', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    await establish(prefix)
    const {lease, settle} = await work.run()
    lease.signal.addEventListener('abort', settle)
    await lease.release()
    const again = await establish(prefix)
    expect((await work.run(2)).lease).toBe(again)
    expect(work.most()).toBe(1)
  })

  test('side by side with other work of the prefix', async () => {
    const prefix = newPrefix()
    const [one, two] = [guard(prefix), guard(prefix)]
    const lease = await establish(prefix)
    expect((await one.run()).lease).toBe(lease)
    expect((await two.run()).lease).toBe(lease)
  })

  test('never under a lease that a listener has given back before it', async () => {
    const prefix = newPrefix()
    const types: string[] = []
    const stop = onPrimaryChange(prefix, (change) => {
      types.push(change.type)
      if (change.type === 'elected') void change.lease.release()
    })
    const work = guard(prefix)
    await establishPrimaryServer(redis.url, prefix, CALM)
    await until('the end', () => types.includes('resigned'))
    stop()
    expect(work.runs).toHaveLength(0)
  })
})

test('a server with such work and no listener takes over, and one without does not', async () => {
  const election = redis.election()
  const primary = await Server.establish(election)
  const server = new Server()
  await server.call('guard', election.prefix)
  expect(await server.call('establish', election.url, election.prefix, election.options)).toBeNull()
  await primary.kill()
  const begun = await server.line('the work', ({work}) => work === 'begun')
  expect(begun.token).toBeGreaterThan(Number(primary.lease?.token))

  // The same, with work that is stopped before the primary goes.
  const other = redis.election(CALM)
  const second = await Server.establish(other)
  const stopped = new Server()
  await stopped.call('guard', other.prefix)
  await stopped.call('establish', other.url, other.prefix, other.options)
  await stopped.call('unlisten')
  await second.kill()
  const renewed = Number(await lastWrite(redis.client, keyOf(other.prefix)))
  await until('a ripe watch is long past', () => now() > renewed + 2 * ripeWatch(CALM.ttl))
  expect((await redis.record(other.prefix))?.token).toBe(second.lease?.token)
  expect(stopped.lines.filter(({work}) => work === 'begun')).toHaveLength(0)
})

describe('at a loss', () => {
  test('the signal is aborted, and the next run begins at the next election', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const lease = await establish(prefix)
    const first = await work.run()
    expect(first.lease.signal.aborted).toBe(false)
    first.lease.signal.addEventListener('abort', first.settle)
    await lose(lease)
    expect(first.lease.isHeld).toBe(false)
    const second = await work.run(2)
    expect(second.lease.token).toBeGreaterThan(lease.token)
    expect(second.lease.isHeld).toBe(true)
    expect(work.most()).toBe(1)
  })

  test('work that ignores its signal is reported, and the next run waits for it', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const lease = await establish(prefix)
    const first = await work.run()
    await lose(lease)
    const ignored = await log.line(prefix, /still running after its lease/)
    expect(ignored).toMatchObject({level: 'warn', fields: {token: lease.token}})
    const waits = await log.line(prefix, /waits/)
    expect(waits.level).toBe('warn')
    await until('the next election', () => Number(primaryStatus(prefix)?.token) > lease.token)
    await redis.renewals(prefix, 4)
    expect(work.runs).toHaveLength(1)

    first.settle()
    const second = await work.run(2)
    expect(second.lease.token).toBe(primaryStatus(prefix)?.token)
    expect(second.lease.isHeld).toBe(true)
    expect(work.most()).toBe(1)
    expect(log.about(prefix).filter(({message}) => /still running/.test(message))).toHaveLength(1)
  })

  test('work that outlasts the next lease too begins under the one after it', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const lease = await establish(prefix)
    const first = await work.run()
    await lose(lease)
    await until('the next election', () => Number(primaryStatus(prefix)?.token) > lease.token)
    const elected = Number(primaryStatus(prefix)?.token)
    await resignPrimaryServer(prefix)
    first.settle()
    await establish(prefix)
    const second = await work.run(2)
    expect(second.lease.token).toBeGreaterThan(elected)
    expect(work.runs).toHaveLength(2)
  })

  test('runs do not overlap where the loss and the election are heard in one turn', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    await establish(prefix, {ttl: TTL})
    const first = await work.run()
    first.lease.signal.addEventListener('abort', () => setImmediate(first.settle))
    // The loop stands still while the lease is lost and won again.
    const busy = (ms: number) => {
      const end = now() + ms
      while (now() < end);
    }
    redis.server.freeze()
    busy(1.5 * TTL)
    redis.server.thaw()
    busy(2 * TTL)
    expect(first.lease.signal.aborted).toBe(false)
    expect(first.lease.isHeld).toBe(false)
    const second = await work.run(2)
    expect(second.lease.token).toBeGreaterThan(first.lease.token)
    expect(work.most()).toBe(1)
  })
})

describe('work that fails is logged, and keeps the place where that is asked for:', () => {
  const failures: [string, () => void | Promise<void>][] = [
    [
      'it throws',
      () => {
        throw new Error('a bug of the caller')
      },
    ],
    ['it rejects', () => Promise.reject(new Error('a bug of the caller'))],
    [
      'its thenable throws',
      () =>
        ({
          // biome-ignore lint/suspicious/noThenProperty: that is what is tested
          get then() {
            throw new Error('a bug of the caller')
          },
        }) as never,
    ],
  ]
  test.each(failures)('%s', async (_, fail) => {
    const prefix = newPrefix()
    const tokens: number[] = []
    const run = ({token}: PrimaryLease) => {
      tokens.push(token)
      return fail()
    }
    whilePrimary(prefix, run, {keepOnFailure: true})
    const lease = await establish(prefix)
    const logged = await log.line(prefix, /a bug of the caller/)
    expect(logged.level).toBe('error')
    await redis.renewals(prefix, 4)
    expect(lease.isHeld).toBe(true)
    expect(tokens).toEqual([lease.token])
    await lose(lease)
    await until('the next run', () => tokens.length > 1)
  })

  test('what an aborted signal threw is no error', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const lease = await establish(prefix)
    const {fail} = await work.run()
    lease.signal.addEventListener('abort', () => fail(lease.signal.reason))
    await resignPrimaryServer(prefix, {drain: 20_000})
    const other = newPrefix()
    const next = guard(other)
    await establish(other)
    const run = await next.run()
    run.fail(Object.assign(new Error('aborted by somebody else'), {name: 'AbortError'}))
    await log.line(other, /somebody else/)
    expect(log.about(prefix).filter(({level}) => level === 'error')).toEqual([])
    expect(log.about(other).filter(({level}) => level === 'error')).toHaveLength(1)
  })
})

describe('the function that is returned', () => {
  test('ends the calls and not the running one, whose lease is held', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const beside = guard(prefix)
    const lease = await establish(prefix)
    const {settle} = await work.run()
    work.stop()
    work.stop()
    expect(lease.signal.aborted).toBe(false)
    expect(lease.isHeld).toBe(true)
    settle()
    const {lease: same, settle: settleBeside} = await beside.run()
    same.signal.addEventListener('abort', settleBeside)
    await lose(lease)
    await beside.run(2)
    expect(work.runs).toHaveLength(1)
  })

  test('is in time before the next turn', async () => {
    const prefix = newPrefix()
    await establish(prefix)
    const work = guard(prefix)
    work.stop()
    await guard(prefix).run()
    expect(work.runs).toHaveLength(0)
  })

  test('cancels the run that waits for the last one', async () => {
    const prefix = newPrefix()
    const work = guard(prefix)
    const lease = await establish(prefix)
    const {settle} = await work.run()
    await lose(lease)
    await log.line(prefix, /waits/)
    work.stop()
    settle()
    // Behind whatever the end of the last one would have begun.
    await guard(prefix).run()
    expect(work.runs).toHaveLength(1)
  })
})

test('work that never ends keeps no process alive', async () => {
  const {code, stdout} = await runScript(
    redis.url,
    `whilePrimary('${newPrefix()}', () => {
       console.log('begun')
       return new Promise(() => {})
     })
     whilePrimary('${newPrefix()}', () => {})
     establishPrimaryServer(url, '${newPrefix()}', {ttl: ${TTL}})
     const prefix = '${newPrefix()}'
     whilePrimary(prefix, () => {
       console.log('begun')
       return new Promise(() => {})
     })
     establishPrimaryServer(url, prefix, {ttl: ${TTL}}).then(({isHeld}) => console.log(isHeld))`,
  )
  expect(stdout).toBe('begun\ntrue\n')
  expect(code).toBe(0)
})
