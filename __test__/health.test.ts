// `healthy` of primaryStatus: for probes.

import {
  establishPrimaryServer,
  onPrimaryChange,
  primaryStatus,
  resignPrimaryServer,
  setLogger,
} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()

beforeAll(() => setLogger(null))
afterEach(() => resignPrimaryServer())

test('a primary, a standby and one that only looked are healthy', async () => {
  const election = redis.election()
  const primary = await Server.stand(election)
  await primary.change('elected')
  expect(await primary.call('status', election.prefix)).toMatchObject({healthy: true})
  await establishPrimaryServer(election.url, election.prefix, election.options)
  // It stands no more.
  expect(primaryStatus(election.prefix)).toMatchObject({role: 'standby', healthy: true})
  const stop = onPrimaryChange(election.prefix, () => {})
  expect(primaryStatus(election.prefix)).toMatchObject({role: 'standby', healthy: true})
  stop()
  await resignPrimaryServer(election.prefix)
  expect(primaryStatus(election.prefix)).toBe(undefined)
})

test('one is unhealthy when Redis has not answered for a ttl since that was noticed, and not before', async () => {
  const election = redis.election({ttl: 2 * TTL})
  const stop = onPrimaryChange(election.prefix, () => {})
  await establishPrimaryServer(election.url, election.prefix, election.options)
  const status = () => primaryStatus(election.prefix)
  redis.server.freeze()
  await until('it is unavailable', () => status()?.available === false)
  const since = performance.now()
  expect(status()).toMatchObject({available: false, healthy: true})
  await until('it is unhealthy', () => status()?.healthy === false)
  expect(performance.now() - since).toBeGreaterThan(2 * TTL - 100)
  // By then it has stepped down.
  expect(status()).toMatchObject({role: 'standby', available: false, cause: expect.any(String)})
  redis.server.thaw()
  await until('it is healthy', () => status()?.healthy)
  expect(status()).toMatchObject({available: true})
  stop()
})

test('one that waits for its first answer is healthy, until that has taken too long', async () => {
  const prefix = newPrefix()
  const nobody = {host: '127.0.0.1', port: 1}
  const answer = establishPrimaryServer(nobody, prefix, {ttl: 500, establishTimeout: 30_000})
  expect(primaryStatus(prefix)).toMatchObject({
    role: 'establishing',
    available: true,
    healthy: true,
  })
  await until('it is unhealthy', () => primaryStatus(prefix)?.healthy === false)
  expect(primaryStatus(prefix)).toMatchObject({role: 'establishing', available: false})
  await resignPrimaryServer(prefix)
  await answer
})
