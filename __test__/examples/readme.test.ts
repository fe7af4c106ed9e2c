import {establishPrimaryServer, onPrimaryChange, resignPrimaryServer} from 'primary-lease'
import {useRedis} from '../support/redis'
import {until} from '../support/until'

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
  onPrimaryChange('billing', async (change) => {
    if (change.type !== 'elected') return
    const {token, signal} = change.lease
    while (change.lease.isHeld) {
      // With the token the database can refuse a primary of the past: docs/fencing.md.
      await closeOneInvoice({token, signal})
    }
  })

  const lease = await establishPrimaryServer(process.env.REDIS_URL ?? 'redis://redis', 'billing')
  console.log(lease ? `primary with token ${lease.token}` : 'another server is primary')
  process.on('SIGTERM', () => resignPrimaryServer().finally(() => process.exit()))

  await until('an invoice is closed', () => closed.length > 0)
  await resignPrimaryServer()
  expect(lease?.isHeld).toBe(false)
  expect(closed).toEqual([lease?.token])
})
