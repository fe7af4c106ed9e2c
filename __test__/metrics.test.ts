// What metrics() counts.

import {once} from 'node:events'
import {Worker} from 'node:worker_threads'
import {
  establishPrimaryServer,
  LeaderRunner,
  type Metrics,
  metrics,
  onPrimaryChange,
  type PrimaryLogger,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()
const store = 'memory://metrics'

afterEach(async () => {
  await resignPrimaryServer()
  setLogger(null)
})

const ofElection = (prefix: string) => metrics().elections.find((one) => one.prefix === prefix)
const command = (of: string, name: string) =>
  metrics().commands.find((one) => one.of === of && one.command === name)

test('an election is counted from its first change to its last', async () => {
  const prefix = newPrefix()
  const stop = onPrimaryChange(prefix, () => {})
  const lease = await establishPrimaryServer(store, prefix, {
    ttl: TTL,
    serverId: 'mine',
    scope: 'v2',
  })
  const before = ofElection(prefix)
  expect(before).toEqual({
    prefix,
    name: `${prefix}:v2`,
    serverId: 'mine',
    isPrimary: true,
    isStanding: true,
    primary: {serverId: 'mine', token: lease?.token},
    ttlSeconds: TTL / 1000,
    primarySeconds: expect.any(Number),
    marginSeconds: before?.marginSeconds,
    available: true,
    healthy: true,
    changes: expect.objectContaining({elected: 1, primaryChanged: 0, unavailable: 0}),
  })
  const renewed = await until('it is renewed', () => ofElection(prefix)?.marginSeconds)
  expect(renewed).toBeGreaterThan(0)
  expect(renewed).toBeLessThan((0.78 * TTL) / 1000)
  const longer = await until('it has been primary for longer', () => {
    const {primarySeconds = 0} = ofElection(prefix) ?? {}
    return primarySeconds > Number(before?.primarySeconds) ? primarySeconds : undefined
  })
  await lease?.release()
  expect(ofElection(prefix)).toBeUndefined()
  const ended = metrics().ended.find((one) => one.prefix === prefix)
  expect(ended).toMatchObject({
    name: `${prefix}:v2`,
    changes: {elected: 1, resigned: {resigned: 1}},
  })
  expect(ended?.primarySeconds).toBeGreaterThanOrEqual(longer)
  // It goes on where it was.
  await establishPrimaryServer(store, prefix, {scope: 'v2'})
  expect(ofElection(prefix)?.changes).toMatchObject({elected: 2, resigned: {resigned: 1}})
  expect(metrics().ended.some((one) => one.prefix === prefix)).toBe(false)
  stop()
})

test('one that nobody has to do with any more goes on where it was', async () => {
  const prefix = newPrefix()
  for (const elected of [1, 2, 3]) {
    const lease = await establishPrimaryServer(store, prefix)
    expect(ofElection(prefix)?.changes).toMatchObject({elected, resigned: {resigned: elected - 1}})
    await lease?.release()
  }
})

test('a standby knows the primary, and whether it stands', async () => {
  const election = redis.election()
  const primary = await Server.stand(election)
  const {token} = await primary.change('elected')
  expect(await establishPrimaryServer(election.url, election.prefix, election.options)).toBe(
    undefined,
  )
  const polls = metrics().polls
  expect(ofElection(election.prefix)).toMatchObject({
    isPrimary: false,
    isStanding: false,
    primary: {token},
    primarySeconds: 0,
    marginSeconds: undefined,
  })
  const stop = onPrimaryChange(election.prefix, () => {})
  expect(ofElection(election.prefix)?.isStanding).toBe(true)
  await until('it has polled', () => metrics().polls > polls)
  stop()
})

test('the margin of a renewal is what was left as it was confirmed', async () => {
  const election = redis.election({ttl: 2 * TTL})
  const {margin, roundTrip} = metrics().renewals
  const lease = await establishPrimaryServer(election.url, election.prefix, election.options)
  const renewals = () => metrics().renewals.margin.count - margin.count
  await until('it is renewed', () => renewals() >= 2)
  const after = metrics().renewals
  const mean = (after.margin.sum - margin.sum) / renewals()
  // Due a third of the ttl after the last one, or a little sooner; the term is 0.78 of it. Later on a busy machine.
  expect(mean).toBeLessThan(0.6)
  expect(mean).toBeGreaterThan(0.1)
  expect(after.roundTrip.count).toBeGreaterThan(roundTrip.count)
  expect(command('election', 'renew')?.answered).toBeGreaterThanOrEqual(2)
  await lease?.release()
})

describe('runs', () => {
  const counted = (before: Metrics['runs'], read: (runs: Metrics['runs']) => number) =>
    read(metrics().runs) - read(before)

  test('are counted by their outcome, and the one that goes on', async () => {
    const before = metrics().runs
    const [prefix, done, began] = [newPrefix(), lock(), lock()]
    const runner = new LeaderRunner(store, prefix, 2000, {minHold: 0})
    const going = runner.runLocked('a', async () => {
      began.open()
      await done.opened
    })
    await began.opened
    expect(counted(before, (runs) => runs.active)).toBe(1)
    await runner.runLocked('a', () => {})
    done.open()
    await going
    await runner.runLocked('b', () => Promise.reject(new Error('a bug')))
    const tick = new Date()
    await runner.runLocked('c', () => {}, null, {tick})
    await runner.runLocked('c', () => {}, null, {tick})
    await withLease(store, newPrefix(), {}, () => 1)
    const long = newPrefix()
    await withLease(store, long, {maxRun: 50}, ({signal}) => {
      return new Promise((resolve) => signal.addEventListener('abort', resolve))
    }).catch(() => {})
    // By then that one has ended, which is told once.
    await withLease(store, long, {wait: 30_000}, () => {})
    expect({
      ran: counted(before, ({ran}) => ran),
      held: counted(before, ({skipped}) => skipped.held),
      doneBefore: counted(before, ({skipped}) => skipped.ran),
      failed: counted(before, ({failed}) => failed),
      overrun: counted(before, ({lost}) => lost.overrun),
      unavailable: counted(before, ({unavailable}) => unavailable.unanswered),
      active: counted(before, ({active}) => active),
    }).toEqual({
      ran: 4,
      held: 1,
      doneBefore: 1,
      failed: 1,
      overrun: 1,
      unavailable: 0,
      active: 0,
    })
    await until('the leases are released', () => counted(before, ({held}) => held.count) >= 6)
  })

  test('that Redis has no answer for are unavailable', async () => {
    const before = metrics().runs
    const nobody = {host: '127.0.0.1', port: 1}
    const runner = new LeaderRunner(nobody, newPrefix(), 2000, {acquireTimeout: 100})
    expect(await runner.runLocked('a', () => {})).toMatchObject({outcome: 'unavailable'})
    expect(counted(before, ({unavailable}) => unavailable.unanswered)).toBe(1)
    const connection = metrics().connections.find((one) => one.redis === '127.0.0.1:1/0')
    expect(connection).toMatchObject({connected: false, opened: 0, notSent: expect.any(Number)})
    expect(connection?.failed).toBeGreaterThan(0)
    const {unanswered = 0, refused = 0} = command('run', 'acquire') ?? {}
    expect(unanswered + refused).toBeGreaterThan(0)
    expect(metrics().retries.run).toBeGreaterThan(0)
  })
})

test('a connection is counted as it is opened, lost and opened again', async () => {
  const address = `127.0.0.1:${redis.server.port}/3`
  const source = {port: redis.server.port, host: '127.0.0.1', db: 3}
  const connection = () => metrics().connections.find((one) => one.redis === address)
  const prefix = newPrefix()
  const lease = await establishPrimaryServer(source, prefix, {ttl: 2 * TTL})
  const before = connection()
  expect(before).toMatchObject({connected: true, opened: 1, lost: 0, queued: 0})
  // Its own grant came back as a message.
  await until('a message', () => Number(connection()?.messages) > 0)
  await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => {})
  await redis.client.client('KILL', 'TYPE', 'pubsub').catch(() => {})
  await until('it is opened again', () => connection()?.opened === 2)
  expect(connection()).toMatchObject({lost: 1, connected: true})
  await lease?.release()
})

