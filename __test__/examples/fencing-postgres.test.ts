import {CompiledQuery, Kysely, PostgresDialect, sql, type Transaction} from 'kysely'
import {DatabaseError, Pool, type PoolClient} from 'pg'
import {
  establishPrimaryServer,
  type Lease,
  type PrimaryLease,
  postgresFence,
  resignPrimaryServer,
} from 'primary-lease'
import {until} from '../../support/until'
import {twoLeases} from '../support/leases'
import {FREEZES, OldPrimary} from '../support/old-primary'
import {findPgBouncer, startPgBouncer} from '../support/pgbouncer'
import {failure, usePostgres} from '../support/postgres'

const postgres = usePostgres()

/** All that a server needs: the pool, and the fence. */
async function connect(url: string) {
  const pool = new Pool({connectionString: url})
  // Connections end, idle or in use: by a restart, a timeout, a successor. An 'error' without a listener
  // ends the process. The pool repeats what an idle client says.
  const log = (error: Error) => console.warn(`a connection to PostgreSQL ended: ${error.message}`)
  pool.on('connect', (client) => client.on('error', log))
  pool.on('error', () => {})
  await pool.query(postgresFence.schema)
  return pool
}

/** Runs `work` in a transaction that commits only if no newer primary has been here. */
async function asPrimary<T>(
  pool: Pool,
  lease: PrimaryLease | Lease,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    await begin(client, lease)
    const result = await work(client)
    const {command} = await client.query('COMMIT')
    // A statement had failed, and `work` caught its error: PostgreSQL rolls back, and reports no error.
    if (command !== 'COMMIT') throw new Error('nothing was committed: a statement had failed')
    client.release()
    return result
  } catch (error) {
    // Its connection is closed, which rolls back: it may have been what failed.
    client.release(true)
    throw error
  }
}

