import {join} from 'node:path'
import {Redis} from 'ioredis'
import {Clock} from '../support/clock.mjs'
import {kindOf} from '../support/kinds.mjs'
import {keyOf} from '../support/record.mjs'
import {answers, RedisServer} from '../support/redis.mjs'
import {attempts} from '../support/resource.mjs'
import {sleep} from '../support/time.mjs'
import {Detour} from './detour.mjs'
import {ACTS} from './faults.mjs'
import {Fleet} from './fleet.mjs'
import {Random} from './random.mjs'

const PREFIX = 'chaos'
/** A write is in the system's hands before its answer, which outlives the process: no disk is waited
 * for, so that a busy one is not taken for a Redis that hangs. */
const NO_SYNC = ['--appendfsync', 'no']

/**
 * @typedef {{names: string[], ttl: number, exitTimeout: number, stallTimeout: number}} Cast
 * @typedef {import('./plan.mjs').PlannedFault} PlannedFault
 */

/** All that plays: the Redis that suffers, the ways to it, the servers and the resource. */
export class Stage {
  key = keyOf(PREFIX)
  /** @type {Map<string, Detour>} */
  #detours = new Map()
  /** Servers that suffer something now. */
  #busy = new Set()
  #faults = 0
  #written = 0
  #resourceClient

  /**
   * @param {import('./journal.mjs').Journal} journal
   * @param {Cast} cast
   * @param {{redis: RedisServer, resource: RedisServer, clock: Clock | undefined}} built
   */
  constructor(journal, cast, {redis, resource, clock}) {
    this.journal = journal
    this.cast = cast
    this.redis = redis
    this.resource = resource
    this.clock = clock
    this.#resourceClient = new Redis(resource.url)
    this.fleet = new Fleet(journal, (name) => ({
      record: journal.path,
      url: `redis://127.0.0.1:${this.#detours.get(name)?.port}`,
      resource: resource.url,
      prefix: PREFIX,
      name,
      ttl: cast.ttl,
      exitTimeout: cast.exitTimeout,
      stallTimeout: cast.stallTimeout,
    }))
  }

  /**
   * @param {import('./journal.mjs').Journal} journal
   * @param {Cast} cast
   */
  static async build(journal, cast) {
    const redis = await RedisServer.reserve([...NO_SYNC, '--lua-time-limit', '50'])
    // Since Redis 7 it has to be allowed; before, the option is unknown.
    if (await redis.atLeast(7)) {
      redis.args.push('--enable-debug-command', 'yes', '--enable-protected-configs', 'yes')
    }
    const clock = await Clock.make(join(redis.dir, 'clock'))
    redis.env = clock?.env ?? {}
    await redis.start()
    const resource = await RedisServer.start(NO_SYNC)
    const stage = new Stage(journal, cast, {redis, resource, clock})
    for (const name of cast.names) {
      const detour = new Detour(redis.port)
      await detour.listen()
      stage.#detours.set(name, detour)
    }
    return stage
  }

  /** @param {string[]} names */
  detoursOf(names) {
    return names.flatMap((name) => this.#detours.get(name) ?? [])
  }

  /**
   * Plays one fault for those that suffer nothing else.
   *
   * @param {PlannedFault} fault
   */
  async play({kind, lasts, whom, pick}) {
    const {ttl} = this.cast
    const channel = kindOf(kind)?.channel
    const names = channel === 'redis' ? [] : this.#choose(whom, pick, channel === 'server')
    if (channel !== 'redis' && !names.length) return
    const id = ++this.#faults
    for (const name of names) this.#busy.add(name)
    this.journal.note('fault', {id, kind, scope: names, lasts: Math.round(lasts * ttl)})
    let failed
    try {
      await ACTS[kind](this, {names, ms: lasts * ttl, ttl, random: new Random(pick * 2 ** 32)})
    } catch (error) {
      failed = String(error)
      await this.#mend()
    }
    if (channel === 'redis') await this.#answering()
    for (const name of names) this.#busy.delete(name)
    this.journal.note('over', {id, failed})
  }

  /**
   * @param {'primary' | 'standby' | 'all'} whom
   * @param {number} pick
   * @param {boolean} alone it is not to suffer anything else
   */
  #choose(whom, pick, alone) {
    const free = this.cast.names.filter(
      (name) => this.fleet.runs(name) && !(alone && this.#busy.has(name)),
    )
    const {primary} = this.fleet
    if (whom === 'all') return free
    const standbys = free.filter((name) => name !== primary)
    if (whom === 'primary' && primary && free.includes(primary)) return [primary]
    return standbys.slice(pick * standbys.length, pick * standbys.length + 1)
  }

  /**
   * One command on a connection of its own, past the proxies.
   *
   * @param {string} command
   * @param {...string} args
   */
  ask(command, ...args) {
    return this.session((client) => client.call(command, ...args))
  }

  /**
   * @template T
   * @param {(client: Redis) => Promise<T>} talk
   */
  async session(talk) {
    const client = new Redis(this.redis.url, {
      enableReadyCheck: false,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    })
    client.on('error', () => {})
    try {
      return await talk(client)
    } finally {
      client.disconnect()
    }
  }

  /** What the resource decided since this was asked last goes into the record. */
  async collectWrites() {
    const writes = await attempts(this.#resourceClient, this.#written)
    for (const {type, ...rest} of writes) this.journal.note(type, rest)
    this.#written += writes.length
  }

  async close() {
    this.fleet.killAll()
    for (const detour of this.#detours.values()) detour.close()
    this.#resourceClient.disconnect()
    await this.redis.close()
    await this.resource.close()
  }

  /** Takes back whatever half a fault may have left behind. */
  async #mend() {
    this.redis.thaw()
    await this.#answering()
    await this.ask('CONFIG', 'SET', 'maxmemory', '0').catch(() => {})
    await this.ask('CONFIG', 'SET', 'maxclients', '10000').catch(() => {})
    await this.ask('CONFIG', 'SET', 'save', '').catch(() => {})
    await this.ask('CONFIG', 'SET', 'dir', this.redis.dir).catch(() => {})
    await this.ask('REPLICAOF', 'NO', 'ONE').catch(() => {})
  }

  async #answering() {
    while (!(await answers(this.redis.port))) {
      if (!this.redis.runs) await this.redis.start().catch(() => {})
      await sleep(10)
    }
  }
}
