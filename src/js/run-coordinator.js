'use strict'

const {invalid} = require('./errors.js')
const {LeaderRunner} = require('./leader-runner.js')
const {given, reading, text} = require('./options.js')

/** As node-cron's own default for `distributedLease`, in ms. */
const USUAL_LEASE = 30_000

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const OPTIONS = ['tickMemory', 'acquireTimeout', 'maxRun', 'stallTimeout', 'exitTimeout']

/** Says for node-cron which server runs a tick.
 *
 * @implements {RunCoordinator}
 * @typedef {import('../../index.js').RunCoordinator} RunCoordinator
 */
class Coordinator {
  #make
  /** By the ttl of their leases, which node-cron has for each task.
   * @type {Map<number, LeaderRunner>}
   */
  #runners = new Map()
  /** The runs that node-cron is in, by its key.
   * @type {Map<string, {end: () => void, ended: Promise<unknown>}>}
   */
  #runs = new Map()
  #closed = false

  /**
   * @param {import('../../index.js').RedisSource} redis
   * @param {string} prefix
   * @param {import('../../index.js').RunCoordinatorOptions} [options]
   */
  constructor(redis, prefix, options) {
    const read = reading(() => given(options, OPTIONS))
    // A tick is named by its scheduled time, so no lease has to be kept for late servers.
    this.#make = (/** @type {number} */ ttl) =>
      new LeaderRunner(redis, prefix, ttl, {...read, minHold: 0})
    this.#runners.set(USUAL_LEASE, this.#make(USUAL_LEASE))
  }

  /**
   * @param {string} key
   * @param {number} ttlMs
   * @returns {Promise<boolean>}
   */
  async shouldRun(key, ttlMs) {
    const {name, tick} = named(key)
    if (this.#closed) return false
    const runner = this.#runner(ttlMs)
    return new Promise((resolve, reject) => {
      const run = () =>
        new Promise((/** @type {(value?: undefined) => void} */ end) => {
          this.#runs.set(key, {end, ended})
          resolve(true)
        })
      const ended = runner.runLocked(name, run, undefined, {tick}).then((outcome) => {
        // After the run has begun this changes nothing more.
        if (outcome.outcome === 'skipped') resolve(false)
        else if (outcome.outcome !== 'ran') reject(outcome.error)
      })
    })
  }

  /**
   * @param {string} key
   * @returns {Promise<void>}
   */
  async onComplete(key) {
    const run = this.#runs.get(key)
    this.#runs.delete(key)
    run?.end()
    await run?.ended
  }

  /** @param {{drain?: number}} [options] */
  async close(options) {
    this.#closed = true
    await Promise.all([...this.#runners.values()].map((runner) => runner.close(options)))
  }

  /** @param {number} ttl */
  #runner(ttl) {
    const known = this.#runners.get(ttl)
    if (known) return known
    const made = this.#make(ttl)
    this.#runners.set(ttl, made)
    return made
  }
}

/**
 * The parts of node-cron's key: the task's name, and its scheduled time as `toISOString` writes it.
 *
 * @param {unknown} key
 */
function named(key) {
  const [, name, at] = /^(.*):([+-]?\d{4,6}-\d\d-\d\dT.*Z)$/s.exec(text('key', key)) ?? []
  const tick = new Date(at ?? Number.NaN)
  if (name === undefined || Number.isNaN(tick.getTime())) {
    throw invalid(
      `key must be <name>:<scheduled time>, as node-cron has it, got ${JSON.stringify(text('key', key))}`,
    )
  }
  // What node-cron calls a task that was given none: another word on every server, each of which would run it.
  if (name === '' || UUID.test(name)) {
    throw invalid(
      `a distributed task of node-cron needs a name, the same on all servers, got ${JSON.stringify(name)}`,
    )
  }
  return {name, tick}
}

/**
 * @param {import('../../index.js').RedisSource} redis
 * @param {string} prefix
 * @param {import('../../index.js').RunCoordinatorOptions} [options]
 * @returns {RunCoordinator}
 */
const runCoordinator = (redis, prefix, options) => new Coordinator(redis, prefix, options)

exports.runCoordinator = runCoordinator
