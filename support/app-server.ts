import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {until} from './until'

export type Told = {at: number; event: string; [field: string]: unknown}

/** A process of the app in this directory, and what it tells. */
export class AppServer {
  static readonly #running = new Set<AppServer>()
  readonly told: Told[] = []
  readonly #child: ChildProcess
  stderr = ''

  /** @param file the compiled entry */
  constructor(file: string, cwd: string, env: Record<string, string>) {
    const options = {cwd, env: {...process.env, NODE_ENV: 'production', ...env}}
    this.#child = spawn(process.execPath, [file], {...options, stdio: ['ignore', 'pipe', 'pipe']})
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

  get runs() {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  all(event: string) {
    return this.told.filter((told) => told.event === event)
  }

  count(event: string) {
    return this.all(event).length
  }

  last(event: string) {
    return this.told.findLast((told) => told.event === event)
  }

  /** Waits until it has told of this event. */
  tells(event: string) {
    return until(`a server tells: ${event}`, () => {
      if (!this.runs) throw new Error(`it has ended: ${this.stderr}`)
      return this.told.find((told) => told.event === event)
    })
  }

  /** Asks it for the mutation that runs once at a time. */
  async mutate(): Promise<unknown> {
    const {address} = await this.tells('listens')
    const {port} = address as {port: number}
    return (await fetch(`http://127.0.0.1:${port}`)).json()
  }

  /** Sends a signal, and resolves with its exit code when it has ended. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    await closed
    AppServer.#running.delete(this)
    return this.#child.exitCode
  }
}
