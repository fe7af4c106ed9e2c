// A look at an election by somebody who takes part in nothing.

import {execFile} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {promisify} from 'node:util'
import {Redis} from 'ioredis'
import {establishPrimaryServer, inspectPrimary, PrimaryLeaseError} from 'primary-lease'
import {keyOf} from '../support/record.mjs'
import {freePort, RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {writeRecord, writeRoster} from './support/recorded'
import {newPrefix, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const url = (more = '') => redis.url + more

const rejection = (look: Promise<unknown>): Promise<PrimaryLeaseError> =>
  look.then(
    () => {
      throw new Error('it resolved')
    },
    (error) => error,
  )

test('it tells who is primary and since when, and changes nothing', async () => {
  const prefix = newPrefix()
  const lease = await establishPrimaryServer(url(), prefix, {ttl: 2_000, serverId: 'web-1'})
  const before = await redis.client.hgetall(keyOf(prefix))
  const seen = await inspectPrimary(url(), prefix)
  expect(seen).toMatchObject({
    prefix,
    state: 'primary',
    primary: {serverId: 'web-1', token: lease?.token, ttl: 2_000, asked: false},
    standbys: [],
    standbyCount: 0,
  })
  const {primary, at} = seen
  expect(primary?.since.getTime()).toBe(Math.floor(Number(before.since) / 1_000))
  const window = Number(primary?.stepDownAt) - Number(primary?.renewedAt)
  expect(window).toBeCloseTo(2_000 * 0.98 - 20 - 2_000 / 5, -1)
  expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000)
  const {seq: _, at: __, nonce: ___, ...after} = await redis.client.hgetall(keyOf(prefix))
  expect(before).toMatchObject(after)
  await lease?.release()
  expect(await inspectPrimary(url(), prefix)).toMatchObject({state: 'vacant'})
})

test.each([
  ['a primary that has renewed in time', {}, 'primary'],
  ['one whose step-down deadline has passed', {at: 1_000_000}, 'silent'],
  ['a lease that was released', {released: 1}, 'vacant'],
  ['a record that nobody was granted', {identity: '', token: 0, since: ''}, 'vacant'],
  ['a token that is none', {token: 'many'}, 'unreadable'],
  ['a ttl that is none', {ttl: -1}, 'unreadable'],
  ['a time that is none', {at: '1e3'}, 'unreadable'],
  ['a token above 2^53 - 1', {token: '9007199254740992'}, 'unreadable'],
])('the state of %s', async (_, fields, state) => {
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix, fields)
  const seen = await inspectPrimary(url(), prefix)
  expect(seen.state).toBe(state)
  expect(seen.primary !== undefined).toBe(['primary', 'silent'].includes(state))
})

test('where there is no record there is nobody', async () => {
  expect(await inspectPrimary(url(), newPrefix())).toEqual({
    prefix: expect.any(String),
    at: expect.any(Date),
    state: 'none',
    standbys: [],
    standbyCount: 0,
    changes: [],
  })
})

test('a scope, a key prefix and a colon lead to the record of that election', async () => {
  const prefix = `${newPrefix()}:a%`
  await writeRecord(redis.client, 'unused')
  const name = prefix.replace('%', '%25').replace(':', '%3A')
  await redis.client.rename(keyOf('unused'), `app:primary:{${name}:v1}`)
  const seen = await inspectPrimary(url('?keyPrefix=app:'), prefix, {scope: 'v1'})
  expect(seen).toMatchObject({prefix, scope: 'v1', state: 'primary'})
  expect((await inspectPrimary(url(), prefix)).state).toBe('none')
})

test('an election shows who stands by, and how the primary changed', async () => {
  const election = await redis.vacant({serverId: 'web-1'})
  const look = () => inspectPrimary(election.url, election.prefix)
  const first = await Server.establish(election)
  const began = Date.now()
  const options = {...election.options, serverId: 'web-2'}
  await Server.stand({...election, options})
  const {standbys} = await until('it is seen', async () => {
    const seen = await look()
    return seen.standbys?.length ? seen : undefined
  })
  expect(standbys).toMatchObject([{serverId: 'web-2', priority: 0}])
  expect(Math.abs(Number(standbys?.[0]?.since) - began)).toBeLessThan(60_000)

  await first.kill()
  const {standbyCount, changes, primary} = await until('the other has taken over', async () => {
    const seen = await look()
    return seen.primary?.serverId === 'web-2' ? seen : undefined
  })
  expect(standbyCount).toBe(0)
  expect(changes[0]).toMatchObject({type: 'elected', reason: 'silent', token: primary?.token})
  expect(changes[1]).toMatchObject({type: 'elected', reason: 'free', serverId: 'web-1'})
})

