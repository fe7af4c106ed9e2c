// A primary that is frozen around its claim, as a real process, and what its successor can do.

import {postgresFence} from '../index.js'
import {FREEZES, OldPrimary} from './support/old-primary'
import {claim, failure, newResource, usePostgres, WRITE} from './support/postgres'
import {useRedis} from './support/redis'
import {Server} from './support/servers'

const postgres = usePostgres()
const redis = useRedis()

const OLD = 1
const NEW = 2

/** A server process, and its transaction as the statements that it has still to send. */
function transaction(server: Server, resource: string, token: number) {
  const send = (text: string, values: unknown[] = []) =>
    server.call('sql', postgres.url, text, values) as Promise<{command: string; rows: unknown[]}>
  return {
    send,
    begin: () => send('BEGIN'),
    claim: () => send(postgresFence.claim, [resource, 'primary:test', token]),
    write: () => send(WRITE, [resource, token]),
    commit: () => send('COMMIT'),
  }
}

/** What the successor does while the other is frozen. */
async function succeed(resource: string) {
  const client = await postgres.connect()
  await client.query('BEGIN')
  await claim(client, resource, NEW)
  await client.query(WRITE, [resource, NEW])
  await client.query('COMMIT')
}

test('frozen before its claim: refused when it wakes', async () => {
  const resource = newResource()
  const server = new Server()
  const old = transaction(server, resource, OLD)
  await old.begin()
  await server.freeze()
  // It does not know that it was frozen, and goes on with these.
  const woken = [old.claim(), old.write(), old.commit()].map(failure)
  await succeed(resource)
  server.signal('SIGCONT')
  const [claimed, written] = await Promise.all(woken)
  expect(claimed).toMatchObject({code: 'PL001'})
  expect(claimed?.message).toContain(`stale token ${OLD}`)
  expect(written).toMatchObject({code: '25P02'})
  expect(await postgres.written(resource)).toEqual([NEW])
})

test('frozen after its claim: the successor waits, and comes after it', async () => {
  const resource = newResource()
  const server = new Server()
  const old = transaction(server, resource, OLD)
  await old.begin()
  await old.claim()
  await server.freeze()
  const woken = [old.write(), old.commit()]

  const impatient = await postgres.connect()
  await impatient.query("SET lock_timeout = '50ms'")
  expect((await failure(claim(impatient, resource, NEW)))?.code).toBe('55P03')

  const successor = succeed(resource)
  await postgres.waiting()
  expect(await postgres.written(resource)).toEqual([])
  server.signal('SIGCONT')
  expect((await Promise.all(woken)).map(({command}) => command)).toEqual(['INSERT', 'COMMIT'])
  await successor
  expect(await postgres.written(resource)).toEqual([OLD, NEW])
  await old.begin()
  await expect(old.claim()).rejects.toMatchObject({code: 'PL001'})
})

test.each([
  ['its session is terminated', undefined],
  ['idle_in_transaction_session_timeout ends it', "SET idle_in_transaction_session_timeout = '2s'"],
])('frozen after its writes, and %s: it cannot commit', async (_, setting) => {
  const resource = newResource()
  const server = new Server()
  const old = transaction(server, resource, OLD)
  if (setting) await old.send(setting)
  const {rows} = await old.send('SELECT pg_backend_pid() AS pid')
  await old.begin()
  await old.claim()
  await old.write()
  await server.freeze()
  const commit = failure(old.commit())

  const successor = succeed(resource)
  if (!setting) {
    await postgres.waiting()
    const admin = await postgres.connect()
    await admin.query('SELECT pg_terminate_backend($1)', [(rows[0] as {pid: number}).pid])
  }
  await successor
  server.signal('SIGCONT')
  expect(await commit).toBeDefined()
  expect(await postgres.written(resource)).toEqual([NEW])
})

test('frozen while it sends a statement with parameters: no timeout ends its session', async () => {
  const resource = newResource()
  const old = await OldPrimary.begin(postgres.url, [resource, 'primary:test', OLD])
  await old.send("SET idle_in_transaction_session_timeout = '7s'; SET statement_timeout = '3s'")
  const woken = await old.freeze(FREEZES[0], postgres.doing)
  const impatient = await postgres.connect()
  await impatient.query("SET lock_timeout = '9s'")
  expect((await failure(claim(impatient, resource, NEW)))?.code).toBe('55P03')
  await impatient.query(postgresFence.evict, [resource, 'primary:test', NEW])
  await succeed(resource)
  expect(await woken()).toBeDefined()
  expect(await postgres.written(resource)).toEqual([NEW])
})

test('with the tokens of an election: the frozen primary is replaced, and refused', async () => {
  const resource = newResource()
  const election = redis.election()
  const primary = await Server.stand(election)
  const old = transaction(primary, resource, (await primary.change('elected')).token as number)
  await old.begin()
  const standby = await Server.stand(election)
  await primary.freeze()
  const woken = [old.claim(), old.write(), old.commit()].map(failure)

  const {token} = await standby.change('elected')
  const successor = transaction(standby, resource, token as number)
  for (const step of ['begin', 'claim', 'write', 'commit'] as const) await successor[step]()
  primary.signal('SIGCONT')
  expect((await Promise.all(woken))[0]).toMatchObject({code: 'PL001'})
  expect(await postgres.written(resource)).toEqual([token])
})
