// The least that a user of Redis needs, as docs/protocol.md lists it: everything works with it.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {establishPrimaryServer, LeaderRunner, onPrimaryChange, withLease} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'

const redis = useRedis()

test('a user with the permissions that the document lists can do everything', async () => {
  const document = readFileSync(join(__dirname, '../docs/protocol.md'), 'utf8')
  const listed = /^ACL SETUSER leases on >secret ([^\n`]+)$/m.exec(document)?.[1]
  expect(listed).toBeDefined()
  await redis.client.call('ACL', 'SETUSER', 'leases', 'on', '>secret', ...String(listed).split(' '))
  const url = redis.url.replace('redis://', 'redis://leases:secret@')
  const messages = redis.connect()
  const prefix = newPrefix()

  const changes: string[] = []
  const stop = onPrimaryChange(prefix, ({type}) => changes.push(type))
  const lease = await establishPrimaryServer(url, prefix, {ttl: TTL})
  expect(lease?.isHeld).toBe(true)
  await redis.renewals(prefix, 2)
  // It subscribed before it asked, which the log below would show as refused; a primary needs no messages.
  const [, listeners] = await messages.pubsub('NUMSUB', `primary:{${prefix}}:changes:0`)
  expect(Number(listeners)).toBe(0)
  await lease?.fence(`fence-${prefix}`)
  await lease?.release()
  await until('it is told', () => changes.includes('resigned'))
  stop()

  // Long enough for a busy machine to renew in time.
  const held = await withLease(url, prefix, {ttl: 3_000, wait: 1_000}, async ({remainingMs}) => {
    const left = () => redis.client.pttl(`lease:{${prefix}}`)
    await until('it has aged', async () => (await left()) < 2_500)
    await until('it is renewed', async () => (await left()) > 2_500)
    return remainingMs
  })
  expect(held).toBeGreaterThan(0)
  const outcome = await new LeaderRunner(url, prefix, TTL).runLocked('job', () => {}, null, {
    tick: new Date(),
  })
  expect(outcome).toMatchObject({outcome: 'ran'})
  expect(await redis.client.call('ACL', 'LOG', '10')).toEqual([])
})
