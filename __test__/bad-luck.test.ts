// What can go wrong with Redis without its being down. Each ends in one warning that says why, in
// the state that the clock demands, and in an election once it is over.

import {mkdir, rm} from 'node:fs/promises'
import {createServer} from 'node:net'
import {now, ripeWatch} from '../support/record.mjs'
import {sleep, until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'
import {type Manner, Relay} from './support/relay'
import {Server} from './support/servers'

const redis = useRedis(['--appendonly', 'no'])
/** Everything here lasts for several of them. */
const TTL = 1500
const config = (name: string, value: string) => redis.client.config('SET', name, value)

/** A primary that logs, and that has been renewed. */
async function primary(url = redis.url, options = {}) {
  const election = {...redis.election({ttl: TTL, ...options}), url}
  const server = new Server()
  await server.call('log')
  await server.call('listen', election.prefix)
  await server.call('establish', url, election.prefix, election.options)
  const {token} = await server.change('elected')
  await redis.renewals(election.prefix, 2)
  return {...election, server, token: Number(token)}
}

const warnings = (server: Server) => server.lines.filter(({log}) => log === 'warn')

/**
 * The loss was said once, behind why, and at most so much in all: never a line for each retry. One of the lines may
 * be of a busy machine, which was late by itself before.
 */
function expectSaid(server: Server, most: number) {
  const said = warnings(server).map(({message}) => String(message))
  const lost = said.flatMap((message, at) => (message.includes('lost') ? [at] : []))
  expect(lost).toHaveLength(1)
  expect(said[Number(lost[0]) - 1]).toContain('unavailable')
  expect(said.length).toBeLessThanOrEqual(most)
}

const troubles: [string, RegExp, () => Promise<unknown>, () => Promise<unknown>][] = [
  [
    'cannot save its data',
    /MISCONF/,
    async () => {
      // The directory that it would save to is gone.
      await rm(redis.server.dir, {recursive: true})
      await config('save', '3600 1')
      await redis.client.bgsave()
      await until('the save fails', async () => {
        return /rdb_last_bgsave_status:err/.test(await redis.client.info('persistence'))
      })
    },
    async () => {
      await config('stop-writes-on-bgsave-error', 'no')
      await mkdir(redis.server.dir, {recursive: true})
    },
  ],
  ['is out of memory', /OOM/, () => config('maxmemory', '1'), () => config('maxmemory', '0')],
  [
    'has become a replica',
    /replica|READONLY/,
    () => redis.client.call('REPLICAOF', '127.0.0.1', '1'),
    () => redis.client.call('REPLICAOF', 'NO', 'ONE'),
  ],
  [
    'has no room for another client',
    /max number of clients/,
    async () => {
      await config('maxclients', '1')
      for (const type of ['normal', 'pubsub']) {
        await redis.client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
      }
    },
    () => config('maxclients', '1000'),
  ],
  [
    'is busy with a script of another, until that is killed',
    /BUSY/,
    async () => {
      await config('lua-time-limit', '1')
      redis
        .connect()
        .eval('while true do end', 0)
        .catch(() => {})
    },
    () => redis.client.call('SCRIPT', 'KILL'),
  ],
]

describe.each(troubles)('a Redis that %s', (_, cause, begin, end) => {
  test('costs the primary its place in time, is said once, and is made good', async () => {
    const {server, token} = await primary()
    await begin()
    const began = now()
    await server.line('why', ({change, cause: why}) => {
      return change === 'unavailable' && cause.test(String(why))
    })
    const lost = await server.change('lost')
    expect(lost).toMatchObject({reason: 'store-lost', held: false})
    expect(lost.at - began).toBeLessThan(2 * TTL)
    await until('it has been tried for a while', () => now() > lost.at + TTL)
    await end()
    await server.change('available')
    const again = await server.change('elected', 2)
    expect(again.token).toBeGreaterThan(token)

    // A poll that writes nothing may have been answered in between.
    expectSaid(server, 4)
    expect(server.changes('unavailable').length).toBeLessThanOrEqual(3)
    expect(warnings(server).map(({fields}) => String(fields?.cause))).toContainEqual(
      expect.stringMatching(cause),
    )
  })
})

describe('a Redis that accepts connections and never answers', () => {
  test('is waited for, said once, and does not keep a caller for ever', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => {})).listen(
      0,
      '127.0.0.1',
    )
    const {port} = await until('a port', () => silent.address() as {port: number} | null)
    const prefix = newPrefix()
    const server = new Server()
    await server.call('log')
    await server.call('listen', prefix)
    const options = {ttl: TTL, establishTimeout: 4 * TTL}
    const url = `redis://127.0.0.1:${port}`
    expect(await server.call('establish', url, prefix, options)).toBeNull()
    await until('both are said', () => warnings(server).length >= 2)
    await sleep(TTL)
    expect(warnings(server).map(({message}) => message)).toEqual([
      expect.stringContaining('unavailable'),
      expect.stringContaining('establishTimeout'),
    ])
    expect(String(warnings(server)[0]?.fields?.cause)).toMatch(/127\.0\.0\.1/)
    expect(server.changes('unavailable')).toHaveLength(1)
    await server.kill()
    silent.close()
  })
})

