// Real Redis servers for the tests and the demo: each on a port and in a directory of its own.

import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {access, constants, mkdtemp, rm} from 'node:fs/promises'
import {connect, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {guard} from './guard.mjs'
import {run} from './run.mjs'
import {sleep} from './time.mjs'

/** The path of the first redis-server or valkey-server on the PATH, or undefined. */
export async function findRedisServer() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of folders) {
      const path = join(folder, name)
      const runs = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (runs) return path
    }
  }
  return undefined
}

/**
 * A port that nobody listens on, and that no system gives to outgoing connections: while a server
 * is down, one of those could take its place.
 */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** One server process, which can be stopped, started again and frozen. It keeps its port. */
export class RedisServer {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #guard
  #frozen = false
  /**
   * What its process finds in its environment besides our own.
   *
   * @type {Record<string, string>}
   */
  env = {}

  /**
   * @param {string} program
   * @param {string} dir
   * @param {number} port
   * @param {string[]} args
   */
  constructor(program, dir, port, args) {
    this.program = program
    this.dir = dir
    this.port = port
    this.args = args
    this.url = `redis://127.0.0.1:${port}`
  }

  /**
   * A server that writes every command to disk before it answers, so that a restart can find all
   * of its data.
   *
   * @param {string[]} [args] further options of the server
   * @param {string} [program] instead of that on the PATH
   */
  static async start(args = [], program) {
    const server = await RedisServer.reserve(args, program)
    await server.start()
    return server
  }

  /**
   * One that is not running yet, but has its port and its directory.
   *
   * @param {string[]} [args]
   * @param {string} [program]
   */
  static async reserve(args = [], program) {
    return new RedisServer(...(await RedisServer.place(program)), args)
  }

  /**
   * What a new one needs: the program, a directory and a port.
   *
   * @param {string} [given] the program
   * @returns {Promise<[string, string, number]>}
   */
  static async place(given) {
    const program = given ?? (await findRedisServer())
    if (!program) throw new Error('no redis-server or valkey-server on the PATH: npm run setup')
    const dir = await mkdtemp(join(tmpdir(), 'primary-lease-redis-'))
    return [program, dir, await freePort()]
  }

  /**
   * Whether it speaks as a Redis of this major version or a later one; every Valkey does.
   *
   * @param {number} major
   */
  async atLeast(major) {
    const version = await run(this.program, ['--version'])
    return Number(/v=(\d+)/.exec(version)?.[1]) >= major
  }

  get runs() {
    const child = this.#process
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get pid() {
    return this.#process?.pid
  }

  /** What its process is started with. */
  get commandLine() {
    const options = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.dir]
    const disk = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always']
    return [...options, ...disk, ...this.args]
  }

  /** Resolves when it answers. */
  async start() {
    const child = spawn(this.program, this.commandLine, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {...process.env, ...this.env},
    })
    let log = ''
    child.stdout.on('data', (text) => {
      log += text
    })
    this.#process = child
    this.#guard = guard('kill -9 "$1"; rm -rf "$2"', String(child.pid), this.dir)
    while (!(await answers(this.port))) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${this.program} ended at once:\n${log}`)
      await sleep(10)
    }
  }

  /**
   * Ends the process at once, as a crash would.
   *
   * @param {{keepData?: boolean}} [options]
   */
  async stop({keepData = true} = {}) {
    const child = this.#process
    if (!child) return
    this.#process = undefined
    this.#frozen = false
    this.#guard?.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    if (!keepData) await rm(join(this.dir, 'appendonlydir'), {recursive: true, force: true})
  }

  /** Leaves its connections open and answers nothing. */
  freeze() {
    this.#frozen = this.#process?.kill('SIGSTOP') ?? false
  }

  thaw() {
    if (this.#frozen) this.#process?.kill('SIGCONT')
    this.#frozen = false
  }

  /** Ends it for good and leaves nothing behind. */
  async close() {
    await this.stop()
    await rm(this.dir, {recursive: true, force: true})
  }
}

/**
 * Whether a Redis on this port answers; a demand for a password is an answer too.
 *
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (/** @type {boolean} */ answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => done(false))
    socket.on('error', () => done(false))
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', (reply) => done(/^(\+PONG|-NOAUTH)/.test(reply.toString())))
  })
}
