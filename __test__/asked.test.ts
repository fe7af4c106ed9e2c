// What becomes of a primary that somebody asks to resign, and of one whose renewals come late.

import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryLease,
  resignPrimaryServer,
} from '../index.js'
import {until} from '../support/until'
import {guard} from './support/guarded'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const {addon} = require('../src/js/binary.js')
const {readSource} = require('../src/js/source.js')
const redis = useRedis()

afterEach(() => resignPrimaryServer())

const ask = (prefix: string, token?: number) =>
  addon.requestResign(readSource(redis.url), prefix, undefined, token)

/** No watch ripens while a test runs. */
const LONG = {ttl: 10 * TTL, renewInterval: 300, eagerStart: true}

test('its work stops first, another takes over, and it goes on as a standby', async () => {
  const election = await redis.vacant(LONG)
  const {url, prefix, options} = election
  const work = guard(prefix)
  const changes: string[] = []
  onPrimaryChange(prefix, (change) => {
    changes.push('reason' in change ? `${change.type} ${change.reason}` : change.type)
  })
  const lease = (await establishPrimaryServer(url, prefix, options)) as PrimaryLease
  const {settle} = await work.run()
  const standby = await Server.stand(election)
  const before = await redis.client.hget(`primary:{${prefix}}`, 'seq')
  expect(await ask(prefix, lease.token)).toMatchObject({asked: true, token: lease.token})
  expect(Number(before)).toBeGreaterThan(0)
  await until('its signal is aborted', () => lease.signal.aborted)
  // It renews on until the work has stopped.
  await redis.renewals(prefix, 3)
  expect(lease.isHeld).toBe(true)
  expect(standby.changes('elected')).toEqual([])
  settle()
  await standby.change('elected')
  expect(lease.isHeld).toBe(false)
  await until('it is told', () => changes.includes('primary-changed'))
  expect(changes).toEqual(['elected', 'lost asked', 'primary-changed'])
})

test('a request for a term that is over, or for nobody, is told so and moves nobody', async () => {
  const {url, prefix, options} = await redis.vacant(LONG)
  expect(await ask(newPrefix())).toEqual({asked: false})
  const lease = (await establishPrimaryServer(url, prefix, options)) as PrimaryLease
  expect(await ask(prefix, lease.token - 1)).toMatchObject({asked: false, token: lease.token})
  await redis.renewals(prefix, 3)
  expect(lease.isHeld).toBe(true)
})

test('one that is alone stands again after a ttl', async () => {
  const {url, prefix, options} = await redis.vacant({ttl: TTL, renewInterval: 300})
  const changes: string[] = []
  onPrimaryChange(prefix, ({type}) => changes.push(type))
  await establishPrimaryServer(url, prefix, options)
  expect(await ask(prefix)).toMatchObject({asked: true})
  await until('it is elected again', () => changes.filter((type) => type === 'elected').length > 1)
  expect(changes.slice(0, 3)).toEqual(['elected', 'lost', 'elected'])
})

test('a late renewal is told before the lease is lost, and that it came after all', async () => {
  const {url, prefix, options} = await redis.vacant(LONG)
  const changes: string[] = []
  onPrimaryChange(prefix, ({type}) => changes.push(type))
  const lease = (await establishPrimaryServer(url, prefix, {...options})) as PrimaryLease
  redis.server.freeze()
  await until('it is late', () => changes.includes('renewal-late'))
  expect(lease.isHeld).toBe(true)
  expect(changes).not.toContain('lost')
  const late: string[] = []
  const stop = onPrimaryChange(prefix, ({type}) => late.push(type))
  await until('a late listener is told', () => late.includes('renewal-late'))
  stop()
  redis.server.thaw()
  await until('it came after all', () => changes.includes('renewed'))
  expect(lease.isHeld).toBe(true)
  expect(changes.filter((type) => type.startsWith('renew'))).toEqual(['renewal-late', 'renewed'])
})
