import {withLease} from 'primary-lease'
import {useRedis} from '../support/redis'

const redis = useRedis()

test('a report is made under a lease', async () => {
  const redisUrl = redis.url
  const collect = async (signal: AbortSignal) => (signal.aborted ? [] : ['a row'])
  const store = (rows: string[], token: number) => ({rows, token})
  const report = await withLease(redisUrl, 'report', {ttl: 10_000, wait: 5_000}, async (lease) => {
    const rows = await collect(lease.signal)
    lease.assertHeld()
    return store(rows, lease.token)
  })

  expect(report).toEqual({rows: ['a row'], token: expect.any(Number)})
})
