// Where a claim guards nothing, or cannot be made.

import {postgresFence} from '../index.js'
import {PostgresServer} from '../support/postgres.mjs'
import {until} from '../support/until'
import {claim, failure, newResource, usePostgres, WRITE} from './support/postgres'

const postgres = usePostgres()

async function claimed(resource: string, token: number) {
  const client = await postgres.connect()
  await client.query('BEGIN')
  await claim(client, resource, token)
  await client.query(WRITE, [resource, token])
  return client
}

test('COMMIT AND CHAIN begins a transaction that nothing guards', async () => {
  const resource = newResource()
  const old = await claimed(resource, 1)
  await old.query('COMMIT AND CHAIN')
  const successor = await claimed(resource, 2)
  await successor.query('COMMIT')
  await old.query(WRITE, [resource, 1])
  await old.query('COMMIT')
  expect(await postgres.written(resource)).toEqual([1, 2, 1])
})

test('a refusal that a savepoint has undone lets the transaction commit', async () => {
  const resource = newResource()
  await (await claimed(resource, 2)).query('COMMIT')
  const old = await postgres.connect()
  await old.query('BEGIN; SAVEPOINT before')
  expect((await failure(claim(old, resource, 1)))?.code).toBe('PL001')
  await old.query('ROLLBACK TO before')
  await old.query(WRITE, [resource, 1])
  expect((await old.query('COMMIT')).command).toBe('COMMIT')
  expect(await postgres.written(resource)).toEqual([2, 1])
})

test('more resources than the table of locks has room for are too many for one transaction', async () => {
  const client = await postgres.connect()
  const claims = client.query(
    "SELECT claim_primary_lease_fence_2($1 || i, 'primary:test', 1) FROM generate_series(1, 10000) i",
    [newResource()],
  )
  expect((await failure(claims))?.code).toBe('53200')
})

test('a prepared transaction keeps the row until it is decided, and no session holds it', async () => {
  const resource = newResource()
  const old = await claimed(resource, 1)
  await old.query("PREPARE TRANSACTION 'old'")
  await old.end()
  await postgres.server.restart()
  const successor = await postgres.connect()
  await successor.query("SET lock_timeout = '50ms'")
  expect((await failure(claim(successor, resource, 2)))?.code).toBe('55P03')
  const {rows} = await successor.query(postgresFence.evict, [resource, 'primary:test', 2])
  expect(rows).toEqual([])
  await successor.query("ROLLBACK PREPARED 'old'")
  await claim(successor, resource, 2)
  expect(await postgres.written(resource)).toEqual([])
})

test('a hot standby takes no claim, and takes over with all of the fence that it was sent', async () => {
  const resource = newResource()
  await (await claimed(resource, 2)).query('COMMIT')
  const standby = await PostgresServer.standby(postgres.server)
  try {
    const client = await postgres.connect(undefined, standby)
    await client.query(postgresFence.schema)
    expect((await failure(claim(client, resource, 3)))?.code).toBe('25006')
    await client.query('SELECT pg_promote()')
    await until('it takes writes', async () => {
      const {rows} = await client.query('SELECT pg_is_in_recovery() AS standby')
      return !rows[0].standby
    })
    expect((await failure(claim(client, resource, 1)))?.code).toBe('PL001')
    await claim(client, resource, 3)
    await client.end()
  } finally {
    await standby.close()
  }
})
