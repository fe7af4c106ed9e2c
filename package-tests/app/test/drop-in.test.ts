import {establishPrimaryServer, LeaderRunner, withLease} from 'primary-lease'
import {RedisInstance} from '../src/RedisInstance'

const redis = new RedisInstance('jest')
afterAll(() => redis.quit())

test('an election on the real Redis', async () => {
  const lease = await establishPrimaryServer(redis, `jest-${process.pid}`, {
    eagerStart: true,
    ttl: 500,
  })
  expect(lease?.isHeld).toBe(true)
  await lease?.release()
  expect(lease?.isHeld).toBe(false)
})

test('a job and a skipped one', async () => {
  const runner = new LeaderRunner(redis, `jest-${process.pid}`, 20_000)
  const skip = jest.fn()
  await runner.runLocked('job', async () => {
    expect(await runner.runLocked('job', () => {}, skip)).toMatchObject({outcome: 'skipped'})
  })
  expect(skip).toHaveBeenCalledTimes(1)
  await runner.close()
})

test('a run under a lease, which passes its value on', async () => {
  expect(await withLease(redis, `jest-${process.pid}`, {}, ({token}) => token)).toBeGreaterThan(0)
})
