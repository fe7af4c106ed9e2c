import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {fileURLToPath} from 'node:url'
import {stopped} from '../support/stopped.mjs'

const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url))

/** @typedef {import('node:child_process').ChildProcessWithoutNullStreams} Child */

/** The server processes: by name, one life after another. */
export class Fleet {
  /** @type {Map<string, Child>} */
  #children = new Map()
  /** @type {{server: string, token: number} | undefined} */
  #primary
  #ending = false

  /**
   * @param {import('./journal.mjs').Journal} journal
   * @param {(name: string) => object} ordersOf what a server is told at its start
   */
  constructor(journal, ordersOf) {
    this.journal = journal
    this.ordersOf = ordersOf
    journal.each((line) => this.#follow(line))
    process.once('exit', () => this.killAll())
  }

  /** The server that was last seen to hold the lease. */
  get primary() {
    return this.#primary?.server
  }

  /** @param {string} name */
  runs(name) {
    return this.#children.has(name)
  }

  /**
   * Starts a server and resolves when it stands.
   *
   * @param {string} name
   */
  async start(name) {
    if (this.#ending) return
    const child = spawn(process.execPath, [SERVER, JSON.stringify(this.ordersOf(name))])
    this.#children.set(name, child)
    this.journal.note('started', {server: name, pid: Number(child.pid)})
    let stderr = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        stderr += text
      })
    }
    child.stdin.on('error', () => {})
    child.on('close', (code, signal) => {
      if (this.#children.get(name) === child) this.#children.delete(name)
      if (this.#primary?.server === name) this.#primary = undefined
      if (!this.#ending) this.journal.note('died', {server: name, code, signal, stderr})
    })
    const stands = this.journal.next(
      (line) => line.type === 'standing' && line.server === name,
      30_000,
    )
    await Promise.race([stands, once(child, 'close')])
  }

  /**
   * Has a server end in one of our ways and resolves when it has.
   *
   * @param {string} name
   * @param {'kill' | 'term' | 'exit' | 'throw'} how
   */
  async end(name, how) {
    const child = this.#children.get(name)
    if (!child) return
    const gone = once(child, 'close')
    this.journal.note('ending', {server: name, how})
    if (how === 'kill') child.kill('SIGKILL')
    else if (how === 'term') child.kill('SIGTERM')
    else child.stdin.write(`${how}\n`)
    await gone
  }

  /**
   * @param {string} name
   * @param {string} command
   * @param {number} argument
   */
  tell(name, command, argument) {
    this.#children.get(name)?.stdin.write(`${command} ${Math.round(argument)}\n`)
  }

  /** @param {string} name */
  async freeze(name) {
    const child = this.#children.get(name)
    if (!child?.kill('SIGSTOP')) return
    await stopped(Number(child.pid))
    this.journal.note('frozen', {server: name})
  }

  /** @param {string} name */
  thaw(name) {
    // First the line: what the server says next comes after it.
    this.journal.note('thawed', {server: name})
    this.#children.get(name)?.kill('SIGCONT')
  }

  killAll() {
    this.#ending = true
    for (const child of this.#children.values()) child.kill('SIGKILL')
  }

  /** @param {import('./record.mjs').Line} line */
  #follow(line) {
    if (line.type === 'held') this.#primary = {server: line.server, token: line.token}
    else if (line.type === 'unheld' && this.#primary?.token === line.token) {
      this.#primary = undefined
    }
  }
}
