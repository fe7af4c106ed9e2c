// Real PostgreSQL servers for the tests: each in a directory of its own, with a socket in it.

import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {access, chown, mkdtemp, readdir, realpath, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {guard} from './guard.mjs'
import {run, which} from './run.mjs'
import {sleep} from './time.mjs'

/** Where Debian keeps the programs of each major version. */
const DEBIAN = '/usr/lib/postgresql'

/** The folder of PostgreSQL's programs, the PATH's or Debian's newest, or undefined. */
export async function findPostgres() {
  const onPath = await which('initdb')
  // A link need not have the others beside it.
  if (onPath) return dirname(await realpath(onPath))
  const versions = await readdir(DEBIAN).catch(() => /** @type {string[]} */ ([]))
  versions.sort((a, b) => Number(b) - Number(a))
  for (const version of versions) {
    const folder = join(DEBIAN, version, 'bin')
    // A client's package leaves a folder too, without the server.
    const complete = await access(join(folder, 'initdb')).then(
      () => true,
      () => false,
    )
    if (complete) return folder
  }
  return undefined
}

/** One server process with an empty database, or a standby of one. */
export class PostgresServer {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  /** @type {import('node:child_process').ChildProcess} */
  #guard
  #folder
  #user

  /**
   * @param {string} folder
   * @param {{uid: number, gid: number} | undefined} user
   * @param {string} dir
   */
  constructor(folder, user, dir) {
    this.#folder = folder
    this.#user = user
    this.#guard = guard(GUARD, dir)
    this.dir = dir
    /** Of its only database and its only role, which may do everything. */
    this.url = `postgresql://postgres@/postgres?host=${encodeURIComponent(dir)}`
  }

  /** Resolves when it answers. */
  static async start() {
    const server = await PostgresServer.#prepare()
    const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N']
    await server.#execute('initdb', options)
    await server.#launch()
    return server
  }

  /** A hot standby that follows another; resolves when it answers. */
  static async standby(/** @type {PostgresServer} */ primary) {
    const server = await PostgresServer.#prepare()
    await server.#execute('pg_basebackup', ['-d', primary.url, '-R', '-c', 'fast', '-N'])
    await server.#launch()
    return server
  }

  static async #prepare() {
    const folder = await findPostgres()
    if (!folder) throw new Error('no PostgreSQL on this machine: npm run setup')
    const dir = await mkdtemp(join(tmpdir(), 'primary-lease-postgres-'))
    const user = await userThatMayRunIt()
    if (user) await chown(dir, user.uid, user.gid)
    return new PostgresServer(folder, user, dir)
  }

  /** Has one of its programs fill the data directory. */
  async #execute(/** @type {string} */ program, /** @type {string[]} */ options) {
    const args = ['-D', join(this.dir, 'data'), ...options]
    await finished(spawn(join(this.#folder, program), args, {...this.#user, cwd: this.dir}))
  }

  async #launch() {
    // On no port: its socket lies in its own directory. Nothing of it has to survive a crash.
    const settings = [
      'listen_addresses=',
      'fsync=off',
      'max_connections=50',
      'max_prepared_transactions=5',
    ]
    const args = ['-D', join(this.dir, 'data'), '-k', this.dir]
    args.push(...settings.flatMap((setting) => ['-c', setting]))
    const child = spawn(join(this.#folder, 'postgres'), args, {...this.#user, cwd: this.dir})
    this.#process = child
    const log = collect(child)
    while (!/ready to accept (read-only )?connections/.test(log())) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`postgres ended at once:\n${log()}`)
      await sleep(20)
    }
  }

  async #stop(/** @type {NodeJS.Signals} */ signal) {
    const child = this.#process
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
  }

  /** Ends its sessions, and comes back with what was committed. */
  async restart() {
    await this.#stop('SIGINT')
    await this.#launch()
  }

  /** Ends it, without waiting for its clients, and leaves nothing behind. */
  async close() {
    await this.#stop('SIGQUIT')
    this.#guard.kill('SIGKILL')
    await rm(this.dir, {recursive: true, force: true})
  }
}

/**
 * SIGQUIT, for SIGKILL would leave its shared memory behind. Its directory goes when it has ended, or
 * has had more than the five seconds after which it ends its children by force.
 */
const GUARD = `
  pid="$1/data/postmaster.pid"
  [ -e "$pid" ] && kill -QUIT "$(head -n 1 "$pid")"
  tries=0
  while [ -e "$pid" ] && [ $tries -lt 60 ]; do sleep 0.1; tries=$((tries + 1)); done
  rm -rf "$1"`

/** PostgreSQL refuses to run as root: then Debian's user for it, or nobody. */
export async function userThatMayRunIt() {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const id = (/** @type {string} */ flag) => run('id', [flag, name]).then(Number, () => undefined)
    const [uid, gid] = await Promise.all([id('-u'), id('-g')])
    if (uid !== undefined && gid !== undefined) return {uid, gid}
  }
  throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody')
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns what it has printed so far
 */
function collect(child) {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  return () => output
}

/** @param {import('node:child_process').ChildProcess} child */
async function finished(child) {
  const output = collect(child)
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${child.spawnfile} exited with ${code ?? signal}:\n${output()}`)
}
