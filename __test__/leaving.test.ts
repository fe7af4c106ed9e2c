// Whoever gives something up while Redis is away is answered when that has run out, at the latest.

import {
  establishPrimaryServer,
  LeaderRunner,
  type LeaseOptions,
  onPrimaryChange,
  resignPrimaryServer,
  setLogger,
  withLease,
} from '../index.js'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()

const TTL = 6000
/** What a busy machine may add, far less than the next longer wait. */
const SLACK = 2000
/** The window of what was confirmed just before. */
const WINDOW = TTL * 0.98 - 20 + SLACK
/** A candidate without a lease waits for one command, and so does who ends a run. */
const COMMAND = TTL / 6 + SLACK

beforeAll(() => setLogger(null))
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))

const millisOf = async (waiting: Promise<unknown>) => {
  const begun = performance.now()
  await waiting
  return performance.now() - begun
}

describe.each([
  ['hangs', () => redis.server.freeze()],
  ['is gone', () => redis.server.stop()],
])('where Redis %s', (_, leave) => {
  afterEach(async () => {
    redis.server.thaw()
    await redis.server.stop()
    await redis.server.start()
  })

  test('a resign and a release of a primary are answered when its window has ended', async () => {
    const vacant = [await redis.vacant(), await redis.vacant()]
    const prefixes = vacant.map(({prefix}) => prefix)
    const establish = (prefix: string) => establishPrimaryServer(redis.url, prefix, {ttl: TTL})
    const leases = await Promise.all(prefixes.map(establish))
    expect(leases.map((lease) => lease?.isHeld)).toEqual([true, true])
    await leave()
    const took = await Promise.all([
      millisOf(Promise.resolve(leases[0]?.release())),
      millisOf(resignPrimaryServer(prefixes[1])),
    ])
    for (const ms of took) expect(ms).toBeLessThan(WINDOW)
    // A server that asks after that waits for nothing.
    expect(await millisOf(resignPrimaryServer(prefixes[1]))).toBeLessThan(TTL / 12)
  })

  test('a candidate without a lease is answered when one command has had its time', async () => {
    const prefix = newPrefix()
    const heard: string[] = []
    const stop = onPrimaryChange(prefix, ({type}) => heard.push(type))
    await leave()
    const answer = establishPrimaryServer(redis.url, prefix, {ttl: TTL})
    // By then its first acquire has an unknown outcome: it may be granted yet.
    await until('it is unavailable', () => heard.includes('unavailable'))
    expect(await millisOf(resignPrimaryServer(prefix))).toBeLessThan(COMMAND)
    expect(await answer).toBeUndefined()
    stop()
  })

  test('a run that ends is answered, and so is close()', async () => {
    const options: LeaseOptions = {ttl: TTL}
    const [one, another, runner] = [newPrefix(), newPrefix(), newPrefix()]
    const leaders = new LeaderRunner(redis.url, runner, TTL)
    const runs = [one, another].map((name) => {
      let [begun, end] = [() => {}, () => {}]
      const running = new Promise<void>((resolve) => {
        begun = resolve
      })
      const over = new Promise<void>((resolve) => {
        end = resolve
      })
      const run = () => {
        begun()
        return over
      }
      return {name, running, end, run}
    })
    const [first, second] = runs as [(typeof runs)[0], (typeof runs)[0]]
    const leased = withLease(redis.url, first.name, options, first.run)
    const locked = leaders.runLocked(second.name, second.run)
    await Promise.all([first.running, second.running])
    await leave()
    first.end()
    expect(await millisOf(leased)).toBeLessThan(COMMAND)
    expect(await millisOf(leaders.close({drain: 0}))).toBeLessThan(COMMAND)
    second.end()
    expect(await millisOf(locked)).toBeLessThan(COMMAND)
  })
})
