// Servers under what people run them under: frameworks, process managers, bundlers. What such a server
// does it tells in a file (apps/work.mjs), whatever becomes of its output.

import {type ChildProcess, spawn} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import Redis from 'ioredis'
import {guard} from '../../support/guard.mjs'
import {keyOf} from '../../support/record.mjs'
import {RedisServer} from '../../support/redis.mjs'
import {until} from '../../support/until'
import {dir, tool} from './installed'

/** The folder of the apps, in which primary-lease is installed. */
export const apps = join(dir, 'apps')

/** A file in their `node_modules`. */
export const program = (path: string) => join(apps, 'node_modules', path)

const node24 = tool('node-24/bin/node')
/** For frameworks that do not run on the oldest Node that we run on. */
export const newerNode = existsSync(node24) ? node24 : process.execPath

/** Some compile before they begin. */
const PATIENCE = 150_000

type Event = {event: string; pid: number; [field: string]: unknown}
type Options = {node?: string; cwd?: string; env?: Record<string, string>}

/** What servers tell in a file. */
export class Told {
  constructor(readonly file: string) {}

  /** All that was told so far, or what was told of one event. */
  told(event?: string): Event[] {
    if (!existsSync(this.file)) return []
    const lines = readFileSync(this.file, 'utf8').split('\n').slice(0, -1)
    const all = lines.map((line) => JSON.parse(line) as Event)
    return event === undefined ? all : all.filter((told) => told.event === event)
  }

  /** Waits until an event has been told this often, and resolves with the last of these. */
  tells(event: string, times = 1) {
    const what = `an app tells: ${event} (${times})`
    return until(what, () => this.told(event)[times - 1] ?? this.mustRun(), PATIENCE)
  }

  /** Throws where nothing can be told any more. */
  protected mustRun(): undefined {}
}

/** A process with all that it starts, and what the servers among them tell. */
export class App extends Told {
  static readonly #running = new Set<App>()
  readonly #child: ChildProcess
  readonly #guard: ChildProcess
  output = ''

  constructor(command: string, args: string[], {cwd = apps, env}: Options = {}) {
    super(join(dir, `told-${randomUUID()}`))
    this.#child = spawn(command, args, {
      cwd,
      env: {...process.env, TOLD: this.file, ...env},
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that none of it is left.
      detached: true,
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.output += text
      })
    }
    this.#guard = guard('kill -9 -- "-$1"', String(this.pid))
    App.#running.add(this)
  }

  static killAll() {
    for (const app of App.#running) {
      app.#guard.kill('SIGKILL')
      try {
        process.kill(-app.pid, 'SIGKILL')
      } catch {
        // All of it has ended.
      }
    }
    App.#running.clear()
  }

  get pid() {
    return Number(this.#child.pid)
  }

  get #ended() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  protected override mustRun(): undefined {
    if (this.#ended) throw new Error(`it has ended: ${this.output}`)
  }

  /** Waits until this is in its output. */
  prints(text: string) {
    return until(
      `an app prints: ${text}`,
      () => this.output.includes(text) || this.mustRun(),
      PATIENCE,
    )
  }

  kill(signal: NodeJS.Signals) {
    this.#child.kill(signal)
  }

  /** Resolves with its exit code or its signal when it has ended. */
  async ended() {
    if (!this.#ended) await once(this.#child, 'exit')
    return this.#child.exitCode ?? this.#child.signalCode
  }

  /** The same for one that is sent a signal. */
  end(signal: NodeJS.Signals) {
    this.kill(signal)
    return this.ended()
  }
}

/** A Redis of this test file's own, and apps that use it, all of which are killed after each test. */
export function useApps() {
  let redis: RedisServer
  let client: Redis

  beforeAll(async () => {
    redis = await RedisServer.start()
    client = new Redis({port: redis.port, disconnectTimeout: 0})
    client.on('error', () => {})
  })
  afterEach(App.killAll)
  afterAll(async () => {
    client?.disconnect()
    await redis?.close()
  })

  return {
    get url() {
      return redis.url
    },
    /** Starts a program of Node. */
    start(args: string[], {node = process.execPath, env, ...options}: Options = {}) {
      return new App(node, args, {...options, env: {REDIS_URL: redis.url, ...env}})
    },
    /** Whether an election was resigned by its last primary, and nobody was elected since. */
    async released(prefix: string) {
      const {released, token} = await client.hgetall(keyOf(prefix))
      return Number(token) > 0 && released === '1'
    },
    /** Waits until its record has been written again. */
    async renewed(prefix: string) {
      const at = await client.hget(keyOf(prefix), 'at')
      await until('a renewal', async () => (await client.hget(keyOf(prefix), 'at')) !== at)
    },
  }
}
