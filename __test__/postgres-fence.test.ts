import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import {CompiledQuery, Kysely, PostgresDialect, sql} from 'kysely'
import {type Client, Pool} from 'pg'
import {postgresFence} from '../index.js'
import {run} from '../support/run.mjs'
import {claim, failure, newResource, usePostgres, WRITE} from './support/postgres'

const postgres = usePostgres()

const ISOLATIONS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const
const LARGEST = Number.MAX_SAFE_INTEGER

async function transaction(isolation = 'READ COMMITTED') {
  const client = await postgres.connect()
  await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
  return client
}

/** A whole transaction of a primary: claims, leaves its mark, commits. */
async function write(client: Client, resource: string, token: number, isolation?: string) {
  await client.query(`BEGIN ISOLATION LEVEL ${isolation ?? 'READ COMMITTED'}`)
  try {
    await claim(client, resource, token)
    await client.query(WRITE, [resource, token])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

async function kept(resource: string) {
  const client = await postgres.connect()
  const {rows} = await client.query(
    'SELECT lease, token FROM primary_lease_fence WHERE resource = $1 ORDER BY lease',
    [resource],
  )
  return rows
}

describe('a claim', () => {
  test.each(ISOLATIONS)('lets the same and newer tokens in, no older one (%s)', async (level) => {
    const client = await postgres.connect()
    const resource = newResource()
    for (const token of [5, 5, 7]) await write(client, resource, token, level)
    const error = await failure(write(client, resource, 6, level))
    expect(error?.code).toBe('PL001')
    expect(error?.message).toBe(`stale token 6 for resource "${resource}": 7 has been seen`)
    expect(JSON.parse(error?.detail ?? '')).toEqual({
      resource,
      lease: 'primary:test',
      token: 6,
      newest: 7,
    })
    expect(await postgres.written(resource)).toEqual([5, 5, 7])
    expect(await kept(resource)).toEqual([{lease: 'primary:test', token: '7'}])
  })

  test('that was refused leaves a transaction that cannot commit', async () => {
    const resource = newResource()
    await write(await postgres.connect(), resource, 2)
    const old = await transaction()
    expect((await failure(claim(old, resource, 1)))?.code).toBe('PL001')
    expect((await failure(old.query(WRITE, [resource, 1])))?.code).toBe('25P02')
    expect((await old.query('COMMIT')).command).toBe('ROLLBACK')
    expect(await postgres.written(resource)).toEqual([2])
  })

  test('of another lease, or of another resource, is not compared', async () => {
    const client = await postgres.connect()
    const [resource, other] = [newResource(), newResource()]
    await claim(client, resource, 9, 'primary:one')
    await claim(client, resource, 3, 'primary:two')
    await claim(client, other, 1, 'primary:one')
    expect((await failure(claim(client, resource, 8, 'primary:one')))?.code).toBe('PL001')
    expect((await failure(claim(client, resource, 2, 'primary:two')))?.code).toBe('PL001')
    expect(await kept(resource)).toEqual([
      {lease: 'primary:one', token: '9'},
      {lease: 'primary:two', token: '3'},
    ])
  })

  test('takes every token that there is, in each way JavaScript writes it', async () => {
    const client = await postgres.connect()
    const resource = newResource()
    await claim(client, resource, 1)
    await claim(client, resource, '2')
    await claim(client, resource, 3n)
    await claim(client, resource, LARGEST - 1)
    await claim(client, resource, LARGEST)
    const error = await failure(claim(client, resource, LARGEST - 1))
    expect(error?.message).toContain(`stale token ${LARGEST - 1}`)
    expect(error?.message).toContain(`${LARGEST} has been seen`)
  })

  test.each([
    ['no token', undefined, '23502'],
    ['null', null, '23502'],
    ['zero', 0, '23514'],
    ['a negative one', -1, '23514'],
    ['one above 2^53 - 1', 2n ** 53n, '23514'],
    ['a fraction', 1.5, '22P02'],
    ['a word', 'seven', '22P02'],
    ['a number that JavaScript writes with an exponent', 1e30, '22P02'],
    ['one above 64 bits', 10n ** 30n, '22003'],
  ])('with %s is refused, and keeps nothing', async (_, token, code) => {
    const client = await postgres.connect()
    const resource = newResource()
    expect((await failure(claim(client, resource, token)))?.code).toBe(code)
    expect(await kept(resource)).toEqual([])
  })

  test('without a resource or a lease is refused', async () => {
    const client = await postgres.connect()
    const statement = (values: unknown[]) => client.query(postgresFence.claim, values)
    expect((await failure(statement([null, 'primary:test', 1])))?.code).toBe('23502')
    expect((await failure(statement([newResource(), null, 1])))?.code).toBe('23502')
  })

  test('of a name that PostgreSQL cannot keep is refused', async () => {
    const client = await postgres.connect()
    // Of letters that do not repeat, since an index compresses its entries.
    const long = randomBytes(4_000).toString('hex')
    expect((await failure(claim(client, long, 1)))?.code).toBe('54000')
    expect((await failure(claim(client, newResource(), 1, long)))?.code).toBe('54000')
    expect((await failure(claim(client, 'a\0b', 1)))?.code).toBe('22021')
    const most = randomBytes(1_300).toString('hex')
    await claim(client, most, 2)
    expect((await failure(claim(client, most, 1)))?.code).toBe('PL001')
  })

  test('that may not write, or waits for too long, is refused', async () => {
    const resource = newResource()
    const client = await postgres.connect()
    await client.query('BEGIN READ ONLY')
    expect((await failure(claim(client, resource, 1)))?.code).toBe('25006')
    await client.query('ROLLBACK')
    const holder = await transaction()
    await claim(holder, resource, 1)
    await client.query("SET statement_timeout = '50ms'")
    expect((await failure(claim(client, resource, 1)))?.code).toBe('57014')
    await client.query("SET statement_timeout = 0; SET lock_timeout = '50ms'")
    expect((await failure(claim(client, resource, 1)))?.code).toBe('55P03')
  })
})

describe('claims at the same moment', () => {
  test.each([
    ['the newer one first', 2, 1, 'COMMIT', 'PL001'],
    ['the older one first', 1, 2, 'COMMIT', undefined],
    ['the newer one first, rolled back', 2, 1, 'ROLLBACK', undefined],
  ])('of a resource that nobody has claimed: %s', async (_, first, second, end, code) => {
    const resource = newResource()
    const [a, b] = [await transaction(), await transaction()]
    await claim(a, resource, first)
    const pending = failure(claim(b, resource, second))
    await postgres.waiting()
    await a.query(end)
    expect((await pending)?.code).toBe(code)
  })

  test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
    'send the one that waited back to its start (%s)',
    async (level) => {
      const resource = newResource()
      // The first of a resource, then the same token again, then a newer one.
      for (const [first, second, again] of [
        [1, 1, undefined],
        [1, 1, undefined],
        [1, 2, undefined],
        [3, 2, 'PL001'],
      ] as const) {
        const [a, b] = [await transaction(level), await transaction(level)]
        await claim(a, resource, first)
        const pending = failure(claim(b, resource, second))
        await postgres.waiting()
        await a.query('COMMIT')
        expect((await pending)?.code).toBe('40001')
        await b.query('ROLLBACK')
        expect((await failure(write(b, resource, second, level)))?.code).toBe(again)
      }
    },
  )

  test.each(ISOLATIONS)('lose no update of what they guard (%s)', async (level) => {
    const resource = newResource()
    const admin = await postgres.connect()
    await admin.query('CREATE TABLE IF NOT EXISTS numbers (resource text, number int)')

    /** Counts the rows and adds one with that number: two at once would add the same. */
    const add = async (client: Client, token: number) => {
      await client.query(`BEGIN ISOLATION LEVEL ${level}`)
      await claim(client, resource, token)
      const {rowCount} = await client.query('SELECT FROM numbers WHERE resource = $1', [resource])
      await client.query('INSERT INTO numbers VALUES ($1, $2)', [resource, rowCount])
      await client.query(WRITE, [resource, token])
      await client.query('COMMIT')
    }
    let done = 0
    const server = async (token: number) => {
      const client = await postgres.connect()
      for (let turn = 0; turn < 10; ) {
        const error = await failure(add(client, token))
        if (error) await client.query('ROLLBACK')
        if (error?.code === 'PL001') return
        if (error && error.code !== '40001') throw error
        if (error) continue
        turn++
        done++
      }
    }
    await Promise.all([1, 1, 2, 2, 3, 3].map(server))
    const {rows} = await admin.query(
      'SELECT number FROM numbers WHERE resource = $1 ORDER BY number',
      [resource],
    )
    expect(rows.map(({number}) => number)).toEqual(Array.from({length: done}, (_, i) => i))
    const tokens = await postgres.written(resource)
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
    expect(tokens.filter((token) => token === 3)).toHaveLength(20)
  })
})

test('the statements are strings for import and for require', async () => {
  const addon = JSON.stringify(join(__dirname, '../index.mjs'))
  const source = `import {postgresFence} from ${addon}; console.log(JSON.stringify(postgresFence))`
  const printed = await run(process.execPath, ['--input-type=module', '-e', source])
  expect(JSON.parse(printed)).toEqual({...postgresFence})
  // What is explained at the top of the files is not sent with every transaction.
  expect(postgresFence.schema).toMatch(/^DO /)
  expect(postgresFence.claim).toMatch(/^SELECT .*\$1.*\$2.*\$3.*\n$/)
  expect(postgresFence.evict).toMatch(/^SELECT /)
})

test('with Kysely, schema and claim are two of its statements', async () => {
  type Tables = {written: {resource: string; by: number}}
  const pool = new Pool({connectionString: postgres.url})
  const db = new Kysely<Tables>({dialect: new PostgresDialect({pool})})
  await sql.raw(postgresFence.schema).execute(db)
  const resource = newResource()
  const save = (token: number) =>
    db.transaction().execute(async (trx) => {
      await trx.executeQuery(
        CompiledQuery.raw(postgresFence.claim, [resource, 'primary:test', token]),
      )
      await trx.insertInto('written').values({resource, by: token}).execute()
    })
  try {
    await save(2)
    await save(3)
    expect((await failure(save(2)))?.code).toBe('PL001')
    await save(3)
  } finally {
    await db.destroy()
  }
  expect(await postgres.written(resource)).toEqual([2, 3, 3])
})
