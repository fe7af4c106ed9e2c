// Whom a successor ends, and whom it does not.

import type {Client} from 'pg'
import {postgresFence} from '../index.js'
import {claim, failure, newResource, usePostgres, WRITE} from './support/postgres'

const postgres = usePostgres()

/** A session in a transaction that has claimed, and whether it has been ended. */
async function holding(resource: string, tokens: unknown[], lease?: string, role?: string) {
  const client = await postgres.connect(role)
  await client.query('BEGIN')
  for (const token of tokens) await claim(client, resource, token, lease)
  const {rows} = await client.query('SELECT pg_backend_pid() AS pid')
  return {client, pid: rows[0].pid, lives: async () => !(await failure(client.query('SELECT')))}
}

async function evict(client: Client, resource: string, token: unknown, lease = 'primary:test') {
  const {rows} = await client.query(postgresFence.evict, [resource, lease, token])
  return rows
}

test('a session that has claimed with an older token is ended, and nothing of it is kept', async () => {
  const resource = newResource()
  const old = await holding(resource, [5])
  await old.client.query(WRITE, [resource, 5])
  const successor = await postgres.connect()
  expect(await evict(successor, resource, 6)).toEqual([{pid: old.pid, ended: true}])
  await claim(successor, resource, 6)
  expect(await old.lives()).toBe(false)
  expect(await postgres.written(resource)).toEqual([])
  expect(await evict(successor, resource, 6)).toEqual([])
})

test.each([
  ['the same token', [5], 5],
  ['a newer token', [7], 5],
  ['an older token and a newer one', [3, 7], 5],
  ['the largest token, against the one before it', [2n ** 53n - 1n], 2n ** 53n - 2n],
])('one that has claimed with %s lives', async (_, tokens, token) => {
  const resource = newResource()
  const holder = await holding(resource, tokens)
  const other = await postgres.connect()
  expect(await evict(other, resource, token)).toEqual([])
  expect(await holder.lives()).toBe(true)
})

test.each([
  [1, 2],
  [2 ** 32 - 1, 2 ** 32],
  [2n ** 53n - 2n, 2n ** 53n - 1n],
])('the tokens %s and %s are told apart', async (older, newer) => {
  for (let i = 0; i < 20; i++) {
    // Half of the hashes of the names are negative.
    const resource = newResource()
    const [old, same] = [await holding(resource, [older]), await postgres.connect()]
    expect(await evict(same, resource, older)).toEqual([])
    expect(await evict(same, resource, newer)).toEqual([{pid: old.pid, ended: true}])
    await old.client.end()
    await same.end()
  }
})

test('one that has claimed another resource, or with another lease, lives', async () => {
  const resource = newResource()
  const others = [
    await holding(newResource(), [1]),
    await holding(resource, [1], 'primary:other'),
    // Its names in the other order.
    await holding('primary:test', [1], resource),
  ]
  expect(await evict(await postgres.connect(), resource, 9)).toEqual([])
  for (const {lives} of others) expect(await lives()).toBe(true)
})

test('one lives that holds the row no more, that waits for it, or that evicts', async () => {
  const resource = newResource()
  const ended = await holding(resource, [1])
  await ended.client.query('COMMIT')
  const undone = await postgres.connect()
  await undone.query('BEGIN; SAVEPOINT before')
  await claim(undone, resource, 2)
  await undone.query('ROLLBACK TO before')
  const holder = await holding(resource, [9])
  const waiting = await postgres.connect()
  const waits = claim(waiting, resource, 3)
  await postgres.waiting()
  expect(await evict(await postgres.connect(), resource, 9)).toEqual([])
  expect(await evict(holder.client, resource, 10)).toEqual([])
  await holder.client.query('ROLLBACK')
  await waits
  for (const client of [ended.client, undone, waiting, holder.client])
    expect(await failure(client.query('SELECT'))).toBeUndefined()
})

test('one that has claimed another resource too is judged by this one', async () => {
  // Always the same names: of 2,048 pairs one shares the bits of the hash by which this is told.
  const old = await holding('ledger', [1])
  await claim(old.client, 'stock', 9, 'primary:other')
  expect(await evict(await postgres.connect(), 'stock', 9, 'primary:other')).toEqual([])
  const rows = await evict(await postgres.connect(), 'ledger', 2)
  expect(rows).toEqual([{pid: old.pid, ended: true}])
})

test("locks of a session's own tell nothing about the row", async () => {
  const resource = newResource()
  const own = await postgres.connect()
  const place = "hashtextextended($1, hashtextextended('primary:test', 0))"
  await own.query(`SELECT pg_advisory_lock_shared(${place})`, [resource])
  await own.query('SELECT pg_advisory_lock_shared(1), pg_advisory_lock(2), pg_advisory_lock(1, 1)')
  const other = await postgres.connect()
  expect(await evict(other, resource, 9)).toEqual([])
  const old = await holding(resource, [1])
  await old.client.query(`SELECT pg_advisory_lock(${place})`, [newResource()])
  expect(await evict(other, resource, 2)).toEqual([{pid: old.pid, ended: true}])
})

test('no token ends nobody, and what is no token is refused', async () => {
  const resource = newResource()
  const holder = await holding(resource, [1])
  const other = await postgres.connect()
  expect(await evict(other, resource, null)).toEqual([])
  expect((await failure(evict(other, resource, 'seven')))?.code).toBe('22P02')
  expect(await holder.lives()).toBe(true)
})

test('the session of another role needs pg_signal_backend, that of its own nothing', async () => {
  const admin = await postgres.connect()
  await admin.query('CREATE ROLE app LOGIN; CREATE ROLE watcher LOGIN')
  await admin.query('GRANT SELECT, INSERT, UPDATE ON primary_lease_fence TO app, watcher')
  const resource = newResource()
  const old = await holding(resource, [1], undefined, 'app')
  const watcher = await postgres.connect('watcher')
  expect((await failure(evict(watcher, resource, 2)))?.code).toBe('42501')
  expect(await old.lives()).toBe(true)
  await admin.query('GRANT pg_signal_backend TO watcher')
  expect(await evict(watcher, resource, 2)).toEqual([{pid: old.pid, ended: true}])

  const app = await holding(resource, [2], undefined, 'app')
  const same = await postgres.connect('app')
  expect(await evict(same, resource, 3)).toEqual([{pid: app.pid, ended: true}])
  const superuser = await holding(resource, [3])
  for (const client of [same, watcher])
    expect((await failure(evict(client, resource, 4)))?.code).toBe('42501')
  expect(await superuser.lives()).toBe(true)
})

test('a transaction that claims a thousand resources is ended as a whole', async () => {
  const name = newResource()
  const client = await postgres.connect()
  await client.query('BEGIN')
  await client.query(
    "SELECT claim_primary_lease_fence_2($1 || i, 'primary:test', 1) FROM generate_series(1, 1000) i",
    [name],
  )
  const other = await postgres.connect()
  const names = Array.from({length: 1000}, (_, i) => `${name}${i + 1}`)
  expect(await evict(other, names[500] as string, 1)).toEqual([])
  expect(await evict(other, names[500] as string, 2)).toHaveLength(1)
})
