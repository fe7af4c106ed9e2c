import {postgresFence} from '../../index.js'
import {until} from '../../support/until'
import {failure} from './postgres'
import {Server} from './servers'

/** Where a primary can be frozen in its transaction, and how PostgreSQL shows its session then. */
export const FREEZES = [
  {
    name: 'while it sends a large statement',
    statement: 'SELECT length($1)',
    values: [{long: 50_000_000}],
    state: 'active',
    wait: 'ClientRead',
  },
  {
    name: 'while it reads a large result',
    statement: "SELECT repeat('x', 50000000)",
    state: 'active',
    wait: 'ClientWrite',
  },
  {name: 'between two statements', state: 'idle in transaction', wait: 'ClientRead'},
] as const

/** A process in a transaction that has claimed. */
export class OldPrimary {
  readonly #server = new Server()
  readonly #url: string
  #pid = 0

  private constructor(url: string) {
    this.#url = url
  }

  static async begin(url: string, claim: unknown[]) {
    const old = new OldPrimary(url)
    await old.send('BEGIN')
    await old.send(postgresFence.claim, claim)
    const {rows} = await old.send('SELECT pg_backend_pid() AS pid')
    old.#pid = Number(rows[0]?.pid)
    return old
  }

  send(text: string, values?: readonly unknown[]) {
    return this.#server.call('sql', this.#url, text, values) as Promise<{rows: {pid: number}[]}>
  }

  /**
   * In the middle of the statement, or after all; `doing` waits until its session is seen so. Resolves
   * with what wakes it up to commit, and tells how that failed.
   */
  async freeze(
    {state, wait, ...sent}: (typeof FREEZES)[number],
    doing: (pid: number, state: string, wait: string) => Promise<unknown>,
  ) {
    const said = () => this.#server.lines.filter(({doing}) => doing === 'sql').length
    const before = said()
    let pending: Promise<unknown> | undefined
    if ('statement' in sent) {
      // While the session stands still, what is sent fills the sockets, and no result comes.
      process.kill(this.#pid, 'SIGSTOP')
      pending = failure(this.send(sent.statement, 'values' in sent ? sent.values : undefined))
      await until('the statement is on its way', () => said() > before)
    }
    await this.#server.freeze()
    if (pending) process.kill(this.#pid, 'SIGCONT')
    await doing(this.#pid, state, wait)
    return async () => {
      this.#server.signal('SIGCONT')
      await pending
      return failure(this.send('COMMIT'))
    }
  }
}
