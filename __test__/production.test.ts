// What docs/production.md tells to set, and what it says of each setting.

import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import Redis from 'ioredis'
import {establishPrimaryServer, LeaderRunner, onPrimaryChange, withLease} from 'primary-lease'
import {ripeWatch} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const root = join(__dirname, '..')
const page = readFileSync(join(root, 'docs/production.md'), 'utf8')
const redis = useRedis()

/** The cells of the rows of the table that begins so. */
const table = (header: string) =>
  (page.slice(page.indexOf(`| ${header} |`)).split('\n\n')[0] ?? '')
    .split('\n')
    .slice(2)
    .map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))

test('the table of ttls says what follows from the rules', async () => {
  const ms = (cell = '') => Number.parseFloat(cell) * (cell.includes('ms') ? 1 : 1000)
  const rows = table('`ttl`')
  expect(rows.length).toBeGreaterThan(3)
  for (const [ttlCell, crash, survives, stops, hung, scripts] of rows) {
    const ttl = ms(ttlCell)
    const near = (cell: string | undefined, value: number) =>
      expect([ttlCell, Math.abs(ms(cell) / value - 1) < 0.1]).toEqual([ttlCell, true])
    near(crash, ripeWatch(ttl))
    near(survives, 0.4 * ttl)
    const term = 0.78 * ttl - 20
    near(stops, term)
    const lease = await establishPrimaryServer('memory://ttls', `ttl-${ttl}`, {ttl})
    const left = lease?.remainingMs ?? 0
    expect(left).toBeLessThanOrEqual(term)
    // A shorter one may have run down on a busy machine.
    if (ttl > 10_000) expect(left).toBeGreaterThan(0.8 * term)
    near(hung, Math.max(60_000, 12 * ttl))
    const perSecond = (ttl: number) => [3_000 / ttl, 2_000 / ttl]
    for (const [index, value] of (scripts ?? '').split(', ').entries()) {
      near(`${value} s`, 1_000 * (perSecond(ttl)[index] ?? 0))
    }
    await lease?.release()
  }
})

test('the pod is given longer than its drain', () => {
  const drain = Number(/`drain: (\d+)_000` at most/.exec(page)?.[1])
  const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(page)?.[1])
  expect(grace).toBeGreaterThan(drain + 1)
})

describe('a user with the permissions of the page', () => {
  const client = async (user: string) => {
    const rules = new RegExp(`^ACL SETUSER ${user} (.+)$`, 'm').exec(page)?.[1]
    await redis.client.call('ACL', 'LOG', 'RESET')
    await redis.client.call('ACL', 'SETUSER', user, ...String(rules).split(' '))
    return redis.connect({username: user, password: 'secret', keyPrefix: 'app:'})
  }
  const refused = () => redis.client.call('ACL', 'LOG', '10')

  test('for elections holds one, and takes over', async () => {
    const source = await client('elections')
    const prefix = newPrefix()
    const changes: string[] = []
    const stop = onPrimaryChange(prefix, ({type}) => changes.push(type))
    const lease = await establishPrimaryServer(source, prefix, {ttl: 2 * TTL})
    const record = () => redis.client.hget(`app:primary:{${prefix}}`, 'seq')
    const first = Number(await record())
    await until('it is renewed', async () => Number(await record()) > first + 1)
    // It subscribed before it asked, which the log would show as refused; a primary needs no messages.
    const [, listeners] = await redis.client.pubsub('NUMSUB', `app:primary:{${prefix}}:changes:0`)
    expect(Number(listeners)).toBe(0)
    await lease?.release()
    await until('it is told', () => changes.includes('resigned'))
    stop()
    expect(await refused()).toEqual([])
  })

  test('for runs runs jobs, and waits for a lease', async () => {
    const source = await client('runs')
    const resource = newPrefix()
    const done = lock()
    const began = lock()
    const first = withLease(source, resource, {ttl: 3_000}, async () => {
      began.open()
      await done.opened
    })
    await began.opened
    const left = () => redis.client.pttl(`app:lease:{${resource}}`)
    await until('it has aged', async () => (await left()) < 2_500)
    await until('it is renewed', async () => (await left()) > 2_500)
    const second = withLease(source, resource, {wait: 20_000}, () => 'waited')
    const channel = `app:lease:{${resource}}:released:0`
    await until('it waits', async () => {
      const [, listeners] = (await redis.client.pubsub('NUMSUB', channel)) as unknown[]
      return Number(listeners) > 0
    })
    done.open()
    await first
    expect(await second).toBe('waited')
    const runner = new LeaderRunner(source, resource, 3_000)
    for (const options of [{tick: new Date()}, {tickEvery: 60_000}, {minHold: 1_000}]) {
      const name = Object.keys(options)[0] ?? ''
      expect(await runner.runLocked(name, () => {}, null, options)).toMatchObject({outcome: 'ran'})
    }
    // One that leaves before it has begun gives its tick back.
    const leaving = new LeaderRunner(source, resource, 3_000)
    const asked = leaving.runLocked('left', () => {}, null, {tick: new Date()})
    await leaving.close()
    expect(await asked).toEqual({outcome: 'skipped', reason: 'closed'})
    const ticks = () => redis.client.keys(`app:lease:{${resource}:left}:*`)
    await until('its tick is free again', async () => (await ticks()).length === 0)
    expect(await refused()).toEqual([])
  })
})

