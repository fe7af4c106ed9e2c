// Redis counts an expiry on its wall clock: what is left of a run when that is set back by ten minutes.

import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {LeaderRunner, setLogger, withLease} from 'primary-lease'
import {Clock} from '../support/clock.mjs'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {newPrefix} from './support/redis'
import {runScript} from './support/servers'

const BACK = -600_000

let dir: string
let clock: Clock | undefined
let server: RedisServer

beforeAll(async () => {
  // The last test asks more often than its period, which is warned of.
  setLogger(null)
  dir = await mkdtemp(join(tmpdir(), 'primary-lease-clock-'))
  clock = await Clock.make(join(dir, 'offset'))
  server = await RedisServer.reserve()
  server.env = clock?.env ?? {}
  await server.start()
})
afterAll(async () => {
  // Native state outlives the test file.
  setLogger({...console, debug: () => {}, info: () => {}})
  await server.close()
  await rm(dir, {recursive: true, force: true})
})

/** False, and says so, where the clock of a Redis cannot be set. */
function setBack() {
  clock?.step(BACK)
  if (!clock) console.warn('skipped, there is no C compiler, or no Linux: a clock that is set back')
  return clock !== undefined
}

test('the lease of a server that crashed is kept for its ttl from then, not for the step', async () => {
  const name = newPrefix()
  const crash = `withLease(url, '${name}', {ttl: 2_000}, () => process.kill(process.pid, 'SIGKILL'))`
  await runScript(server.url, crash)
  if (!setBack()) return
  const from = performance.now()
  expect(await withLease(server.url, name, {wait: 30_000}, () => 'mine')).toBe('mine')
  // Neither free at once nor by the ttl of the one that asks, which is 5,000.
  expect(performance.now() - from).toBeGreaterThan(1_900)
})

test('a minHold is over after what was left of it', async () => {
  const name = newPrefix()
  await withLease(server.url, name, {ttl: 2_000, minHold: 2_000}, () => {})
  if (!setBack()) return
  expect(await withLease(server.url, name, {wait: 30_000}, () => 'mine')).toBe('mine')
})

test('the ticks that follow are run', async () => {
  const runner = new LeaderRunner(server.url, newPrefix(), 2_000)
  const tick = () => runner.runLocked('job', () => {}, undefined, {tickEvery: 1_000})
  expect(await tick()).toMatchObject({outcome: 'ran'})
  if (!setBack()) return
  await until('one is run', async () => (await tick()).outcome === 'ran')
})
