// Several elections of one name on one Redis, and what strangers publish there: neither is anybody
// else's business.

import {keyOf, lastWrite, ripeWatch} from '../support/record.mjs'
import {sleep, until} from '../support/until'
import {useRedis} from './support/redis'
import {Relay} from './support/relay'
import {Server} from './support/servers'

const redis = useRedis()
/** Long enough for a busy machine to renew in time: a lease that is lost here tells of a fault. */
const TTL = 3000
const election = () => redis.election({ttl: TTL})

/** How many scripts the server has run. */
async function scripts() {
  const stats = await redis.client.info('commandstats')
  const calls = [...stats.matchAll(/cmdstat_evalsha?:calls=(\d+)/g)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Scripts a second, counted over some ttls. */
async function scriptsPerSecond(ttls = 1.5) {
  const [from, began] = [await scripts(), performance.now()]
  await sleep(ttls * TTL)
  return ((await scripts()) - from) / ((performance.now() - began) / 1000)
}

/** What a primary of this ttl and its standby need: renewals, polls, and a retry now and then. */
const AT_REST = 5

test('the same prefix in two databases is two elections that know nothing of each other', async () => {
  const contest = election()
  const inDb = (db: number) => ({...contest, url: `${redis.url}/${db}`})
  const [first, second] = [await Server.stand(inDb(0)), await Server.stand(inDb(1))]
  const [one, two] = [await first.change('elected'), await second.change('elected')]
  const standby = await Server.stand(inDb(1))
  const primary = await standby.change('primary-changed')
  expect(primary.primary?.token).toBe(two.token)
  expect(two.token).not.toBe(one.token)

  expect(await scriptsPerSecond()).toBeLessThan(2 * AT_REST)
  expect(first.changes('primary-changed')).toEqual([])

  await second.kill()
  const next = await standby.change('elected')
  expect(next.token).toBeGreaterThan(Number(two.token))
  expect(first.changes('lost')).toEqual([])
})

describe('forged messages', () => {
  /** Makes something else of a message that was heard. */
  type Forgery = (message: string[], nth: number) => string[]

  const later = (message: string[], nth: number) =>
    message.with(2, String(Number(message[2]) + nth))
  const forgeries: Forgery[] = [
    (message) => message.with(6, '9007199254740991'),
    (message) => message.with(6, '9007199254740993'),
    (message) => message.with(2, '18446744073709551615'),
    (message) => message.with(2, '9007199254740991'),
    (message, nth) => later(message, nth).with(1, 'released').with(9, '1'),
    (message, nth) => later(message, nth).with(1, 'granted').with(7, 'f'.repeat(32)),
    // Of another election, whose channel happens to be ours.
    (message, nth) => later(message, nth).with(3, 'f'.repeat(16)),
    (message) => message,
    () => ['2', 'all', 'is', 'new'],
  ]

  /** Publishes what it makes of each message it hears, until it is stopped. */
  async function flood(prefix: string) {
    const channel = `${keyOf(prefix)}:changes:0`
    const own = new Set<string>()
    let heard: string[] | undefined
    const subscriber = redis.connect()
    subscriber.on('message', (_, text: string) => {
      if (!own.has(text)) heard = text.split(' ')
    })
    await subscriber.subscribe(channel)
    const client = redis.connect()
    const state = {published: 0, over: false}
    const publish = async () => {
      while (!state.over) {
        const forge = forgeries[state.published % forgeries.length]
        if (heard && forge) {
          const text = forge(heard, ++state.published).join(' ')
          own.add(text)
          await client.publish(channel, text)
        }
        // Hundreds a second, and time for everybody else.
        await sleep(1)
      }
    }
    const ended = publish()
    return {
      published: () => state.published,
      stop: () => {
        state.over = true
        return ended
      },
    }
  }

  test('a flood of them costs no lease and no takeover, and few questions', async () => {
    const contest = election()
    const primary = await Server.stand(contest)
    const {token} = await primary.change('elected')
    const standby = await Server.stand(contest)
    const flooding = await flood(contest.prefix)
    expect(await scriptsPerSecond()).toBeLessThan(3 * AT_REST)
    await until('hundreds were published', () => flooding.published() > 500)
    expect(standby.changes('elected')).toEqual([])
    expect(primary.changes('lost')).toEqual([])
    await primary.kill()
    const elected = await standby.change('elected')
    await flooding.stop()
    expect(elected.token).toBeGreaterThan(Number(token))
    // Of no message: Redis's clock is what it is above.
    expect(elected.token).toBeLessThan((Date.now() + 3_600_000) * 1000)
  })

  test('the next version, announced before it is written, lets nobody take over too soon', async () => {
    const contest = election()
    const key = keyOf(contest.prefix)
    const relay = await Relay.before(redis.server.port)
    const primary = await Server.stand({...contest, url: relay.url})
    await primary.change('elected')
    const standby = await Server.stand(contest)
    await redis.renewals(contest.prefix, 2)

    const {seq, epoch, run, nonce, token, identity, ttl} = await redis.client.hgetall(key)
    const next = ['1', 'renewed', Number(seq) + 1, epoch, run, nonce, token, identity, ttl]
    await redis.client.publish(`${key}:changes:0`, [...next, '0', '0', '-', 'server'].join(' '))
    await redis.renewals(contest.prefix, 1)
    relay.manner = {how: 'swallow'}
    const renewed = Number(await lastWrite(redis.client, key))

    const elected = await standby.change('elected')
    const lost = await primary.change('lost')
    relay.close()
    expect(elected.at).toBeGreaterThan(lost.at)
    // 5 ms for the reading of two clocks.
    expect(elected.at - renewed).toBeGreaterThan(ripeWatch(TTL) - 5)
  })
})

test('the primary of a record with an unreadable field keeps its lease', async () => {
  const contest = election()
  const primary = await Server.stand(contest)
  const {token} = await primary.change('elected')
  const key = keyOf(contest.prefix)
  const {identity} = await redis.client.hgetall(key)
  const spoilt = ['token', 'identity', 'seq', 'epoch', 'run', 'nonce', 'released', 'ttl']
  const values = spoilt.map((field) => [field, 'spoilt'] as const)
  for (const [field, value] of [...values, ['token', '9007199254740992'] as const]) {
    await redis.client.hset(key, field, value)
    // It is made again in no one's name first.
    await until(`${field} is written again`, async () => {
      const record = await redis.client.hgetall(key)
      const isAgain = record.identity === identity && record.token === String(token)
      return isAgain && record[field] !== value
    })
  }
  expect(primary.changes('lost')).toEqual([])
  expect(primary.changes('elected')).toHaveLength(1)
})

test('an unreadable token is told with its key to each server that asks for the lease', async () => {
  const contest = election()
  await redis.client.hset(keyOf(contest.prefix), 'token', '9007199254740992')
  const refused = Server.establish(contest)
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_STORE_DENIED',
    message: expect.stringContaining(`${keyOf(contest.prefix)} has a token above`),
  })
  await expect(refused).rejects.toThrow('9007199254740992')
})