test('environments that share a Redis have a primary each, at the same time', async () => {
  const prefix = newPrefix()
  const {port} = redis.server
  const environments = [
    {source: {port}},
    {source: {port, keyPrefix: 'staging:'}},
    {source: {port, keyPrefix: 'production:'}},
    {source: {port, db: 1}},
    {source: {port}, scope: 'staging'},
  ]
  const servers = await Promise.all(
    environments.map(async ({source, scope}) => {
      const server = new Server()
      await server.call('listen', prefix)
      await server.call('establish', source, prefix, {ttl: 3 * TTL, scope})
      return server
    }),
  )
  for (const server of servers) await server.change('elected')
  expect(await Promise.all(servers.map((server) => server.call('isHeld')))).toEqual(
    environments.map(() => true),
  )
})

describe('a Redis whose memory is full', () => {
  /** Fills it until it evicts the lease, or refuses. */
  async function fill(server: RedisServer, lease: string) {
    const client = new Redis(server.url)
    const used = /used_memory:(\d+)/.exec(await client.info('memory'))?.[1]
    await client.config('SET', 'maxmemory', Number(used) + 2_000_000)
    let refusal: Error | undefined
    for (let key = 0; !refusal && (await client.exists(lease)); key++) {
      await client.set(`cache:${key}`, 'x'.repeat(10_000), 'EX', 3_600).catch((error) => {
        refusal = error
      })
    }
    client.disconnect()
    return refusal ? 'writes are refused' : 'the lease is evicted'
  }

  test.each([
    {policy: 'volatile-ttl', becomes: 'the lease is evicted', runs: 2},
    {policy: 'noeviction', becomes: 'writes are refused', runs: 1},
  ])('with $policy: $becomes, and $runs at once', async ({policy, becomes, runs}) => {
    const server = await RedisServer.start(['--maxmemory-policy', policy])
    const done = lock()
    const tokens: number[] = []
    const run = () =>
      withLease(server.url, 'report', {ttl: 60_000}, async (lease) => {
        tokens.push(lease.token)
        await done.opened
        return lease.isHeld
      })
    try {
      const first = run()
      await until('it runs', () => tokens.length === 1)
      expect(await fill(server, 'lease:{report}')).toBe(becomes)
      const second = run().catch(({code}) => code)
      if (runs === 1) expect(await second).toMatch(/^ERR_(LEASE_HELD|STORE_UNAVAILABLE)$/)
      else await until('it runs a second time', () => tokens.length === 2)
      done.open()
      expect(await first).toBe(true)
      await second
      expect(tokens).toHaveLength(runs)
      expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
    } finally {
      done.open()
      await server.close()
    }
  })
})

test('every warning and error that the sources write is in the table of log lines', () => {
  const sources = readdirSync(join(root, 'src'), {recursive: true, encoding: 'utf8'})
    .filter((file) => /\.(rs|js)$/.test(file))
    .map((file) => readFileSync(join(root, 'src', file), 'utf8'))
  const lines = sources.flatMap((source) => [
    // The last text of the call is the message; a line break in it is a space.
    ...[...source.matchAll(/tracing::(?:warn|error)!\(([^;]*?)"\s*,?\s*\)/g)].map(
      ([, call]) =>
        call
          ?.split('"')
          .at(-1)
          ?.replace(/\\\n\s*/g, '') ?? '',
    ),
    ...[...source.matchAll(/log\('(?:warn|error)', '([^']+)'/g)].map(([, line]) => line ?? ''),
  ])
  expect(lines.length).toBeGreaterThan(20)
  const listed = table('Level').flatMap(([, cell]) =>
    [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, line]) => line ?? ''),
  )
  const isListed = (line: string) =>
    listed.some((words) => words.split(' ... ').every((part) => line.includes(part)))
  expect(lines.filter((line) => !isListed(line))).toEqual([])
})
