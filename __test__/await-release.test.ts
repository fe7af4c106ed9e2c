// `awaitRelease: false`: the caller does not wait for the answer to the release. Who does, and what others see.

import {LeaderRunner, type LeaseOptions, setLogger, withLease} from 'primary-lease'
import {until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, useRedis} from './support/redis'
import {Relay} from './support/relay'
import {runScript} from './support/servers'

const redis = useRedis()
/** Nothing ends by itself. */
const ttl = 60_000
const options: LeaseOptions = {ttl, awaitRelease: false}
/** How long an answer is under way, where it is. */
const LATE = 500

let relay: Relay

beforeAll(() => setLogger(null))
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
beforeEach(async () => {
  relay = await Relay.before(redis.server.port)
})
afterEach(() => relay.close())

/** Whether it was released: what is left behind says since when it can be had. */
const isFree = async (name: string) =>
  /^\d+ \w+ \d+ \d+$|^gone$/.test((await redis.client.get(`lease:{${name}}`)) ?? 'gone')

test('the caller is answered though the release is not confirmed, which comes later', async () => {
  const name = newPrefix()
  const other = newPrefix()
  const freeze = () => redis.server.freeze()
  let confirmed = false
  try {
    const waiting = withLease(redis.url, other, {ttl}, async () => {
      await withLease(redis.url, name, options, freeze)
    }).then(() => {
      confirmed = true
    })
    // The inner one is answered while nothing can be confirmed; the outer one waits for its own.
    await withLease('memory://await-release', name, {}, () => {})
    expect(confirmed).toBe(false)
    redis.server.thaw()
    await waiting
  } finally {
    redis.server.thaw()
  }
  await until('it is released', () => isFree(name))
})

test('one run after the other is granted the same lease', async () => {
  const name = newPrefix()
  const tokens: number[] = []
  for (let i = 0; i < 200; i++) {
    tokens.push(await withLease(redis.url, name, options, ({token}) => token))
  }
  expect([...tokens].sort((a, b) => a - b)).toEqual(tokens)
  expect(new Set(tokens).size).toBe(200)
})

test('a release that was lost is sent again before this process asks for the same lease', async () => {
  const name = newPrefix()
  for (let i = 0; i < 5; i++) {
    await withLease(relay.url, name, options, () => {
      relay.manner = {how: 'swallow'}
    })
    // It was written to the socket, and reaches nobody.
    await until('it was swallowed', () => relay.swallowed > i)
    expect(await isFree(name)).toBe(false)
    relay.manner = {how: 'pass'}
    relay.hangUp()
    expect(await withLease(relay.url, name, options, () => 'granted')).toBe('granted')
  }
})

test('the end of the process waits until it is confirmed', async () => {
  const name = newPrefix()
  relay.manner = {how: 'delay', ms: LATE}
  const script = `withLease(url, '${name}', {ttl: ${ttl}, awaitRelease: false, exitTimeout: 10_000}, () => {})
    .then(() => { console.log(Date.now()); process.exit() })`
  const {stdout, code} = await runScript(relay.url, script)
  expect(code).toBe(0)
  expect(Date.now() - Number(stdout)).toBeGreaterThan(LATE / 2)
  expect(await isFree(name)).toBe(true)
})

test('close() waits until it is confirmed', async () => {
  const prefix = newPrefix()
  const runner = new LeaderRunner(relay.url, prefix, ttl, {awaitRelease: false, minHold: 0})
  relay.manner = {how: 'delay', ms: LATE}
  expect(await runner.runLocked('job', () => {})).toMatchObject({outcome: 'ran'})
  const told = performance.now()
  await runner.close()
  expect(performance.now() - told).toBeGreaterThan(LATE / 2)
  expect(await isFree(`${prefix}:job`)).toBe(true)
  // Nothing is on its way any more.
  await runner.close()
})

test.each([
  ['ends within the drain', 30_000],
  ['outlives the drain', 100],
])('close() waits for the release of a run that %s, and no longer', async (_, drain) => {
  const prefix = newPrefix()
  const runner = new LeaderRunner(redis.url, prefix, ttl, {awaitRelease: false, minHold: 0})
  const [begun, end] = [lock(), lock()]
  const run = runner.runLocked('job', () => {
    begun.open()
    return end.opened
  })
  await begun.opened
  const closed = runner.close({drain})
  if (drain > 100) end.open()
  await closed
  expect(await isFree(`${prefix}:job`)).toBe(true)
  end.open()
  expect(await run).toMatchObject({outcome: drain > 100 ? 'ran' : 'lost'})
})

test('close() does not wait for what is confirmed already', async () => {
  const prefix = newPrefix()
  const runner = new LeaderRunner(redis.url, prefix, ttl, {awaitRelease: false})
  expect(await runner.runLocked('job', () => {})).toMatchObject({outcome: 'ran'})
  await until('it is confirmed', () => isFree(`${prefix}:job`))
  await runner.close()
})

test('what is no boolean is refused', async () => {
  const wrong = {awaitRelease: 'no'} as unknown as LeaseOptions
  await expect(withLease(redis.url, 'a job', wrong, () => {})).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringContaining('awaitRelease must be true or false'),
  })
})
