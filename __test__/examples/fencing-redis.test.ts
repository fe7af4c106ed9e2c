import {
  establishPrimaryServer,
  type Lease,
  type PrimaryLease,
  type PrimaryLeaseError,
  resignPrimaryServer,
} from 'primary-lease'
import {newPrefix, useRedis} from '../support/redis'

const redis = useRedis()
afterEach(() => resignPrimaryServer())

/** Takes the next invoice; `undefined` once a newer primary has been here. */
async function next(lease: PrimaryLease | Lease) {
  try {
    return await lease.command('invoices', ['LPOP', 'invoices:open'])
  } catch (error) {
    if ((error as PrimaryLeaseError).code !== 'ERR_STALE_TOKEN') throw error
    return undefined
  }
}

test('invoices are taken and closed until a newer primary has been there', async () => {
  const prefix = newPrefix()
  await redis.client.rpush('invoices:open', 'first', 'second')
  const lease = await establishPrimaryServer(redis.url, prefix, {ttl: 1000})
  if (!lease) throw new Error('nobody else stands')
  const invoice = String(await next(lease))
  // Rejects with ERR_STALE_TOKEN, and writes nothing, once a newer primary has been here.
  await lease.command('invoices', ['RPUSH', 'invoices:closed', invoice])
  expect(await redis.client.lrange('invoices:closed', '0', '-1')).toEqual(['first'])
  await redis.client.hset('fence:{invoices}', `primary:${prefix}`, String(lease.token + 1))
  expect(await next(lease)).toBeUndefined()
  expect(await redis.client.lrange('invoices:open', '0', '-1')).toEqual(['second'])
})
