import Redis from 'ioredis'
import {establishPrimaryServer, resignPrimaryServer, setLogger} from '../index.js'
import {keyOf, now} from '../support/record.mjs'
import type {RedisServer} from '../support/redis.mjs'
import {SentinelGroup} from '../support/sentinel.mjs'
import {until} from '../support/until'
import {newPrefix} from './support/redis'
import {type Line, Server} from './support/servers'

const TTL = 2000
/** What is printed at the end. */
const measured: string[] = []
let group: SentinelGroup
let election: {url: string; prefix: string; options: {ttl: number}}

beforeAll(() => setLogger(null))

afterEach(async () => {
  await Server.killAll()
  await group?.close()
})

afterAll(async () => {
  await resignPrimaryServer()
  process.stdout.write(`${measured.join('\n')}\n`)
})

/** A master, its replicas and sentinels of this test's own, and a primary with a standby. */
async function begin(options?: {password?: string}) {
  group = await SentinelGroup.start(options)
  election = {url: group.url, prefix: newPrefix(), options: {ttl: TTL}}
}

async function primaryAndStandby() {
  const primary = await Server.stand(election)
  await primary.change('elected')
  return [primary, await Server.stand(election)] as const
}

/** The next election after a moment, wherever it is. */
const electedAfter = (servers: readonly Server[], at: number) =>
  until('the next primary', () => {
    const elected = servers.flatMap((server) => server.changes('elected'))
    return elected.find((line) => line.at > at)
  })

/** Two that were never held at once, and the later with the higher token. */
function expectSucceeded(before: Line, after: Line) {
  expect(after.token).toBeGreaterThan(Number(before.token))
}

const record = async (server: RedisServer) => {
  const {token, seq} = await group.client(server).hgetall(keyOf(election.prefix))
  return {token: Number(token), seq: Number(seq)}
}

/** Waits until a primary has renewed on this server. */
async function expectRenewed(server: RedisServer, token?: number) {
  const {seq} = await record(server)
  await until('renewals', async () => (await record(server)).seq > seq + 1)
  if (token !== undefined) expect((await record(server)).token).toBe(token)
}

const note = (what: string, ms: number, rest = '') =>
  measured.push(
    `Sentinel, ttl ${TTL} ms, down-after ${group.downAfter} ms: ${what} ${Math.round(ms)} ms${rest}`,
  )

test('after the master is killed the elections go on at the next, and so do commands', async () => {
  await begin()
  const [primary, standby] = await primaryAndStandby()
  const [before] = primary.changes('elected') as [Line]
  await primary.call('fence', 'resource')
  const master = await group.master()
  const at = now()
  await master.stop()
  const elected = await electedAfter([primary, standby], at)
  note('from a killed master to the next primary', elected.at - at)
  expectSucceeded(before, elected)
  const next = await group.master()
  expect(next).not.toBe(master)
  await expectRenewed(next, elected.token)
  const holder = [primary, standby].find((server) => server.lines.includes(elected)) as Server
  await holder.call('fence', 'resource')
  expect(await group.client(next).exists('fence:{resource}')).toBe(1)
})

test('a frozen master is replaced, and nobody follows it when it thaws', async () => {
  await begin()
  const [primary, standby] = await primaryAndStandby()
  const [before] = primary.changes('elected') as [Line]
  const master = await group.master()
  const at = now()
  master.freeze()
  const elected = await electedAfter([primary, standby], at)
  note('from a frozen master to the next primary', elected.at - at)
  expectSucceeded(before, elected)
  const next = await group.master()
  const old = await record(next)
  master.thaw()
  // It goes on as a master until a sentinel has told it otherwise, for ten seconds or so.
  const role = async () => ((await group.client(master).role()) as string[])[0]
  const thawed = await role()
  await expectRenewed(next, elected.token)
  const clients = String(await group.client(master).client('LIST'))
  expect(clients).not.toContain('name=primary-lease')
  measured.push(
    `  as it thaws the old master says it is a ${thawed}, and nobody of ours is connected`,
  )
  expect((await record(next)).token).toBe(old.token)
})

