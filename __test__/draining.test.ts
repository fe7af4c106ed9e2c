import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryLease,
  primaryStatus,
  resignPrimaryServer,
} from '../index.js'
import {now} from '../support/record.mjs'
import {until} from '../support/until'
import {CALM, guard, useLog, WATCHED} from './support/guarded'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()
const log = useLog()

afterEach(() => resignPrimaryServer())

/** Longer than any test may take. */
const LONG = 600_000

/** A lease of this process with work under it, and another process that would take its place. */
async function contested() {
  const election = redis.election(CALM)
  const {url, prefix, options} = election
  const work = guard(prefix)
  const lease = (await establishPrimaryServer(url, prefix, options)) as PrimaryLease
  const {settle} = await work.run()
  const standby = await Server.stand(election)
  const types: string[] = []
  onPrimaryChange(prefix, ({type}) => types.push(type))
  await until('the present', () => types.includes('elected'))
  return {prefix, options, work, lease, settle, standby, types}
}

/** When a promise is settled, if it is. */
function settled(promise: Promise<unknown>) {
  const state = {at: Number.POSITIVE_INFINITY}
  promise.then(() => {
    state.at = now()
  })
  return state
}

test('another server is let in only after the work has stopped', async () => {
  const {prefix, lease, settle, standby, types} = await contested()
  const resigned = settled(resignPrimaryServer(prefix, {drain: LONG}))
  expect(lease.signal.aborted).toBe(true)
  expect(lease.signal.reason).toMatchObject({code: 'ERR_LEASE_LOST'})
  expect(lease.isHeld).toBe(true)
  // Ten renewals take a ttl, and a window that was not extended would be over.
  await redis.renewals(prefix, 12)
  expect(lease.isHeld).toBe(true)
  expect(() => lease.assertHeld()).not.toThrow()
  expect(primaryStatus(prefix)).toMatchObject({role: 'primary', token: lease.token})
  expect(standby.changes('elected')).toEqual([])
  expect(resigned.at).toBe(Number.POSITIVE_INFINITY)
  expect(types.at(-1)).toBe('elected')

  const stopped = now()
  settle()
  const elected = await standby.change('elected')
  expect(elected.at).toBeGreaterThan(stopped)
  expect(elected.at - stopped).toBeLessThan(WATCHED)
  await until('the resign', () => resigned.at < now())
  expect(lease.isHeld).toBe(false)
  await until('resigned', () => types.at(-1) === 'resigned')
  expect(types).not.toContain('lost')
  expect(log.about(prefix).filter(({level}) => level === 'warn')).toEqual([])
})

test('another server is let in when the drain has passed, and the work is reported', async () => {
  const {prefix, lease, standby} = await contested()
  const began = now()
  // Longer than the ttl.
  const drain = 1.5 * CALM.ttl
  const resigned = resignPrimaryServer(prefix, {drain})
  await redis.renewals(prefix, 12)
  expect(lease.isHeld).toBe(true)
  const elected = await standby.change('elected')
  expect(elected.at - began).toBeGreaterThan(drain)
  await resigned
  expect(lease.isHeld).toBe(false)
  const ignored = await log.line(prefix, /still running when its drain is over/)
  expect(ignored).toMatchObject({level: 'warn', fields: {token: lease.token}})
})

test('work that has ended already is not waited for', async () => {
  const {prefix, settle, standby} = await contested()
  settle()
  const began = now()
  await resignPrimaryServer(prefix, {drain: LONG})
  expect((await standby.change('elected')).at - began).toBeLessThan(LONG / 2)
})

test('everything is drained at once', async () => {
  const one = await contested()
  const two = await contested()
  const resigned = settled(resignPrimaryServer(undefined, {drain: LONG}))
  expect([one.lease.signal.aborted, two.lease.signal.aborted]).toEqual([true, true])
  one.settle()
  await one.standby.change('elected')
  await redis.renewals(two.prefix, 4)
  expect(two.lease.isHeld).toBe(true)
  expect(two.standby.changes('elected')).toEqual([])
  expect(resigned.at).toBe(Number.POSITIVE_INFINITY)
  two.settle()
  await two.standby.change('elected')
  await until('the resign', () => resigned.at < now())
})

