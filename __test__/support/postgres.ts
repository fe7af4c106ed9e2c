import {Client, type DatabaseError} from 'pg'
import {postgresFence} from '../../index.js'
import {PostgresServer} from '../../support/postgres.mjs'
import {until} from '../../support/until'
import {Server} from './servers'

let resources = 0

/** A name that no other test uses. */
export const newResource = () => `resource-${process.pid}-${++resources}`

/** How a statement failed: `undefined` if it did not. */
export async function failure(statement: Promise<unknown>): Promise<DatabaseError | undefined> {
  return statement.then(
    () => undefined,
    (error) => error,
  )
}

/** Claims in the transaction that the client is in; of one lease unless another is named. */
export const claim = (
  client: Client,
  resource: string,
  token: unknown,
  lease: unknown = 'primary:test',
) => client.query(postgresFence.claim, [resource, lease, token])

/**
 * A PostgreSQL of this test file's own, with the fence and a table `written`. Whatever servers a
 * test started are killed after it, and its clients closed.
 */
export function usePostgres() {
  let server: PostgresServer | undefined
  const clients: Client[] = []

  const connect = async (role = 'postgres', to = server) => {
    const client = new Client(to?.url.replace('postgres@', `${role}@`))
    client.on('error', () => {})
    clients.push(client)
    await client.connect()
    return client
  }

  beforeAll(async () => {
    server = await PostgresServer.start()
    const client = await connect()
    await client.query(postgresFence.schema)
    await client.query('CREATE TABLE written (resource text, by bigint, at serial)')
  })
  afterEach(async () => {
    await Server.killAll()
    await Promise.all(clients.splice(0).map((client) => client.end()))
  })
  afterAll(() => server?.close())

  return {
    /** Another connection, which is closed after the test; as a role that may do everything, unless another is named. */
    connect,
    get server() {
      if (!server) throw new Error('the server starts before the first test')
      return server
    },
    get url() {
      return this.server.url
    },
    /** The tokens that have written to the resource and been committed, in the order of writing. */
    async written(resource: string): Promise<number[]> {
      const client = await connect()
      const {rows} = await client.query(
        'SELECT by::float AS by FROM written WHERE resource = $1 ORDER BY at',
        [resource],
      )
      return rows.map(({by}) => by)
    },
    /** Resolves when the session does what is asked for. */
    async doing(pid: number, state: string, wait: string) {
      const client = await connect()
      await until(`session ${pid} is ${state} in ${wait}`, async () => {
        const {rowCount} = await client.query(
          'SELECT FROM pg_stat_activity WHERE pid = $1 AND state = $2 AND wait_event = $3',
          [pid, state, wait],
        )
        return rowCount === 1
      })
    },
    /** Resolves when so many other sessions wait for a lock. */
    async waiting(count = 1) {
      const client = await connect()
      await until(`${count} sessions wait for a lock`, async () => {
        const {rowCount} = await client.query(
          "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        return rowCount === count
      })
    },
  }
}

/** A statement that leaves a mark, so that a test can see what was committed. */
export const WRITE = 'INSERT INTO written (resource, by) VALUES ($1, $2)'