test('a manual failover is followed', async () => {
  await begin()
  const [primary, standby] = await primaryAndStandby()
  const master = await group.master()
  const [sentinel] = group.sentinels as [RedisServer]
  const at = now()
  await group.client(sentinel).call('SENTINEL', 'FAILOVER', group.name)
  const next = await until('another master', async () => {
    const named = await group.master()
    return named === master ? undefined : named
  })
  const written = await until('a primary there', async () => {
    const {seq} = await record(next)
    return seq > 0 && [primary, standby].some((server) => server.changes('elected').length > 0)
      ? now()
      : undefined
  })
  await expectRenewed(next)
  const kept = primary.changes('lost').length === 0
  note('from a manual failover to a primary', written - at, kept ? ', which kept its lease' : '')
})

test('sentinels that lie, are gone or hang keep nobody from the others', async () => {
  await begin()
  const foreign = await import('../support/redis.mjs').then((redis) => redis.RedisServer.start())
  // One that watches another Redis under the same name, and one that names nobody with a high epoch.
  const liars = await Promise.all([group.liar(foreign.port, 0), group.liar(1, 99)])
  const [first, second] = group.sentinels as [RedisServer, RedisServer]
  const sentinels = [...liars, ...group.sentinels]
  election.url = group.urlOf(sentinels)
  const [primary, standby] = await primaryAndStandby()
  const master = await group.master()
  await expectRenewed(master)
  await first.stop()
  second.freeze()
  const at = now()
  await primary.kill()
  // Whoever is connected stays so, although the liars outnumber the only one that is left.
  const elected = await electedAfter([standby], at)
  note(
    'with two liars, one gone and one hung sentinel, from a killed primary to the next',
    elected.at - at,
  )
  expect(await group.client(foreign).exists(keyOf(election.prefix))).toBe(0)
  await foreign.close()
})

test('while all sentinels are gone nothing is lost, and when they are back they are heard again', async () => {
  await begin({password: 'hush-hush'})
  const [primary, standby] = await primaryAndStandby()
  const master = await group.master()
  await Promise.all(group.sentinels.map((sentinel) => sentinel.stop()))
  await expectRenewed(master)
  expect(primary.changes('lost')).toEqual([])
  await master.stop()
  await primary.change('lost')
  const at = now()
  await Promise.all(group.sentinels.map((sentinel) => sentinel.start()))
  const elected = await electedAfter([primary, standby], at)
  note(
    'from the return of all sentinels, with the master gone, to the next primary',
    elected.at - at,
  )
  await expectRenewed(await group.master(), elected.token)
})

test('what sentinels are asked with is judged at once, and repeated nowhere', async () => {
  await begin({password: 'hush-hush'})
  const {options} = group
  const establish = (changed: object) =>
    establishPrimaryServer({...options, ...changed}, newPrefix(), {ttl: TTL})
  await expect(establish({name: 'nobody'})).rejects.toMatchObject({
    code: 'ERR_STORE_DENIED',
    message: expect.stringContaining("no master named 'nobody'"),
  })
  for (const sentinelPassword of ['wr0ng-one', undefined]) {
    const refused = establish({sentinelPassword})
    await expect(refused).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
    const error = await refused.catch((error: Error) => error)
    expect(`${error}${(error as Error).stack}`).not.toContain('wr0ng-one')
  }
  const client = new Redis({...options, lazyConnect: true})
  const at = now()
  const lease = await establishPrimaryServer(client, newPrefix(), {ttl: TTL})
  note('from an ioredis client with sentinels to a first primary', now() - at)
  expect(lease?.isHeld).toBe(true)
  expect(client.status).toBe('wait')
  await lease?.release()
})
