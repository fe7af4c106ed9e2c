import {type ChildProcessWithoutNullStreams, execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import type {ElectionOptions} from '../../index.js'
import {stopped} from '../../support/stopped.mjs'
import {until} from '../../support/until'

/** What a server process tells: an event, a log line, or what it is about to do. */
export type Line = {
  /** Milliseconds on the clock that all processes of this machine share. */
  at: number
  /** Of the worker thread with this name. */
  worker?: string
  change?: string
  token?: number
  reason?: string
  cause?: string
  held?: boolean
  aborted?: boolean
  primary?: {serverId: string; token: number}
  log?: string
  message?: string
  fields?: Record<string, unknown>
  doing?: string
  seen?: string
  work?: string
  remainingMs?: number
}

type Answer = Line & {id?: number; result?: unknown; error?: {code?: string; message: string}}

export type Election = {url: string; prefix: string; options?: ElectionOptions}

/** A real Node process that uses the addon. */
export class Server {
  static readonly #running = new Set<Server>()

  readonly lines: Line[] = []
  readonly stderr: string[] = []
  readonly exited: Promise<unknown>
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #calls = 0

  /**
   * @param switches for Node
   * @param env what it finds in its environment besides our own
   */
  constructor(switches: string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [...switches, join(__dirname, 'server.mjs')], {
      env: {...process.env, ...env},
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => this.stderr.push(text))
    // What was asked of a process that is gone by now has no answer; the caller waits for its end.
    this.#child.stdin.on('error', () => {})
    this.exited = once(this.#child, 'close')
    createInterface({input: this.#child.stdout}).on('line', (line) => this.#heard(line))
    Server.#running.add(this)
    this.exited.then(() => Server.#running.delete(this))
  }

  /** Ends whatever a test has left running. */
  static async killAll() {
    await Promise.all([...Server.#running].map((server) => server.kill()))
  }

  /** A server that has called `establishPrimaryServer` and been answered. */
  static async establish({url, prefix, options}: Election) {
    const server = new Server()
    const lease = await server.call('establish', url, prefix, options)
    return Object.assign(server, {lease: lease as {token: number} | null})
  }

  /** A server that listens, and so takes over; it has been told who is primary, or is it. */
  static async stand(election: Election, switches: string[] = []) {
    const server = new Server(switches)
    await server.call('listen', election.prefix)
    await server.call('establish', election.url, election.prefix, election.options)
    await until('the server knows who is primary', () =>
      server.lines.some(({change}) => change === 'elected' || change === 'primary-changed'),
    )
    return server
  }

  call(name: string, ...args: unknown[]): Promise<unknown> {
    const id = ++this.#calls
    this.#child.stdin.write(`${JSON.stringify({id, call: name, args})}\n`)
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({result, error}) => {
        if (error) reject(Object.assign(new Error(error.message), {code: error.code}))
        else resolve(result)
      })
    })
  }

  /** Tells it to do something that it does not survive. */
  send(name: 'exit' | 'throw' | 'end' | 'reject' | 'abort') {
    this.call(name).catch(() => {})
  }

  changes(type: string) {
    return this.lines.filter(({change}) => change === type)
  }

  /** The event of this type that comes `nth`, counted from 1. */
  async change(type: string, nth = 1): Promise<Line> {
    return until(`${type} number ${nth}`, () => this.changes(type)[nth - 1])
  }

  async line(description: string, matches: (line: Line) => boolean): Promise<Line> {
    return until(description, () => this.lines.find(matches))
  }

  signal(name: NodeJS.Signals) {
    this.#child.kill(name)
  }

  /** Resolves when it stands still: a signal takes a moment. */
  async freeze() {
    this.signal('SIGSTOP')
    await stopped(Number(this.#child.pid))
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  #heard(text: string) {
    const line: Answer = JSON.parse(text)
    if (line.id === undefined) this.lines.push(line)
    else this.#answers.get(line.id)?.(line)
  }
}

/**
 * Runs a script of a few lines, with the addon's exports and `url` in scope, to its own end.
 * Rejects when it has not ended by itself in time.
 */
export async function runScript(
  url: string,
  script: string,
  {switches = [] as string[], timeout = 60_000, env = process.env} = {},
) {
  const addon = JSON.stringify(join(__dirname, '../../index.js'))
  const source = `Object.assign(globalThis, require(${addon})); const url = '${url}'; ${script}`
  return new Promise<{code: number; stdout: string; stderr: string; ms: number}>(
    (resolve, reject) => {
      const begun = performance.now()
      execFile(
        process.execPath,
        [...switches, '-e', source],
        {timeout, env},
        (error, stdout, stderr) => {
          if (error?.killed) reject(new Error(`the script did not end: ${stdout}${stderr}`))
          const code = error ? Number(error.code) : 0
          resolve({code, stdout, stderr, ms: performance.now() - begun})
        },
      )
    },
  )
}