test('a worker thread counts its own elections and runs, and the connections of the process', async () => {
  const [{prefix}, {prefix: own}] = [await redis.vacant(), await redis.vacant()]
  const lease = await establishPrimaryServer(redis.url, prefix, {ttl: 2 * TTL})
  const worker = new Worker(
    `const {workerData: [addon, url, prefix], parentPort} = require('node:worker_threads')
     const {establishPrimaryServer, metrics, withLease} = require(addon)
     establishPrimaryServer(url, prefix, {ttl: 4000}).then(async (lease) => {
       await withLease(url, prefix, {}, () => {})
       parentPort.postMessage(metrics())
       await lease.release()
       parentPort.close()
     })`,
    {eval: true, workerData: [require.resolve('../index.js'), redis.url, own]},
  )
  const [theirs] = (await once(worker, 'message')) as [Metrics]
  expect(theirs.elections.map((one) => one.prefix)).toEqual([own])
  expect(theirs.runs).toMatchObject({ran: 1})
  expect(ofElection(own)).toBeUndefined()
  const opened = (all: Metrics) =>
    all.connections.find((one) => one.redis === `127.0.0.1:${redis.server.port}/0`)?.opened
  expect(opened(theirs)).toBe(opened(metrics()))
  expect(opened(theirs)).toBeGreaterThan(0)
  await worker.terminate()
  await lease?.release()
})

