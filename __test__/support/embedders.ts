import {mkdtempSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {Redis} from 'ioredis'
import {AppServer, type Told} from '../../support/app-server'
import {now} from '../../support/record.mjs'
import type {RedisServer} from '../../support/redis.mjs'
import {transpile} from '../../support/transpile'
import {until} from '../../support/until'

const ROOT = join(__dirname, '../..')

/** From one reset of stalled jobs to the next, where it is five minutes in life. */
const RESET_MS = 50

/** The model of Parabol's servers, compiled: `remove` it after the last test. */
export function compileModel() {
  // In this directory the package finds itself by its name.
  const dir = mkdtempSync(join(ROOT, 'target/model-'))
  transpile(join(ROOT, 'package-tests/app'), dir)
  return {dir, remove: () => rmSync(dir, {recursive: true})}
}

/** The ways to become primary that the model knows. */
export type Way = 'today' | 'import' | 'scope' | 'whilePrimary'

/** The embedders of one deployment, and what became of their work. */
export class Embedders {
  readonly database: Redis
  readonly #servers: {server: AppServer; version: string}[] = []
  readonly #model: string
  readonly #way: Way
  readonly #redisUrl: string
  readonly #databaseUrl: string

  /** @param database where PostgreSQL would be: it is never away */
  constructor(model: string, way: Way, redisUrl: string, database: RedisServer, db: number) {
    this.#model = model
    this.#way = way
    this.#redisUrl = redisUrl
    this.#databaseUrl = `${database.url}/${db}`
    this.database = new Redis(this.#databaseUrl)
  }

  start(version: string, entry = 'embedder.js') {
    const server = new AppServer(entry, this.#model, {
      WAY: this.#way,
      APP_VERSION: version,
      SERVER_ID: `${version}-${this.#servers.length}`,
      REDIS_URL: this.#redisUrl,
      DATABASE_URL: this.#databaseUrl,
      RESET_MS: String(RESET_MS),
    })
    this.#servers.push({server, version})
    return server
  }

  /** A server that has been told whether it is primary, for so long that another's work would be seen beside its own. */
  async started(version: string) {
    const server = this.start(version)
    await server.tells('listens')
    const from = now()
    const others = () =>
      this.#servers.some(
        (one) => one.server !== server && Number(one.server.last('reset')?.at) > from,
      )
    await until('a reset by another server, or none', () => others() || now() > from + 3_000)
    return server
  }

  /** A primary and another server, so long after their start that today's lock has run out. */
  async pair(version: string) {
    const primary = this.start(version)
    await primary.tells('reset')
    const other = await this.started(version)
    const redis = new Redis(this.#redisUrl)
    // Its 30 s are over: nobody has the time to wait for them.
    const locks = await redis.keys('*_isPrimary_*')
    if (locks.length > 0) await redis.del(locks)
    redis.disconnect()
    return [primary, other] as const
  }

  /** All that any of them has told of this event. */
  all(event: string): Told[] {
    return this.#servers.flatMap(({server}) => server.all(event))
  }

  /** What each has told, as the time from the first to the last word of it. */
  #spans(nameOf: (told: Told) => string | undefined) {
    const spans = new Map<string, {from: number; to: number}>()
    for (const [index, {server}] of this.#servers.entries()) {
      for (const told of server.told) {
        const name = nameOf(told)
        if (name === undefined) continue
        const span = spans.get(`${index} ${name}`)
        spans.set(`${index} ${name}`, {from: span?.from ?? told.at, to: told.at})
      }
    }
    return [...spans.values()]
  }

  #intervals() {
    return this.#spans(({event, interval}) => (event === 'reset' ? String(interval) : undefined))
  }

  /** How many intervals that reset stalled jobs there have been. */
  intervals() {
    return this.#intervals().length
  }

  /** How many of them there were at the same time, at most. */
  intervalsAtOnce() {
    return mostAtOnce(this.#intervals())
  }

  /** How many leases of this name were held at the same time, at most. */
  leasesAtOnce(name: string) {
    return mostAtOnce(
      this.#spans(({event, lease, token}) =>
        event === 'held' && lease === name ? String(token) : undefined,
      ),
    )
  }

  /** Waits until stalled jobs are reset from now on; resolves with whether they are in this time. */
  async goesOn(within: number) {
    const from = now()
    const resets = () => this.all('reset').some(({at}) => at > from)
    await until('a reset, or the end of the time', () => resets() || now() > from + within)
    return resets()
  }

  /** The versions that were started, and have no tables. */
  withoutTables() {
    const made = this.all('made tables').map(({version}) => version)
    const versions = new Set(this.#servers.map(({version}) => version))
    return [...versions].filter((version) => !made.includes(version))
  }

  /** Kills what is left of them. */
  async close() {
    for (const {server} of this.#servers) if (server.runs) await server.end('SIGKILL')
    this.database.disconnect()
  }
}

function mostAtOnce(spans: {from: number; to: number}[]) {
  const at = (moment: number) => spans.filter(({from, to}) => from <= moment && moment <= to).length
  return Math.max(0, ...spans.map(({from}) => at(from)))
}