/** Begins the transaction, and ends whatever keeps it waiting with an older token. */
async function begin(client: PoolClient, lease: PrimaryLease | Lease) {
  const claim = ['invoices', lease.name, lease.token]
  for (;;) {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`)
    const error = await client.query(postgresFence.claim, claim).then(
      () => undefined,
      (error) => error,
    )
    if (!error) return
    if (!isLocked(error)) throw error
    await client.query('ROLLBACK')
    lease.assertHeld()
    await client.query(postgresFence.evict, claim)
  }
}

/** How long a primary before this one may go on with its transaction. */
const LOCK_TIMEOUT = '2s'

/** Another transaction holds the row. */
const isLocked = (error: unknown) => error instanceof DatabaseError && error.code === '55P03'

/** A newer primary has claimed the resource: this server is primary no more. */
const isStale = (error: unknown) => error instanceof DatabaseError && error.code === 'PL001'

type Tables = {invoices: {number: number; closed_by: number}}

async function asPrimaryWithKysely<T>(
  db: Kysely<Tables>,
  lease: PrimaryLease | Lease,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  const claim = ['invoices', lease.name, lease.token]
  for (;;) {
    let claimed = false
    try {
      return await db.transaction().execute(async (trx) => {
        await sql`SET LOCAL lock_timeout = ${sql.lit(LOCK_TIMEOUT)}`.execute(trx)
        await trx.executeQuery(CompiledQuery.raw(postgresFence.claim, claim))
        claimed = true
        const result = await work(trx)
        // Refused where a statement had failed: Kysely before 0.28.19 does not look at what COMMIT did.
        await sql`SELECT`.execute(trx)
        return result
      })
    } catch (error) {
      if (claimed || !isLocked(error)) throw error
      lease.assertHeld()
      await db.executeQuery(CompiledQuery.raw(postgresFence.evict, claim))
    }
  }
}

type Recipe = 'pg' | 'Kysely'
const RECIPES: Recipe[] = ['pg', 'Kysely']

let pool: Pool
let db: Kysely<Tables>
let leases: readonly [PrimaryLease, PrimaryLease]
const warn = jest.spyOn(console, 'warn').mockImplementation(() => {})

beforeAll(async () => {
  pool = await connect(postgres.url)
  await pool.query('CREATE TABLE invoices (number int PRIMARY KEY, closed_by bigint)')
  db = new Kysely<Tables>({dialect: new PostgresDialect({pool})})
})
beforeEach(async () => {
  leases = await twoLeases()
  await pool.query('TRUNCATE invoices')
})
afterEach(() => resignPrimaryServer())
afterAll(() => db.destroy())

const closed = async () => {
  const {rows} = await pool.query('SELECT number FROM invoices ORDER BY number')
  return rows.map(({number}) => number)
}

/** One of the two recipes, over a pool of the test's own or the one of all. */
function recipe(name: Recipe, {through = pool}: {through?: Pool} = {}) {
  const kysely =
    through === pool ? db : new Kysely<Tables>({dialect: new PostgresDialect({pool: through})})
  type Run = (statement: string) => Promise<unknown>
  const run = <T>(lease: PrimaryLease | Lease, work: (run: Run) => Promise<T>) =>
    name === 'pg'
      ? asPrimary(through, lease, (client) => work((statement) => client.query(statement)))
      : asPrimaryWithKysely(kysely, lease, (trx) =>
          work((statement) => sql.raw(statement).execute(trx)),
        )
  const insert = (number: number, lease: PrimaryLease | Lease) =>
    `INSERT INTO invoices VALUES (${number}, ${lease.token})`
  return {
    run,
    insert,
    close: (lease: PrimaryLease | Lease, number: number) =>
      run(lease, (statement) => statement(insert(number, lease))),
  }
}

/** The primary before, in a transaction that has claimed and written. */
async function beginAs(lease: PrimaryLease, url: string) {
  const old = await OldPrimary.begin(url, ['invoices', lease.name, lease.token])
  await old.send(`INSERT INTO invoices VALUES (1, ${lease.token})`)
  return old
}

describe.each(RECIPES)('with %s', (name) => {
  test('the newest primary writes; the one before it is refused', async () => {
    const [first, second] = leases
    const {close} = recipe(name)
    await close(first, 1)
    await close(second, 2)
    expect(isStale(await failure(close(first, 3)))).toBe(true)
    await close(second, 4)
    expect(await closed()).toEqual([1, 2, 4])
  })

  test('two versions of an app have a primary each, and neither is told to stop', async () => {
    const {close} = recipe(name)
    const elect = (scope: string) =>
      establishPrimaryServer('memory://two-versions', 'invoices', {scope})
    const old = await elect('v1')
    await resignPrimaryServer()
    const lease = await elect('v2')
    if (!old || !lease) throw new Error('nobody else stands for election here')
    await close(lease, 1)
    await close(old, 2)
    await close(lease, 3)
    expect(await closed()).toEqual([1, 2, 3])
  })

  test('a statement that failed rolls back and is told, though its error was caught', async () => {
    const [, lease] = leases
    const {run, insert} = recipe(name)
    const attempt = run(lease, async (statement) => {
      await statement(insert(1, lease))
      await statement(insert(1, lease)).catch(() => {})
    })
    expect(await failure(attempt)).toBeDefined()
    expect(await closed()).toEqual([])
  })

  test('work whose session is ended fails, and the process lives', async () => {
    const [, lease] = leases
    const {run, insert, close} = recipe(name)
    const idle = run(lease, async (statement) => {
      await statement("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
      await statement(insert(1, lease))
      warn.mockClear()
      await until('the session has ended', () => warn.mock.calls.length > 0)
    })
    expect(await failure(idle)).toBeDefined()
    await close(lease, 2)
    expect(await closed()).toEqual([2])
  })

  test('a restart of the server while the pool idles costs nothing', async () => {
    const [, lease] = leases
    const {close} = recipe(name)
    await close(lease, 1)
    expect(pool.idleCount).toBeGreaterThan(0)
    await postgres.server.restart()
    await until('the pool has heard of it', () => pool.totalCount === 0)
    await close(lease, 2)
    expect(await closed()).toEqual([1, 2])
  })

  test.each(FREEZES)('an old primary that is frozen $name is ended', async (freeze) => {
    const [first, second] = leases
    const old = await beginAs(first, postgres.url)
    const woken = await old.freeze(freeze, postgres.doing)
    await recipe(name).close(second, 2)
    expect(await closed()).toEqual([2])
    expect(await woken()).toBeDefined()
    expect(await closed()).toEqual([2])
  })
})

const bouncer = findPgBouncer()
const describeBouncer = bouncer ? describe : describe.skip

describeBouncer('through a PgBouncer in transaction mode', () => {
  let through: Awaited<ReturnType<typeof startPgBouncer>>
  let bounced: Pool
  beforeAll(async () => {
    through = await startPgBouncer(String(bouncer), postgres.server)
    bounced = await connect(through.url)
  })
  afterAll(async () => {
    await bounced.end()
    await through.close()
  })

  test('a parameter of the connection is refused', async () => {
    const other = new Pool({connectionString: through.url, lock_timeout: 1000})
    expect((await failure(other.query('SELECT')))?.message).toContain(
      'unsupported startup parameter',
    )
    await other.end()
  })

  test.each(RECIPES)('the recipe for %s is the same', async (name) => {
    const [first, second] = leases
    const {close} = recipe(name, {through: bounced})
    await close(first, 1)
    await close(second, 2)
    expect(isStale(await failure(close(first, 3)))).toBe(true)
    expect(await closed()).toEqual([1, 2])
  })

  test.each(FREEZES)('an old primary that is frozen $name is ended', async (freeze) => {
    const [first, second] = leases
    const old = await beginAs(first, through.url)
    const woken = await old.freeze(freeze, postgres.doing)
    await recipe('pg', {through: bounced}).close(second, 2)
    expect(await woken()).toBeDefined()
    expect(await closed()).toEqual([2])
  })
})
