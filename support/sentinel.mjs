// A master with replicas and the sentinels that watch them, as real processes.

import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {Redis} from 'ioredis'
import {now} from './record.mjs'
import {RedisServer} from './redis.mjs'
import {sleep} from './time.mjs'

/** The name under which the sentinels watch the master. */
const NAME = 'main'

/** A sentinel: it keeps what it knows in its configuration file, also over a restart. */
export class SentinelServer extends RedisServer {
  /**
   * @param {string[]} lines of its configuration
   * @param {string[]} [args] further options
   */
  static async watch(lines, args = []) {
    const sentinel = new SentinelServer(...(await RedisServer.place()), args)
    writeFileSync(sentinel.config, `${lines.join('\n')}\n`)
    await sentinel.start()
    return sentinel
  }

  get config() {
    return join(this.dir, 'sentinel.conf')
  }

  /** @override */
  get commandLine() {
    const options = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.dir]
    return [this.config, '--sentinel', ...options, ...this.args]
  }
}

/**
 * @typedef {object} GroupOptions
 * @property {number} [downAfter] for how long a master does not answer before it counts as down, in ms
 * @property {string} [password] of the sentinels
 */

export class SentinelGroup {
  name = NAME
  /** @type {RedisServer[]} */
  data = []
  /** @type {RedisServer[]} */
  sentinels = []
  /** @type {RedisServer[]} */
  #liars = []
  /** @type {Map<number, Redis>} */
  #clients = new Map()

  /** @param {GroupOptions} options */
  constructor({downAfter = 1000, password} = {}) {
    this.downAfter = downAfter
    this.password = password
  }

  /**
   * A master, two replicas and three sentinels, ready for a failover.
   *
   * @param {GroupOptions} [options]
   */
  static async start(options) {
    const group = new SentinelGroup(options)
    // A replica that has to wait for a copy of the data cannot be promoted.
    const quick = ['--repl-diskless-sync-delay', '0']
    const master = await RedisServer.start(quick)
    const replicaOf = ['--replicaof', '127.0.0.1', String(master.port)]
    group.data = [
      master,
      ...(await Promise.all([1, 2].map(() => RedisServer.start([...quick, ...replicaOf])))),
    ]
    const watch = () => SentinelServer.watch(group.#configuration(master.port))
    group.sentinels = await Promise.all([1, 2, 3].map(watch))
    await group.settled()
    return group
  }

  /**
   * One more sentinel, which names something else and never finds out.
   *
   * @param {number} port
   * @param {number} epoch
   */
  async liar(port, epoch) {
    const alone = `sentinel monitor ${NAME} 127.0.0.1 ${port} 9`
    const lies = [alone, `sentinel config-epoch ${NAME} ${epoch}`]
    const liar = await SentinelServer.watch(lies)
    this.#liars.push(liar)
    return liar
  }

  /** @param {number} port */
  #configuration(port) {
    return [
      `sentinel monitor ${NAME} 127.0.0.1 ${port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${this.downAfter}`,
      `sentinel failover-timeout ${NAME} 10000`,
      `sentinel parallel-syncs ${NAME} 2`,
      // They ask each other with the password that they want themselves.
      ...(this.password ? [`requirepass ${this.password}`] : []),
    ]
  }

  /** In ioredis's words. */
  get options() {
    const sentinels = this.sentinels.map(({port}) => ({host: '127.0.0.1', port}))
    return {sentinels, name: NAME, sentinelPassword: this.password}
  }

  get url() {
    return this.urlOf(this.sentinels)
  }

  /** @param {RedisServer[]} sentinels */
  urlOf(sentinels) {
    const hosts = sentinels.map(({port}) => `127.0.0.1:${port}`).join(',')
    const query = this.password ? `?sentinelPassword=${encodeURIComponent(this.password)}` : ''
    return `redis+sentinel://${hosts}/${NAME}${query}`
  }

  /**
   * A client of one of the processes; it is closed with the group.
   *
   * @param {RedisServer} server
   */
  client(server) {
    const known = this.#clients.get(server.port)
    if (known) return known
    const password = this.sentinels.includes(server) ? this.password : undefined
    const client = new Redis({port: server.port, password, retryStrategy: () => 50})
    // It may well be stopped.
    client.on('error', () => {})
    this.#clients.set(server.port, client)
    return client
  }

  /**
   * What a sentinel knows of the master.
   *
   * @param {RedisServer} sentinel
   * @returns {Promise<{[field: string]: string | undefined}>}
   */
  async view(sentinel) {
    const fields = /** @type {string[]} */ (
      await this.client(sentinel).call('SENTINEL', 'MASTER', NAME)
    )
    return Object.fromEntries(
      fields.flatMap((field, at) => (at % 2 ? [] : [[field, fields[at + 1]]])),
    )
  }

  /** The server that the sentinels which run name, as soon as they agree. */
  async master() {
    return this.#when('the sentinels agree', async () => {
      const views = await Promise.all(this.#running.map((sentinel) => this.view(sentinel)))
      const ports = new Set(views.map(({port}) => Number(port)))
      return ports.size === 1 ? this.data.find(({port}) => ports.has(port)) : undefined
    })
  }

  /**
   * Has the sentinels put another in the place of the master; resolves with that one.
   *
   * @param {'manual' | 'kill' | 'freeze'} how what is done to the master
   */
  async replaceMaster(how) {
    const old = await this.master()
    if (how === 'kill') await old.stop()
    else if (how === 'freeze') old.freeze()
    else {
      const [sentinel] = /** @type {[RedisServer]} */ (this.#running)
      await this.client(sentinel).call('SENTINEL', 'FAILOVER', NAME)
    }
    return this.#when('another master', async () => {
      const master = await this.master()
      return master === old ? undefined : master
    })
  }

  /**
   * Waits until the sentinels know each other and two replicas that could be promoted, and hold nobody for down:
   * what they do not know yet they cannot fail over to.
   */
  async settled() {
    const asked = this.#running
    await this.#when('the sentinels know everybody', async () => {
      for (const sentinel of asked) {
        const view = await this.view(sentinel)
        if (view.flags !== 'master') return false
        if (Number(view['num-other-sentinels']) < asked.length - 1) return false
        const replicas = /** @type {string[][]} */ (
          await this.client(sentinel).call('SENTINEL', 'REPLICAS', NAME)
        )
        const ready = replicas.filter((replica) => isReady(replica))
        if (ready.length < this.data.filter(({runs}) => runs).length - 1) return false
      }
      return true
    })
  }

  get #running() {
    return this.sentinels.filter(({runs}) => runs)
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => Promise<T | undefined>} look
   */
  async #when(what, look) {
    const end = now() + 60_000
    for (;;) {
      const found = await look()
      if (found) return found
      if (now() > end) throw new Error(`waited in vain: ${what}`)
      await sleep(50)
    }
  }

  /** Ends all of it and leaves nothing behind. */
  async close() {
    for (const client of this.#clients.values()) client.disconnect()
    const all = [...this.sentinels, ...this.data, ...this.#liars]
    await Promise.all(all.map((server) => server.close()))
  }
}

/** @param {string[]} replica */
function isReady(replica) {
  const flags = replica[replica.indexOf('flags') + 1]
  const link = replica[replica.indexOf('master-link-status') + 1]
  return flags === 'slave' && link === 'ok'
}
