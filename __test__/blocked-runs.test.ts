// What is told of a run that blocks the event loop while its lease goes: by then it has returned.

import {LeaderRunner, type Lease, setLogger, withLease} from '../index.js'
import {lock} from './support/lock'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()
/** Nothing runs out. */
const ttl = 60_000

beforeAll(() => setLogger(null))
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))

/** Blocks until its lease is not held any more. */
const outlive = (lease: Lease) => {
  const end = performance.now() + ttl / 2
  while (lease.isHeld && performance.now() < end);
  return 'late'
}

test('one that took longer than maxRun is lost, with its result', async () => {
  await expect(withLease(redis.url, newPrefix(), {ttl, maxRun: 50}, outlive)).rejects.toMatchObject(
    {code: 'ERR_LEASE_LOST', result: 'late'},
  )
  const runner = new LeaderRunner(redis.url, newPrefix(), ttl, {maxRun: 50})
  expect(await runner.runLocked('job', outlive)).toMatchObject({
    outcome: 'lost',
    reason: 'overrun',
  })
})

test.each([true, false])(
  'one that was not over within the drain of close() is lost (awaitRelease: %s)',
  async (awaitRelease) => {
    const runner = new LeaderRunner(redis.url, newPrefix(), ttl, {awaitRelease})
    const begun = lock()
    const closing = lock()
    const run = runner.runLocked('job', async (lease) => {
      begun.open()
      await closing.opened
      return outlive(lease)
    })
    await begun.opened
    const closed = runner.close({drain: 50})
    closing.open()
    expect(await run).toMatchObject({outcome: 'lost', reason: 'resigned'})
    await closed
  },
)