test('the work of two calls and of one that was stopped is waited for', async () => {
  const {prefix, work, lease, settle, standby} = await contested()
  const beside = guard(prefix)
  const second = await beside.run()
  work.stop()
  void resignPrimaryServer(prefix, {drain: LONG})
  second.settle()
  await redis.renewals(prefix, 4)
  expect(lease.isHeld).toBe(true)
  expect(standby.changes('elected')).toEqual([])
  settle()
  await standby.change('elected')
})

describe('without a drain', () => {
  const ways: [string, (lease: PrimaryLease, prefix: string) => Promise<void>][] = [
    ['release()', (lease) => lease.release()],
    ['resignPrimaryServer()', (_, prefix) => resignPrimaryServer(prefix)],
  ]
  test.each(ways)('%s aborts the work, and lets go at once after that', async (_, letGo) => {
    const {prefix, lease, standby} = await contested()
    const held: boolean[] = []
    let stopped = Number.POSITIVE_INFINITY
    lease.signal.addEventListener('abort', () => {
      held.push(lease.isHeld)
      // Far longer than another server needs to take a place that is free.
      const end = now() + TTL / 4
      while (now() < end);
      stopped = now()
    })
    const gone = letGo(lease, prefix)
    expect(held).toEqual([false])
    expect(lease.isHeld).toBe(false)
    await gone
    const elected = await standby.change('elected')
    expect(elected.at).toBeGreaterThan(stopped)
    await log.line(prefix, /still running/)
  })
})

describe('a drain is cut short', () => {
  const ways: [string, (lease: PrimaryLease, prefix: string) => Promise<void>][] = [
    ['by release()', (lease) => lease.release()],
    ['by a resign without a drain', (_, prefix) => resignPrimaryServer(prefix)],
    ['by a resign of everything', () => resignPrimaryServer()],
    ['by one with a shorter drain', (_, prefix) => resignPrimaryServer(prefix, {drain: 500})],
  ]
  test.each(ways)('%s', async (_, cut) => {
    const {prefix, lease, standby, types} = await contested()
    const first = resignPrimaryServer(prefix, {drain: LONG})
    await redis.renewals(prefix, 1)
    expect(lease.isHeld).toBe(true)
    await Promise.all([first, cut(lease, prefix)])
    expect(lease.isHeld).toBe(false)
    await standby.change('elected')
    await until('the end', () => types.includes('resigned'))
    expect(types).not.toContain('lost')
  })

  test('by no caller that would wait longer', async () => {
    const {prefix, lease, standby} = await contested()
    const began = now()
    const first = resignPrimaryServer(prefix, {drain: TTL})
    await Promise.all([first, resignPrimaryServer(prefix, {drain: LONG})])
    expect(lease.isHeld).toBe(false)
    const elected = await standby.change('elected')
    expect(elected.at - began).toBeGreaterThan(TTL)
    expect(elected.at - began).toBeLessThan(LONG / 2)
  })

  test('by a loss, after which this server does not stand again', async () => {
    const {prefix, lease, standby, types} = await contested()
    const resigned = resignPrimaryServer(prefix, {drain: LONG})
    redis.server.freeze()
    await until('the loss', () => types.includes('lost'))
    expect(lease.isHeld).toBe(false)
    redis.server.thaw()
    await resigned
    await standby.change('elected')
    expect(types.filter((type) => /elected|lost|resigned/.test(type))).toEqual([
      'elected',
      'lost',
      'resigned',
    ])
    expect(primaryStatus(prefix)).toBeUndefined()
  })

  test('by a listener of the signal', async () => {
    const {prefix, lease, standby} = await contested()
    lease.signal.addEventListener('abort', () => void lease.release())
    const resigned = resignPrimaryServer(prefix, {drain: LONG})
    expect(lease.isHeld).toBe(false)
    await resigned
    await standby.change('elected')
  })
})

