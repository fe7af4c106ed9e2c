// What is left for the end of a turn of the event loop, and what must not wait for that.

import {type Lease, setLogger, withLease} from '../index.js'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'
import {runScript} from './support/servers'

/** What the layer of JavaScript calls. */
const {verbs} = require('../src/js/core.js') as typeof import('../src/js/core.js')
const redis = useRedis()
/** Nothing ends by itself. */
const ttl = 60_000

beforeAll(() => setLogger(null))

/** Lets promises settle, and nothing else happen. */
async function settle() {
  for (let at = 0; at < 20; at++) await null
}

test('the lease of a run that is over is not held, though that was not handed over yet', async () => {
  const seen: unknown[] = []
  await withLease(redis.url, newPrefix(), {ttl}, (lease) => {
    const handedOver = jest.spyOn(verbs, 'handOverRuns')
    expect(lease.isHeld && lease.remainingMs > 0).toBe(true)
    void settle().then(() => {
      seen.push(handedOver.mock.calls.length, lease.isHeld, lease.remainingMs)
      seen.push(lease.signal.aborted, lease.signal.reason.code)
      expect(() => lease.assertHeld()).toThrow('not held any more')
      handedOver.mockRestore()
    })
  })
  expect(seen).toEqual([0, false, 0, true, 'ERR_LEASE_LOST'])
})

test('nothing is fenced under a lease that is over, though that was not handed over yet', async () => {
  let fenced: Promise<unknown> | undefined
  await withLease(redis.url, newPrefix(), {ttl}, (lease) => {
    void settle().then(() => {
      fenced = lease.fence('resource')
      fenced.catch(() => {})
    })
  })
  await expect(fenced).rejects.toMatchObject({code: 'ERR_LEASE_LOST'})
})

test.each([
  ['Redis', () => redis.url],
  // It does at once what it is told, and puts nothing in order.
  ['memory', () => 'memory://one-turn'],
])(
  '%s: a lease that is asked for in the turn in which its run ends is asked for behind the release',
  async (_, url) => {
    const name = newPrefix()
    for (let round = 0; round < 20; round++) {
      let again: Promise<Lease> | undefined
      const first = await withLease(url(), name, {ttl}, (lease) => {
        lease.signal.addEventListener('abort', () => {
          again = withLease(url(), name, {ttl}, (second) => second)
          again.catch(() => {})
        })
        return lease
      })
      expect((await again)?.token).toBeGreaterThan(first.token)
    }
  },
)

test.each([
  ['in one turn', async () => {}],
  // One event is delivered in that turn.
  ['when one run is over', () => withLease(redis.url, newPrefix(), {ttl}, () => {})],
])(
  'much that is asked for %s is handed over in parts: the store need not wait for the last',
  async (_, before) => {
    await before()
    const handedOver = jest.spyOn(verbs, 'handOverRuns')
    const runs = Array.from({length: 100}, () => withLease(redis.url, newPrefix(), {ttl}, () => {}))
    const parts = handedOver.mock.calls.length
    handedOver.mockRestore()
    expect(parts).toBeGreaterThan(2)
    expect(parts).toBeLessThan(20)
    await Promise.all(runs)
  },
)

test('a process ends though one of its runs took longer than maxRun', async () => {
  const script = `
    setLogger(null)
    const long = () => new Promise((done) => setTimeout(done, 1_500))
    withLease(url, '${newPrefix()}', {ttl: 2_000, maxRun: 100}, long).catch(({code}) => console.log(code))`
  const {stdout} = await runScript(redis.url, script)
  expect(stdout).toContain('ERR_LEASE_LOST')
})

test('a process lives until what it waits for is answered', async () => {
  const [first, second] = [newPrefix(), newPrefix()]
  const script = `
    setLogger(null)
    const run = (name) => withLease(url, name, {ttl: 2_000}, () => {})
    run('${first}').then(() => run('${second}')).then(() => console.log('both ran'))`
  const {stdout} = await runScript(redis.url, script)
  expect(stdout).toContain('both ran')
  await until('it was released', async () =>
    /^\d+ \w+ 0 0$|^$/.test((await redis.client.get(`lease:{${second}}`)) ?? ''),
  )
})