test('the roster shows who stands by, and not who has gone', async () => {
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix)
  const hostile = 'evil\u001b[2J \u202eserver\n'
  await writeRoster(redis.client, prefix, [
    [0, '-', 'web-2', 900],
    [5, '1.4.0-rc.1', hostile, 100],
    [0, '-', 'gone', 10_500],
  ])
  await redis.client.zadd(`${keyOf(prefix)}:standbys`, Date.now(), 'nothing of ours')
  const {standbys, standbyCount} = await inspectPrimary(url(), prefix)
  expect(standbys).toEqual([
    {
      serverId: hostile,
      version: '1.4.0-rc.1',
      priority: 5,
      since: expect.any(Date),
      seenAt: expect.any(Date),
    },
    {serverId: 'web-2', priority: 0, since: expect.any(Date), seenAt: expect.any(Date)},
  ])
  expect(standbyCount).toBe(2)
})

test('a server that speaks RESP2 alone, on a Unix socket, is looked at as well', async () => {
  const socket = join(mkdtempSync(join(tmpdir(), 'primary-lease-look-')), 'redis')
  const older = await RedisServer.start(['--rename-command', 'HELLO', '', '--unixsocket', socket])
  const client = new Redis({path: socket})
  try {
    await writeRecord(client, 'a')
    await writeRoster(client, 'a', [
      [0, '-', 'web-2', 900],
      [1, '2.0.0', 'web-3', 100],
    ])
    expect(await inspectPrimary(`unix://${socket}`, 'a')).toMatchObject({
      state: 'primary',
      standbys: [
        {serverId: 'web-3', version: '2.0.0'},
        {serverId: 'web-2', seenAt: expect.any(Date)},
      ],
      standbyCount: 2,
    })
  } finally {
    client.disconnect()
    await older.close()
    rmSync(dirname(socket), {recursive: true})
  }
})

test('of ten thousand standbys a thousand are read, and all are counted', async () => {
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix)
  const all = Array.from({length: 10_000}, (_, at) => [0, '-', `web-${at}`, 100] as const)
  for (let at = 0; at < all.length; at += 1_000) {
    await writeRoster(
      redis.client,
      prefix,
      all.slice(at, at + 1_000).map((one) => [...one]),
    )
  }
  const {standbys, standbyCount} = await inspectPrimary(url(), prefix)
  expect(standbys).toHaveLength(1_000)
  expect(standbyCount).toBe(10_000)
})

test('the log tells the last changes, and what is no line of it is left out', async () => {
  const prefix = newPrefix()
  const log = [
    '1700000003000000 12 elected-silent web 2',
    'nonsense',
    '1700000002000000 11 left-store-lost web-1',
    '1700000001000000 11 restored web-1',
    ...Array(10).fill('1700000000000000 10 elected-missing web-1'),
  ]
  await writeRecord(redis.client, prefix, {log: log.join('\n')})
  const {changes} = await inspectPrimary(url(), prefix)
  expect(changes.splice(3)).toHaveLength(6)
  expect(changes).toEqual([
    {
      at: new Date(1_700_000_003_000),
      type: 'elected',
      reason: 'silent',
      serverId: 'web 2',
      token: 12,
    },
    {
      at: new Date(1_700_000_002_000),
      type: 'left',
      reason: 'store-lost',
      serverId: 'web-1',
      token: 11,
    },
    {at: new Date(1_700_000_001_000), type: 'restored', serverId: 'web-1', token: 11},
  ])
})

test('a request to resign shows for the term that it is meant for', async () => {
  const prefix = newPrefix()
  const {token} = await writeRecord(redis.client, prefix)
  await redis.client.hset(keyOf(prefix), {asked: Number(token) - 1})
  expect((await inspectPrimary(url(), prefix)).primary?.asked).toBe(false)
  await redis.client.hset(keyOf(prefix), {asked: token})
  expect((await inspectPrimary(url(), prefix)).primary?.asked).toBe(true)
})