describe('while it drains', () => {
  test('a call of establishPrimaryServer stands again after it', async () => {
    const {prefix, options, work, lease, settle, standby} = await contested()
    const resigned = resignPrimaryServer(prefix, {drain: LONG})
    const answer = settled(establishPrimaryServer(redis.url, prefix, options))
    await redis.renewals(prefix, 4)
    expect(answer.at).toBe(Number.POSITIVE_INFINITY)
    expect(lease.isHeld).toBe(true)
    await expect(
      establishPrimaryServer(redis.url, prefix, {...options, ttl: 2 * CALM.ttl}),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
    })
    settle()
    await resigned
    await until('the answer', () => answer.at < now())
    // Whoever of the two was faster, and then the other.
    await until('the next primary', () => work.runs[1] ?? standby.changes('elected')[0])
    await standby.kill()
    const next = await work.run(2)
    expect(next.lease.token).toBeGreaterThan(lease.token)
    expect(work.most()).toBe(1)
    next.settle()
  })

  test('a later resign ends what was to stand again, too', async () => {
    const {prefix, options, lease} = await contested()
    const first = resignPrimaryServer(prefix, {drain: LONG})
    const answer = establishPrimaryServer(redis.url, prefix, options)
    await Promise.all([first, resignPrimaryServer(prefix)])
    expect(await answer).toBeUndefined()
    expect(lease.isHeld).toBe(false)
    expect(primaryStatus(prefix)).toBeUndefined()
  })

  test.each([
    ['', () => {}],
    [' that has released the lease', (lease: PrimaryLease) => void lease.release()],
  ])('an establish from a listener of the signal%s stands again', async (_, first) => {
    const {prefix, options, work, lease, settle, standby} = await contested()
    await standby.kill()
    // Nothing is left to be waited for.
    settle()
    await redis.renewals(prefix, 1)
    let answer: Promise<PrimaryLease | undefined> | undefined
    lease.signal.addEventListener('abort', () => {
      first(lease)
      answer = establishPrimaryServer(redis.url, prefix, options)
    })
    await resignPrimaryServer(prefix, {drain: LONG})
    const next = await answer
    expect(next?.token).toBeGreaterThan(lease.token)
    expect((await work.run(2)).lease).toBe(next)
  })

  test('nothing new is begun under the lease that is going', async () => {
    const {prefix, settle} = await contested()
    const resigned = resignPrimaryServer(prefix, {drain: LONG})
    const late = guard(prefix)
    const heard: string[] = []
    onPrimaryChange(prefix, ({type}) => heard.push(type))
    await redis.renewals(prefix, 1)
    expect(late.runs).toHaveLength(0)
    settle()
    await resigned
    await until('resigned', () => heard.includes('resigned'))
    expect(heard).not.toContain('elected')
    expect(late.runs).toHaveLength(0)
  })
})

test('a run that waited for the last one does not begin during a drain', async () => {
  const {prefix, work, lease, settle, standby} = await contested()
  await standby.kill()
  const beside = guard(prefix)
  const first = await beside.run()
  first.lease.signal.addEventListener('abort', first.settle)
  redis.server.freeze()
  await until('the loss', () => lease.signal.aborted)
  redis.server.thaw()
  const second = await beside.run(2)
  await log.line(prefix, /waits/)
  const resigned = resignPrimaryServer(prefix, {drain: LONG})
  settle()
  await redis.renewals(prefix, 1)
  expect(second.lease.isHeld).toBe(true)
  expect(work.runs).toHaveLength(1)
  second.settle()
  await resigned
  expect(work.runs).toHaveLength(1)
})

test('process.exit waits for no work', async () => {
  const election = redis.election(CALM)
  const primary = new Server()
  await primary.call('guard', election.prefix)
  await primary.call('establish', election.url, election.prefix, election.options)
  const standby = await Server.stand(election)
  void primary.call('resign', election.prefix, {drain: LONG}).catch(() => {})
  await primary.line('the abort', ({work}) => work === 'aborted')
  await redis.renewals(election.prefix, 2)
  expect(standby.changes('elected')).toEqual([])
  const exited = now()
  primary.send('exit')
  const elected = await standby.change('elected')
  expect(elected.at - exited).toBeLessThan(WATCHED)
})

test('a drain keeps the process alive until it is over, and no longer', async () => {
  const {code, stdout} = await runScript(
    redis.url,
    `const prefix = '${newPrefix()}'
     whilePrimary(prefix, () => new Promise(() => {}))
     establishPrimaryServer(url, prefix, ${JSON.stringify(CALM)}).then(async (lease) => {
       const began = performance.now()
       await resignPrimaryServer(prefix, {drain: ${TTL}})
       console.log(lease.isHeld, performance.now() - began >= ${TTL})
     })`,
  )
  expect(stdout).toBe('false true\n')
  expect(code).toBe(0)
})
