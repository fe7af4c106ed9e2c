// The four faults of the lock that this package replaces: taken once at start, never renewed, never
// watched, and silent when Redis is away.

import {keyOf, lastWrite, now, ripeWatch} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()

test('a server that starts later than the ttl does not become a second primary', async () => {
  const election = redis.election()
  const first = await Server.establish(election)
  expect(first.lease).not.toBeNull()
  await redis.renewals(election.prefix, 5)
  const second = await Server.establish(election)
  expect(second.lease).toBeNull()
  expect(await first.call('isHeld')).toBe(true)
  expect((await redis.record(election.prefix))?.token).toBe(first.lease?.token)
})

test('when the primary dies another server takes over, no earlier than a ripe watch', async () => {
  const election = redis.election()
  const first = await Server.stand(election)
  const second = await Server.stand(election)
  const {token} = await first.change('elected')
  await first.kill()
  const renewed = await lastWrite(redis.client, keyOf(election.prefix))
  const elected = await second.change('elected')
  expect(elected.token).toBeGreaterThan(Number(token))
  const waited = elected.at - Number(renewed)
  // 5 ms for the reading of two clocks.
  expect(waited).toBeGreaterThan(ripeWatch(TTL) - 5)
  expect(waited).toBeLessThan(3 * TTL)
})

test('two versions of an app have one primary between them', async () => {
  const election = redis.election()
  const server = (serverId: string) =>
    Server.establish({...election, options: {...election.options, serverId}})
  const old = await server('web-1 13.36.0')
  const young = await server('web-2 13.37.0')
  expect([old.lease !== null, young.lease !== null]).toEqual([true, false])
})

test('with a scope each version of an app has a primary of its own', async () => {
  const {url, prefix, options} = redis.election()
  const [old, young] = await Promise.all(
    ['13.36.0', '13.37.0'].map((scope) =>
      Server.establish({url, prefix, options: {...options, scope}}),
    ),
  )
  expect(old?.lease).not.toBeNull()
  expect(young?.lease).not.toBeNull()
})

describe('with Redis down', () => {
  let down: RedisServer

  beforeEach(async () => {
    down = await RedisServer.reserve()
  })
  afterEach(() => down.close())

  test('the answer is undefined in time, said in an event and the log, and made good later', async () => {
    const prefix = newPrefix()
    const server = new Server()
    await server.call('log')
    await server.call('listen', prefix)
    const asked = now()
    const options = {ttl: TTL, establishTimeout: 500}
    expect(await server.call('establish', down.url, prefix, options)).toBeNull()
    expect(now() - asked).toBeGreaterThan(490)
    await server.change('unavailable')
    await server.line('a warning about Redis', ({log}) => log === 'warn' || log === 'error')
    await down.start()
    await server.change('available')
    const elected = await server.change('elected')
    expect(elected.held).toBe(true)
  })
})

describe('a caller that only looked at the answer', () => {
  const waysOut = [
    {wayOut: 'onPrimaryChange', command: 'listen'},
    {wayOut: 'whilePrimary', command: 'guard'},
  ]

  test.each(waysOut)('takes over by $wayOut alone, as the log has said', async (given) => {
    const election = redis.election()
    const primary = await Server.establish(election)
    const caller = new Server()
    await caller.call('log')
    expect(
      await caller.call('establish', election.url, election.prefix, election.options),
    ).toBeNull()
    const {message} = await caller.line('a warning', ({log}) => log === 'warn')
    expect(message).toContain('when the primary goes, no server takes over')
    for (const {wayOut} of waysOut) expect(message).toContain(wayOut)
    await primary.kill()
    const renewed = Number(await lastWrite(redis.client, keyOf(election.prefix)))
    await until('a ripe watch is long past', () => now() > renewed + 2 * ripeWatch(TTL))
    expect(await caller.call('isHeld')).toBe(false)
    expect((await redis.record(election.prefix))?.token).toBe(primary.lease?.token)

    await caller.call(given.command, election.prefix)
    const elected = await caller.line(
      'it is primary',
      ({change, work}) => change === 'elected' || work === 'begun',
    )
    expect(elected.token).toBeGreaterThan(Number(primary.lease?.token))
    expect(caller.lines.filter(({log}) => log === 'warn')).toHaveLength(1)
  })
})

test('with Redis down, the log says what undefined means then', async () => {
  const down = await RedisServer.reserve()
  const caller = new Server()
  await caller.call('log')
  const options = {ttl: TTL, establishTimeout: 500}
  expect(await caller.call('establish', down.url, newPrefix(), options)).toBeNull()
  await caller.line('what it means', ({message}) =>
    /answers undefined, and whether a server is primary is not known/.test(message ?? ''),
  )
  await down.close()
})