describe('through a relay', () => {
  let relay: Relay

  beforeEach(async () => {
    relay = await Relay.before(redis.server.port)
  })
  afterEach(() => relay.close())

  const cuts: [string, Manner][] = [
    ['is cut in the middle, with its connection', {how: 'cut', after: 9, hangUp: true}],
    ['is cut in the middle, and nothing follows', {how: 'cut', after: 9, hangUp: false}],
  ]
  test.each(cuts)('an answer that %s costs a connection and no lease', async (_, manner) => {
    const {server, prefix, token} = await primary(relay.url, {ttl: 2 * TTL})
    const before = relay.connections
    relay.manner = manner
    await until('the answer is cut', () => relay.cuts > 0)
    relay.manner = {how: 'pass'}
    await until('another connection', () => relay.connections > before)
    await redis.renewals(prefix, 3)
    expect(await server.call('isHeld')).toBe(true)
    expect(server.changes('lost')).toEqual([])
    expect(server.changes('elected')).toHaveLength(1)
    expect((await redis.record(prefix))?.token).toBe(token)
  })

  test('a script that somebody kills costs the primary its place in time, and is made good', async () => {
    const {server, token} = await primary(relay.url)
    // Ours end within microseconds: only the words of the server can be had, from an endless one.
    await config('lua-time-limit', '1')
    const words = redis
      .connect()
      .eval('while true do end', 0)
      .then(String, (error) => error.message)
    await until('the script is killed', () =>
      redis.client.call('SCRIPT', 'KILL').then(
        () => true,
        () => false,
      ),
    )
    relay.manner = {how: 'refuse', words: await words}
    await server.line('why', ({change, cause}) => {
      return change === 'unavailable' && /Script killed by user/.test(String(cause))
    })
    expect(await server.change('lost')).toMatchObject({reason: 'store-lost', held: false})
    relay.manner = {how: 'pass'}
    await server.change('available')
    expect((await server.change('elected', 2)).token).toBeGreaterThan(token)
    expectSaid(server, 3)
  })

  test('answers after the deadline keep no server primary', async () => {
    const {server, prefix, token} = await primary(relay.url)
    // Each renewal takes effect in Redis, and its answer comes when it is too late to be believed.
    relay.manner = {how: 'delay', ms: 2 * TTL}
    const lost = await server.change('lost')
    expect(lost).toMatchObject({reason: 'store-lost', held: false})
    await sleep(3 * TTL)
    expect(await server.call('isHeld')).toBe(false)
    expect(server.changes('elected')).toHaveLength(1)
    relay.manner = {how: 'pass'}
    const again = await server.change('elected', 2)
    expect(again.token).toBeGreaterThan(token)
    expect((await redis.record(prefix))?.token).toBe(again.token)
    expectSaid(server, 3)
  })
})

test('a primary that is resumed after its successor died too is not primary, and is elected again later', async () => {
  const election = redis.election({ttl: TTL})
  const first = await Server.stand(election)
  await first.change('elected')
  const second = await Server.stand(election)
  await first.call('thaw', TTL)
  first.signal('SIGSTOP')
  const succeeded = await second.change('elected')
  await second.kill()
  const died = now()
  first.signal('SIGCONT')
  const thawed = await first.line('what it saw', ({seen}) => seen === 'thawed')
  expect(thawed.held).toBe(false)
  expect(await first.change('lost')).toMatchObject({reason: 'expired'})
  const again = await first.change('elected', 2)
  expect(again.token).toBeGreaterThan(Number(succeeded.token))
  // The dead successor's last renewal was at most a third of a ttl before its death.
  expect(again.at - died).toBeGreaterThan(ripeWatch(TTL) - TTL / 3 - 100)
})

test('of ten processes that start in the same millisecond exactly one is primary', async () => {
  const {url, prefix, options} = redis.election()
  const servers = Array.from({length: 10}, () => new Server())
  await Promise.all(servers.map((server) => server.call('listen', prefix)))
  const leases = await Promise.all(
    servers.map((server) => server.call('establish', url, prefix, options)),
  )
  expect(leases.filter((lease) => lease !== null)).toHaveLength(1)
  await redis.renewals(prefix, 3)
  expect(servers.flatMap((server) => server.changes('elected'))).toHaveLength(1)
  const held = await Promise.all(servers.map((server) => server.call('isHeld')))
  expect(held.filter(Boolean)).toHaveLength(1)
})
