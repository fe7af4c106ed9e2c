// What `schema` creates: by whom, where, and what the others need.

import type {Client} from 'pg'
import {postgresFence} from '../index.js'
import {claim, failure, newResource, usePostgres} from './support/postgres'

const postgres = usePostgres()

describe('the schema', () => {
  const drop = async (client: Client) => {
    await client.query('DROP TABLE IF EXISTS primary_lease_fence')
    await client.query('DROP FUNCTION IF EXISTS claim_primary_lease_fence_2')
  }

  test('may be created by ten servers at the same moment', async () => {
    const clients = await Promise.all(Array.from({length: 10}, () => postgres.connect()))
    const levels = ['', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']
    for (let round = 0; round < 20; round++) {
      await drop(clients[0] as Client)
      await Promise.all(
        clients.map(async (client, i) => {
          const level = levels[i % levels.length]
          if (!level) return client.query(postgresFence.schema)
          // A snapshot from before the others, and the lookup that finds nothing.
          await client.query(`BEGIN ISOLATION LEVEL ${level}`)
          await client.query("SELECT to_regclass('primary_lease_fence')")
          await client.query(postgresFence.schema)
          await client.query('COMMIT')
        }),
      )
      const resource = newResource()
      const claims = clients.map((client) => claim(client, resource, 1))
      await Promise.all(claims)
    }
  })

  test('changes nothing where it exists, and asks for no right', async () => {
    const admin = await postgres.connect()
    const resource = newResource()
    await claim(admin, resource, 7)
    await admin.query('CREATE ROLE app LOGIN')
    await admin.query('GRANT SELECT, INSERT, UPDATE ON primary_lease_fence TO app')
    const app = await postgres.connect()
    await app.query('SET ROLE app')
    expect((await failure(app.query('CREATE TABLE mine ()')))?.code).toBe('42501')
    await app.query(postgresFence.schema)
    await app.query('BEGIN READ ONLY')
    await app.query(postgresFence.schema)
    await app.query('COMMIT')
    await claim(app, resource, 8)
    expect((await failure(claim(app, resource, 7)))?.code).toBe('PL001')
  })

  test('waits for no other start where it exists', async () => {
    const creating = await postgres.connect()
    await creating.query('BEGIN')
    await creating.query(
      "SELECT pg_advisory_xact_lock(hashtextextended('primary-lease: create the fence', 0))",
    )
    const client = await postgres.connect()
    await client.query("SET lock_timeout = '10s'")
    await client.query(postgresFence.schema)
  })

  test('lies beside the tables of the search path, and goes with its transaction', async () => {
    const client = await postgres.connect()
    await client.query('CREATE SCHEMA IF NOT EXISTS apart; SET search_path = apart')
    await client.query('BEGIN')
    await client.query(postgresFence.schema)
    await client.query('ROLLBACK')
    const resource = newResource()
    expect((await failure(claim(client, resource, 1)))?.code).toBe('42883')
    // Prepared, as some drivers send everything.
    await client.query({name: 'schema', text: postgresFence.schema, values: []})
    await claim(client, resource, 1)
    const {rows} = await client.query(
      "SELECT resource FROM apart.primary_lease_fence WHERE lease = 'primary:test'",
    )
    expect(rows).toEqual([{resource}])
    const beside = await client.query(
      'SELECT FROM public.primary_lease_fence WHERE resource = $1',
      [resource],
    )
    expect(beside.rowCount).toBe(0)
  })

  /** Two roles, which may create what they like in a schema of their own database. */
  async function twoRoles() {
    const admin = await postgres.connect()
    await admin.query(
      'DROP SCHEMA IF EXISTS shared, later CASCADE; CREATE SCHEMA shared; CREATE SCHEMA later',
    )
    for (const role of ['one', 'two']) {
      const {rowCount} = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
      if (!rowCount) await admin.query(`CREATE ROLE ${role} LOGIN`)
      await admin.query(`GRANT USAGE, CREATE ON SCHEMA shared, later TO ${role}`)
    }
    const connect = async (role: string) => {
      const client = await postgres.connect(role)
      await client.query('SET search_path = shared, later')
      return client
    }
    return {admin, connect, one: await connect('one'), two: await connect('two')}
  }

  test('may be created by two roles at the same moment', async () => {
    const {admin, connect} = await twoRoles()
    const clients = await Promise.all(['one', 'two', 'one', 'two'].map(connect))
    for (let round = 0; round < 20; round++) {
      await admin.query('DROP TABLE IF EXISTS shared.primary_lease_fence')
      await admin.query('DROP FUNCTION IF EXISTS shared.claim_primary_lease_fence_2')
      await Promise.all(clients.map((client) => client.query(postgresFence.schema)))
    }
  })

  test('is completed where the table or the function of another role remains', async () => {
    const {admin, one, two} = await twoRoles()
    await one.query(postgresFence.schema)
    await one.query('DROP TABLE primary_lease_fence')
    await two.query(postgresFence.schema)
    await claim(two, newResource(), 1)
    await admin.query('DROP FUNCTION shared.claim_primary_lease_fence_2')
    await one.query(postgresFence.schema)
    await claim(two, newResource(), 1)
  })

  test('needs these grants for another role, where the database gives nothing to all', async () => {
    const {admin, one, two} = await twoRoles()
    await admin.query('REVOKE ALL ON SCHEMA shared, later FROM two')
    await one.query('ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC')
    await one.query(postgresFence.schema)
    const resource = newResource()
    const refused = async () => (await failure(claim(two, resource, 1)))?.code
    // Without USAGE there is no such function.
    expect(await refused()).toBe('42883')
    const grants = [
      'GRANT USAGE ON SCHEMA shared TO two',
      'GRANT EXECUTE ON FUNCTION claim_primary_lease_fence_2 TO two',
      'GRANT SELECT, INSERT, UPDATE ON primary_lease_fence TO two',
    ]
    await admin.query('SET search_path = shared')
    for (const grant of grants) {
      await admin.query(grant)
      if (grant !== grants.at(-1)) expect(await refused()).toBe('42501')
    }
    await two.query(postgresFence.schema)
    await claim(two, resource, 1)
    await one.query('ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC')
  })

  test.each([
    ['before it is there', false],
    ['when it is there', true],
  ])(
    'is not created in a second schema by a role that may not use the first, %s',
    async (_, there) => {
      const {admin, one, two} = await twoRoles()
      if (there) await one.query(postgresFence.schema)
      await admin.query('REVOKE USAGE ON SCHEMA shared FROM two')
      const error = await failure(two.query(postgresFence.schema))
      expect(error?.code).toBe('42501')
      expect(error?.message).toContain('schema "shared"')
      expect(error?.message).toContain('role "two"')
      // Named in any way that a search path names one.
      await two.query('SET search_path = "$user", "none such", "shared", later')
      expect((await failure(two.query(postgresFence.schema)))?.message).toContain('"shared"')
      await two.query('SET search_path = later, shared')
      expect((await failure(two.query(postgresFence.schema)))?.message).toBe(
        there ? error?.message : undefined,
      )
    },
  )

  test('passes over a schema that hides no fence, as the others do', async () => {
    const {admin, one, two} = await twoRoles()
    await one.query('SET search_path = later')
    await one.query(postgresFence.schema)
    await admin.query('GRANT SELECT, INSERT, UPDATE ON later.primary_lease_fence TO two')
    await admin.query('REVOKE USAGE ON SCHEMA shared FROM two')
    await two.query(postgresFence.schema)
    const resource = newResource()
    await claim(two, resource, 2)
    expect((await failure(claim(one, resource, 1)))?.code).toBe('PL001')
  })
})
