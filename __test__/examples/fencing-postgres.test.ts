import {CompiledQuery, Kysely, PostgresDialect, sql, type Transaction} from 'kysely'
import {DatabaseError, Pool, type PoolClient} from 'pg'
import {type PrimaryLease, postgresFence} from 'primary-lease'
import {twoLeases} from '../support/leases'
import {usePostgres} from '../support/postgres'

const postgres = usePostgres()

/** Runs `work` in a transaction that commits only if no newer primary has been here. */
async function asPrimary<T>(
  pool: Pool,
  lease: PrimaryLease,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(postgresFence.claim, ['invoices', `primary:${lease.prefix}`, lease.token])
    const result = await work(client)
    await client.query('COMMIT')
    client.release()
    return result
  } catch (error) {
    // Its connection is closed, which rolls back: it may have been what failed.
    client.release(true)
    throw error
  }
}

/** A newer primary has claimed the resource: this server is primary no more. */
const isStale = (error: unknown) => error instanceof DatabaseError && error.code === 'PL001'

type Tables = {invoices: {number: number; closed_by: number}}

function closeInvoice(db: Kysely<Tables>, lease: PrimaryLease, number: number) {
  return db.transaction().execute(async (trx: Transaction<Tables>) => {
    const claim = ['invoices', `primary:${lease.prefix}`, lease.token]
    await trx.executeQuery(CompiledQuery.raw(postgresFence.claim, claim))
    await trx.insertInto('invoices').values({number, closed_by: lease.token}).execute()
  })
}

/** All that a server needs: the pool, and the fence. */
async function connect(url: string) {
  const pool = new Pool({
    connectionString: url,
    // A primary that froze in its transaction keeps its successor waiting no longer than this.
    idle_in_transaction_session_timeout: 10_000,
    // The successor waits a little longer.
    lock_timeout: 15_000,
  })
  await pool.query(postgresFence.schema)
  return pool
}

test('the newest primary writes; the one before it is refused', async () => {
  const pool = await connect(postgres.url)
  await pool.query('CREATE TABLE invoices (number int, closed_by bigint)')
  const db = new Kysely<Tables>({dialect: new PostgresDialect({pool})})
  await sql.raw(postgresFence.schema).execute(db)
  try {
    const [first, second] = await twoLeases()
    const insert = (lease: PrimaryLease, number: number) =>
      asPrimary(pool, lease, (client) =>
        client.query('INSERT INTO invoices VALUES ($1, $2)', [number, lease.token]),
      )
    await insert(first, 1)
    await closeInvoice(db, first, 2)
    await insert(second, 3)
    const refused = [insert(first, 4), closeInvoice(db, first, 5)]
    for (const attempt of refused) expect(isStale(await attempt.catch((error) => error))).toBe(true)
    await closeInvoice(db, second, 6)
    await second.release()
    const {rows} = await pool.query('SELECT number FROM invoices ORDER BY number')
    expect(rows.map(({number}) => number)).toEqual([1, 2, 3, 6])
  } finally {
    await db.destroy()
  }
})
