import {establishPrimaryServer, resignPrimaryServer, whilePrimary} from 'primary-lease'
import {until} from '../../support/until'
import {TTL, useRedis} from '../support/redis'

const redis = useRedis()
const {REDIS_URL} = process.env
const handlers = process.listeners('SIGTERM')

afterAll(() => {
  if (REDIS_URL === undefined) delete process.env.REDIS_URL
  else process.env.REDIS_URL = REDIS_URL
  for (const handler of process.listeners('SIGTERM')) {
    if (!handlers.includes(handler)) process.removeListener('SIGTERM', handler)
  }
})

const closed: number[] = []
async function closeOneInvoice({token, signal}: {token: number; signal: AbortSignal}) {
  closed.push(token)
  await until('the lease is lost', () => signal.aborted)
}

test('the primary closes invoices until it resigns', async () => {
  process.env.REDIS_URL = redis.url
  jest.spyOn(console, 'log').mockImplementation()
  whilePrimary('billing', async (lease) => {
    const {token, signal} = lease
    // The first is right also just after a freeze, the second also while work is asked to stop.
    while (lease.isHeld && !signal.aborted) {
      // With the token the database can refuse a primary of the past: docs/fencing.md.
      await closeOneInvoice({token, signal})
    }
  })

  const lease = await establishPrimaryServer(process.env.REDIS_URL ?? 'redis://redis', 'billing')
  console.log(lease ? `primary with token ${lease.token}` : 'another server is primary')
  // The invoice at hand has up to five seconds; only then is another server let in.
  process.on('SIGTERM', () =>
    resignPrimaryServer(undefined, {drain: 5000}).finally(() => process.exit()),
  )

  await until('an invoice is closed', () => closed.length > 0)
  await resignPrimaryServer(undefined, {drain: 5000})
  expect(lease?.isHeld).toBe(false)
  expect(closed).toEqual([lease?.token])
})

test('stalled jobs are reset for as long as this server is primary', async () => {
  const resetStalledJobs = () => {}
  const timers = jest.spyOn(global, 'clearInterval')
  whilePrimary('jobs', ({signal}) => {
    const timer = setInterval(resetStalledJobs, 60_000)
    signal.addEventListener('abort', () => clearInterval(timer))
  })

  const begun = jest.spyOn(global, 'setInterval')
  const lease = await establishPrimaryServer(redis.url, 'jobs', {ttl: TTL})
  const timer = begun.mock.results[begun.mock.calls.findIndex(([, ms]) => ms === 60_000)]?.value
  expect(timer).toBeDefined()
  await lease?.release()
  expect(timers).toHaveBeenCalledWith(timer)
})
