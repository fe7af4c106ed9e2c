import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {until} from '../../support/until'
import {app} from './installed'

type Told = {event: string; [field: string]: unknown}

/** A process of the app's server, and what it tells. */
export class AppServer {
  static readonly #running = new Set<AppServer>()
  readonly told: Told[] = []
  readonly #child: ChildProcess
  stderr = ''

  /** @param file the compiled server */
  constructor(file: string, redisUrl: string, cwd = app) {
    const env = {...process.env, REDIS_URL: redisUrl}
    this.#child = spawn(process.execPath, [file], {cwd, env, stdio: ['ignore', 'pipe', 'pipe']})
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    if (!this.#child.stdout) throw new Error('its output is a pipe')
    createInterface({input: this.#child.stdout}).on('line', (line) =>
      this.told.push(JSON.parse(line)),
    )
    AppServer.#running.add(this)
  }

  static killAll() {
    for (const server of AppServer.#running) server.#child.kill('SIGKILL')
    AppServer.#running.clear()
  }

  count(event: string) {
    return this.told.filter((told) => told.event === event).length
  }

  /** Waits until it has told of this event. */
  tells(event: string) {
    return until(`a server tells: ${event}`, () => {
      if (this.#child.exitCode !== null) throw new Error(`it has ended: ${this.stderr}`)
      return this.told.find((told) => told.event === event)
    })
  }

  /** Whether its embedder is primary. */
  async isPrimary() {
    await this.tells('listens')
    return this.count('embedder is primary') === 1
  }

  /** Asks it for the mutation that runs once at a time. */
  async mutate(): Promise<unknown> {
    const {address} = await this.tells('listens')
    const {port} = address as {port: number}
    return (await fetch(`http://127.0.0.1:${port}`)).json()
  }

  /** Sends SIGTERM, which it handles, and resolves with its exit code. */
  async terminate(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    AppServer.#running.delete(this)
    return this.#child.exitCode
  }
}
