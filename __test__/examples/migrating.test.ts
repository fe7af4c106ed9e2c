import {setTimeout as sleep} from 'node:timers/promises'
import Redis from 'ioredis'
import {
  establishPrimaryServer,
  LeaderRunner,
  type PrimaryLeaseError,
  resignPrimaryServer,
  whilePrimary,
  withLease,
} from 'primary-lease'
import {until} from '../../support/until'
import {lock} from '../support/lock'
import {useRedis} from '../support/redis'

/** As Parabol's own: a subclass of ioredis's. */
class RedisInstance extends Redis {}

const server = useRedis()
let redis: RedisInstance
const handlers = process.listeners('SIGTERM')

beforeAll(() => {
  redis = new RedisInstance(server.url, {lazyConnect: true})
})
afterAll(() => {
  redis.disconnect()
  for (const handler of process.listeners('SIGTERM')) {
    if (!handlers.includes(handler)) process.removeListener('SIGTERM', handler)
  }
})

/** Ends the process as SIGTERM does, but for its end. */
async function terminate() {
  const exit = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  process.emit('SIGTERM')
  await until('the process would end', () => exit.mock.calls.length > 0)
  exit.mockRestore()
}

test('the embedder, with the import changed', async () => {
  const createTables = jest.fn()
  const resetStalledJobs = jest.fn()
  const primaryLock = await establishPrimaryServer(redis, 'embedder')
  if (primaryLock) {
    await createTables()
    const resetting = setInterval(resetStalledJobs, 60_000)
    primaryLock.signal.addEventListener('abort', () => clearInterval(resetting))
  }
  process.on('SIGTERM', async () => {
    await primaryLock?.release().catch(() => {})
    process.exit()
  })

  expect(primaryLock?.isHeld).toBe(true)
  expect(createTables).toHaveBeenCalledTimes(1)
  await terminate()
  expect(primaryLock?.isHeld).toBe(false)
})

test('the embedder, taking over when the primary goes', async () => {
  const createTables = jest.fn()
  const resetStalledJobs = jest.fn()
  whilePrimary('embedder', async ({signal}) => {
    await createTables()
    while (!signal.aborted) {
      await resetStalledJobs()
      await sleep(60_000, undefined, {signal}).catch(() => {})
    }
  })
  await establishPrimaryServer(redis, 'embedder')

  await until('the jobs are reset', () => resetStalledJobs.mock.calls.length > 0)
  await resignPrimaryServer('embedder', {drain: 5_000})
  expect(createTables).toHaveBeenCalledTimes(1)
})

test('the scheduler, with the import changed', async () => {
  const run = jest.fn()
  const skip = jest.fn()
  const leaderRunner = new LeaderRunner(redis, 'chronos', 20_000)
  const onTick = () => leaderRunner.runLocked('batchEmails', run, skip)

  await onTick()
  await onTick()
  expect([run.mock.calls.length, skip.mock.calls.length]).toEqual([1, 1])
})

test('the sequential mutation tells its errors apart', async () => {
  async function checkSequential<T>(resource: string, resolve: () => Promise<T>) {
    try {
      return await withLease(redis, resource, {ttl: 10_000}, resolve)
    } catch (error) {
      const {code} = error as PrimaryLeaseError
      if (code === 'ERR_LEASE_HELD') return {error: {message: 'Already running'}}
      throw error
    }
  }

  const done = lock()
  const began = lock()
  const first = checkSequential('upgrade', async () => {
    began.open()
    await done.opened
    return 'upgraded'
  })
  await began.opened
  const second = await checkSequential('upgrade', async () => 'again')
  expect(second).toEqual({error: {message: 'Already running'}})
  done.open()
  expect(await first).toBe('upgraded')
  const failing = checkSequential('upgrade', () => Promise.reject(new Error('its own')))
  await expect(failing).rejects.toThrow('its own')
})
