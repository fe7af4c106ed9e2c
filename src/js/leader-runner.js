'use strict'

const {addon} = require('./binary.js')
const {checkRun} = require('./core.js')
const {countRun} = require('./counters.js')
const {watched} = require('./diagnostics.js')
const {calling, invalid} = require('./errors.js')
const {log} = require('./log.js')
const {MAX_MS, callable, describe, given, millis, reading, text} = require('./options.js')
const {Run} = require('./run.js')
const {isBounded, isOfTick, ofRun, ofRunner, periodOf} = require('./run-options.js')
const {outcomeOf} = require('./run-outcome.js')
const {storeOf} = require('./source.js')

/** @typedef {import('../../index.js').RunOutcome} RunOutcome */
/** @typedef {import('./run.js').Ending} Ending */

/** Jobs of so many names are watched. */
const MOST_WATCHED = 1_000

const TOO_LONG =
  'a job was asked for twice within half of tickEvery, which is to be the shortest time between two ' +
  'ticks: one of them is skipped'

/** Runs the jobs of a scheduler that every server has, each tick on one of them. */
class LeaderRunner {
  /** @type {string} */
  #prefix
  /** @type {number} */
  #lockTTL
  /** @type {number[]} */
  #options
  /** @type {import('./source.js').Store} */
  #store
  #closed = false
  /** When each job of a period was asked for last, and whether somebody was warned of one. */
  #asked = new Map()
  #warned = false
  /** The jobs that Redis was not there for when they were asked for last.
   * @type {Set<string>} */
  #missed = new Set()
  /** The runs that have not ended.
   * @type {Set<Run>} */
  #runs = new Set()

  /**
   * @param {import('../../index.js').RedisSource} redis
   * @param {string} prefix
   * @param {number} lockTTL
   * @param {import('../../index.js').LeaderRunnerOptions} [options]
   */
  constructor(redis, prefix, lockTTL, options) {
    this.#prefix = calling(() => addon.jobResource(text('prefix', prefix)))
    this.#lockTTL = ttlOf(lockTTL)
    this.#options = reading(() => ofRunner(lockTTL, options))
    calling(() => checkRun(this.#options))
    this.#store = storeOf(redis)
  }

  /**
   * @template {RunOutcome | void} [Outcome=RunOutcome]
   * @param {string} name
   * @param {(lease: import('../../index.js').Lease) => unknown} run
   * @param {(() => unknown) | null} [skip]
   * @param {import('../../index.js').RunOptions} [options]
   * @returns {Promise<Outcome>}
   */
  async runLocked(name, run, skip, options) {
    return /** @type {any} */ (await this.#run(name, run, skip, options))
  }

  /** @param {{drain?: number}} [options] */
  async close(options) {
    const drain = reading(() => millis('drain', given(options, ['drain']).drain)) ?? this.#lockTTL
    this.#closed = true
    const left = [...this.#runs].map((run) => !run.abandon('closed') && run.leaveWithin(drain))
    await Promise.all(left)
  }

  /**
   * @param {unknown} name
   * @param {(lease: import('../../index.js').Lease) => unknown} work
   * @param {(() => unknown) | null | undefined} skip
   * @param {unknown} options
   * @returns {Promise<RunOutcome>}
   */
  async #run(name, work, skip, options) {
    let run
    let list
    let watch
    try {
      const asked = reading(() => this.#ask(name, work, skip, options))
      if (this.#closed) return {outcome: 'skipped', reason: 'closed'}
      list = asked.list
      watch = watched(asked)
      run = new Run(asked)
    } catch (error) {
      log('error', 'a job could not be run', {prefix: this.#prefix, error})
      return {outcome: 'failed', error}
    }
    this.#watchPeriod(run.resource, periodOf(list))
    this.#runs.add(run)
    const ending = await run.live(watch ? watch.around(work) : work)
    countRun(ending)
    watch?.end(ending)
    this.#forget(run)
    this.#report(run.resource, ending)
    if (skip && (ending.kind === 'held' || ending.kind === 'ran')) {
      try {
        await skip()
      } catch (error) {
        log('error', 'the skip function of a job failed', {
          resource: run.resource,
          error,
        })
      }
    }
    run.keep(false)
    return outcomeOf(run.resource, ending)
  }

  /**
   * Forgets a run that has ended, when nothing of it is on its way any more.
   *
   * @param {Run} run
   */
  #forget(run) {
    if (run.isSent) run.whenReleased(() => this.#runs.delete(run))
    else this.#runs.delete(run)
  }

  /**
   * A server asks once for each tick. One that asks again for the tick that it has just asked for has been given
   * too long a period, and would skip what nobody runs.
   *
   * @param {string} resource
   * @param {number} period NaN where none names the tick
   */
  #watchPeriod(resource, period) {
    if (Number.isNaN(period) || this.#warned) return
    const now = performance.now()
    const soon = now - this.#asked.get(resource) < period / 2
    // A name that is never used again is not kept without end.
    if (this.#asked.size >= MOST_WATCHED) this.#asked.clear()
    this.#asked.set(resource, now)
    if (!soon) return
    this.#warned = true
    log('warn', TOO_LONG, {prefix: this.#prefix, resource, tickEvery: period})
  }

  /**
   * One line for each job and outage, however often the job is asked for meanwhile.
   *
   * @param {string} resource
   * @param {Ending} ending
   */
  #report(resource, ending) {
    if (ending.kind !== 'unavailable' && ending.kind !== 'denied') {
      this.#missed.delete(resource)
      return report(resource, ending)
    }
    const level = this.#missed.has(resource) ? 'debug' : 'error'
    if (this.#missed.size >= MOST_WATCHED) this.#missed.clear()
    this.#missed.add(resource)
    log(level, 'a job was not run: redis is unavailable', {resource, cause: ending.cause})
  }

  /**
   * @param {unknown} name
   * @param {Function} work
   * @param {Function | null | undefined} skip
   * @param {unknown} options
   */
  #ask(name, work, skip, options) {
    const job = text('name', name)
    const resource = calling(() => addon.jobResource(this.#prefix, job))
    callable('run', work)
    if (skip !== undefined && skip !== null) callable('skip', skip)
    const list = ofRun(this.#options, options)
    return {
      store: this.#store,
      prefix: this.#prefix,
      resource,
      list,
      bounded: isBounded(list),
      ofTick: isOfTick(list),
    }
  }
}

/** @param {unknown} lockTTL */
function ttlOf(lockTTL) {
  if (typeof lockTTL === 'number' && lockTTL >= 0 && lockTTL < MAX_MS) return lockTTL
  const got = typeof lockTTL === 'number' ? lockTTL : describe(lockTTL)
  throw invalid(`lockTTL must be a number of milliseconds, got ${got}`)
}

/**
 * @param {string} resource
 * @param {Ending} ending
 */
function report(resource, ending) {
  switch (ending.kind) {
    case 'threw':
      return log('error', 'a job failed', {resource, error: ending.error})
    case 'lost':
      return log('error', 'a job ran on without its lease', {resource, token: ending.token})
    case 'broke':
      return log('error', 'the run of a job failed internally', {resource})
  }
}

exports.LeaderRunner = LeaderRunner