test('a logger that throws, or rejects, costs lines that are counted', async () => {
  const before = metrics().log
  const nothing = () => {}
  const throws: PrimaryLogger = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: () => {
      throw new Error('a bug of the logger')
    },
  }
  setLogger(throws)
  const fails = () => Promise.reject(new Error('a bug'))
  await new LeaderRunner(store, newPrefix(), 2000).runLocked('a', fails)
  setLogger({...throws, error: async () => throws.error('', {})})
  await new LeaderRunner(store, newPrefix(), 2000).runLocked('a', fails)
  await until('both are counted', () => metrics().log.dropped === before.dropped + 2)
  expect(metrics().log.lines.error).toBe(before.lines.error + 2)
})

test('an event loop that stood still is seen', async () => {
  const script = `
    onPrimaryChange('p', () => {})
    establishPrimaryServer(url, 'p', {ttl: 500, stallTimeout: 8000}).then(async (lease) => {
      // Asked every second: longer than that it cannot be missed.
      const end = Date.now() + 2500
      while (Date.now() < end);
      while (metrics().eventLoop.delay.max < 1) await new Promise((next) => setTimeout(next, 20))
      const {delay} = metrics().eventLoop
      console.log(delay.max >= 1 && delay.counts.slice(delay.bounds.indexOf(1) + 1).some((count) => count > 0))
      await lease.release()
    })`
  expect(await runScript(store, script)).toMatchObject({code: 0, stdout: 'true\n'})
})

test('of elections that have ended the last thousand are remembered', async () => {
  const script = `
    (async () => {
      for (let at = 0; at < 1100; at++) {
        const lease = await establishPrimaryServer(url, 'p' + at)
        await lease.release()
      }
      const {ended, elections} = metrics()
      console.log(JSON.stringify([elections.length, ended.length, ended.at(-1).prefix]))
    })()`
  const {stdout} = await runScript(store, script)
  expect(JSON.parse(stdout)).toEqual([0, 1000, 'p1099'])
})