test('a user who may only read is enough, and one who may not read the roster sees the rest', async () => {
  const document = readFileSync(join(__dirname, '../docs/production.md'), 'utf8')
  const listed = /^ACL SETUSER looker on >secret ([^\n`]+)$/m.exec(document)?.[1]
  expect(listed).toContain('~app:primary:* ')
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix)
  const acl = (...rules: string[]) => redis.client.call('ACL', 'SETUSER', 'looker', ...rules)
  await acl('on', '>secret', ...String(listed).replaceAll('~app:', '~').split(' '))
  const asLooker = redis.url.replace('redis://', 'redis://looker:secret@')
  expect(await inspectPrimary(asLooker, prefix)).toMatchObject({state: 'primary', standbyCount: 0})
  expect(await redis.client.call('ACL', 'LOG', '10')).toEqual([])
  await acl('resetkeys', `~${keyOf(prefix)}`)
  const seen = await inspectPrimary(asLooker, prefix)
  expect(seen).toMatchObject({state: 'primary', standbysRefused: expect.stringMatching(/NOPERM/)})
  expect(seen.standbys).toBeUndefined()
})

test.each([
  ['a key of another type', (key: string) => redis.client.set(key, 'x'), /is not a hash|WRONGTYPE/],
  ['a later release', (key: string) => redis.client.hset(key, {v: 2}), /newer release: v is 2/],
])('%s is denied, by name', async (_, write, words) => {
  const prefix = newPrefix()
  await write(keyOf(prefix))
  const error = await rejection(inspectPrimary(url(), prefix))
  expect(error).toBeInstanceOf(PrimaryLeaseError)
  expect(error.code).toBe('ERR_STORE_DENIED')
  expect(error.message).toMatch(words)
})

describe('where Redis does not answer', () => {
  test('a closed port is told at once, without the password', async () => {
    const error = await rejection(
      inspectPrimary(`redis://:geheim@127.0.0.1:${await freePort()}`, 'a'),
    )
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect(error.message).toMatch(
      /^redis does not answer: connection refused \(127\.0\.0\.1:\d+\)$/,
    )
  })

  test('a server that says nothing is given up within the timeout', async () => {
    const silent = createServer(() => {})
    const port = await freePort()
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve))
    const at = `redis://:geheim@127.0.0.1:${port}`
    for (const look of [
      () => inspectPrimary(at, 'a', {timeout: 100}),
      () => inspectPrimary(`${at}?connectTimeout=100`, 'a'),
    ]) {
      const error = await rejection(look())
      expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
      expect(error.message).toMatch(/no connection within 100 ms \(127\.0\.0\.1:\d+\)/)
    }
    silent.close()
  })

  test('one that is frozen is too', async () => {
    redis.server.freeze()
    const error = await rejection(inspectPrimary(url(), 'a', {timeout: 200}))
    redis.server.thaw()
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect(error.message).toMatch(/within 200 ms/)
  })

  test('a wrong password is denied and not repeated', async () => {
    const error = await rejection(inspectPrimary(redis.url.replace('//', '//nobody:geheim@'), 'a'))
    expect(error.code).toBe('ERR_STORE_DENIED')
    expect(error.message).toMatch(/WRONGPASS/)
    expect(error.message).not.toContain('geheim')
  })
})

test('what cannot be looked at is refused by name', async () => {
  for (const [look, words] of [
    [() => inspectPrimary('nowhere', 'a'), /redis/],
    [() => inspectPrimary(url(), ''), /^prefix must be 1 to 200/],
    [() => inspectPrimary(url(), 'a', {scope: '{'}), /^scope must be/],
    [() => inspectPrimary(url(), 'a', {timeout: 0}), /^timeout must be at least 1 ms, got 0/],
    [() => inspectPrimary(url(), 'a', {timeout: Number.NaN}), /^timeout must be/],
    [() => inspectPrimary(url(), 'a', {ttl: 1} as object), /options has no option "ttl"/],
  ] as const) {
    const error = await rejection(look())
    expect(error.code).toBe('ERR_INVALID_CONFIG')
    expect(error.message).toMatch(words)
  }
})

test('the elections of this process are seen in memory', async () => {
  const prefix = newPrefix()
  const source = `memory://${prefix}`
  expect((await inspectPrimary(source, prefix)).state).toBe('none')
  const lease = await establishPrimaryServer(source, prefix, {serverId: 'this'})
  const {state, primary} = await inspectPrimary(source, prefix)
  expect([state, primary?.serverId, primary?.token]).toEqual(['primary', 'this', lease?.token])
  expect(Math.abs(Date.now() - Number(primary?.since))).toBeLessThan(60_000)
  await lease?.release()
  expect((await inspectPrimary(source, prefix)).state).not.toBe('primary')
})

test('a look keeps the process until it is answered, and no longer', async () => {
  const program = `require('primary-lease').inspectPrimary(process.argv[1], 'a').then(({state}) => console.log(state))`
  const cwd = join(__dirname, '..')
  const {stdout} = await promisify(execFile)(process.execPath, ['-e', program, url()], {cwd})
  expect(stdout).toBe('none\n')
})
