// Work under a primary that throws: the lease is released, since the work is not done, and the server stands again.

import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryChange,
  type PrimaryLease,
  primaryStatus,
  resignPrimaryServer,
  whilePrimary,
} from 'primary-lease'
import {until} from '../support/until'
import {CALM, guard, useLog} from './support/guarded'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const log = useLog()
const options = {...CALM, ttl: TTL, renewInterval: 100}

afterEach(() => resignPrimaryServer())

/** This process as primary, and what it hears. */
async function primary(prefix: string) {
  const heard: PrimaryChange[] = []
  onPrimaryChange(prefix, (change) => heard.push(change))
  const lease = await establishPrimaryServer(redis.url, prefix, options)
  return {lease: lease as PrimaryLease, heard, types: () => heard.map(({type}) => type)}
}

test('ends the term, and another server takes over', async () => {
  const election = redis.election(options)
  const {prefix} = election
  const work = guard(prefix)
  const {lease, heard, types} = await primary(prefix)
  const standby = await Server.stand(election)
  const {fail} = await work.run()
  fail(new Error('the work cannot be done'))
  await until('lost', () => types().includes('lost'))
  expect(heard.find(({type}) => type === 'lost')).toMatchObject({
    token: lease.token,
    reason: 'failed',
  })
  expect(lease.isHeld).toBe(false)
  const {token} = await standby.change('elected')
  expect(token).toBeGreaterThan(lease.token)
  expect(await log.line(prefix, /work under a primary failed/)).toMatchObject({
    fields: {error: expect.objectContaining({message: 'the work cannot be done'})},
  })
  expect(primaryStatus(prefix)).toMatchObject({role: 'standby'})
})

test('is done again here after a pause, where no other server took over', async () => {
  const prefix = newPrefix()
  const began: number[] = []
  whilePrimary(prefix, () => {
    began.push(performance.now())
    if (began.length < 3) throw new Error('not yet')
  })
  const {types} = await primary(prefix)
  await until('the third run', () => began.length === 3)
  const [first = 0, second = 0, third = 0] = began
  expect(second - first).toBeGreaterThan(TTL - 5)
  expect(third - second).toBeGreaterThan(2 * TTL - 5)
  expect(types().filter((type) => type === 'elected' || type === 'lost')).toEqual([
    'elected',
    'lost',
    'elected',
    'lost',
    'elected',
  ])
})

test('gives other work under the lease time to stop', async () => {
  const election = redis.election(options)
  const {prefix} = election
  const work = guard(prefix)
  const beside = guard(prefix)
  const {lease} = await primary(prefix)
  const standby = await Server.stand(election)
  const other = await beside.run()
  const failing = await work.run()
  let aborted = 0
  lease.signal.addEventListener('abort', () => {
    aborted = performance.timeOrigin + performance.now()
    other.settle()
  })
  failing.fail(new Error('the work cannot be done'))
  await standby.change('elected')
  expect(aborted).toBeGreaterThan(0)
})

test('keeps the place where that was asked for', async () => {
  const prefix = newPrefix()
  whilePrimary(
    prefix,
    () => {
      throw new Error('not at all')
    },
    {keepOnFailure: true},
  )
  const {lease, types} = await primary(prefix)
  await log.line(prefix, /work under a primary failed/)
  await redis.renewals(prefix, 3)
  expect(lease.isHeld).toBe(true)
  expect(types()).toEqual(['elected'])
})

test('that stops at its signal has not failed', async () => {
  const prefix = newPrefix()
  whilePrimary(prefix, ({signal}) => {
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  })
  const {types} = await primary(prefix)
  await resignPrimaryServer(prefix, {drain: 10_000})
  await until('resigned', () => types().includes('resigned'))
  expect(types()).toEqual(['elected', 'resigned'])
})
