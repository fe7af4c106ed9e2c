'use strict'

// One run, from the question for its lease to its release.

const {addon} = require('./binary.js')
const {EventKind, handOver, keepAlive, layer, runs} = require('./core.js')
const {PrimaryLeaseError, calling} = require('./errors.js')
const {ABORT} = require('./held.js')
const {Lease} = require('./lease.js')
const {log} = require('./log.js')

/** @typedef {import('../../index.js').LeaseEndReason | 'overrun'} Loss */

/**
 * How a run ended, or why it never began.
 *
 * @typedef {{kind: 'returned', token: number, value: unknown}
 *   | {kind: 'threw', token: number, error: unknown}
 *   | {kind: 'lost', token: number, loss: Loss, result?: {threw: boolean, value: unknown}}
 *   | {kind: 'held' | 'ran' | 'abandoned' | 'closed' | 'broke'}
 *   | {kind: 'unavailable' | 'denied', cause: string}} Ending
 */

/**
 * What a run is asked for with, beside its numbers.
 *
 * @typedef {object} Asked
 * @property {import('./source.js').Store} store
 * @property {string} resource
 * @property {string} [prefix] that of its runner, for the log
 * @property {boolean} bounded it has a `maxRun`: its caller is answered in any case
 * @property {boolean} ofTick others wait to learn that it has begun
 */

/** @type {Map<number, Ending['kind']>} */
const REFUSALS = new Map([
  [EventKind.Held, 'held'],
  [EventKind.Ran, 'ran'],
  [EventKind.Unavailable, 'unavailable'],
  [EventKind.Denied, 'denied'],
  [EventKind.Abandoned, 'abandoned'],
  [EventKind.Failed, 'broke'],
])

const LONG_RUN =
  'a run without maxRun has held its lease for long: nobody else can run it meanwhile'

class Run {
  /** @type {'asking' | 'granted' | 'running' | 'releasing' | 'cut' | 'abandoned' | 'over'} */
  #stage = 'asking'
  /** @type {Asked} */
  #asked
  #token = 0
  /** @type {Lease | undefined} */
  #lease
  /** How the lease ended before the run did.
   * @type {Loss | undefined} */
  #loss
  /** @type {{threw: boolean, value: unknown} | undefined} */
  #result
  /** @type {((refusal: Ending | undefined) => void) | undefined} */
  #answer
  /** @type {((ending: Ending) => void)} */
  #tell = () => {}
  /** Those who wait until the lease is released.
   * @type {(() => void)[]} */
  #leaving = []
  #keeps = false

  /**
   * Asks for the lease of a run, with the options in the list of numbers, and calls `work` when it is granted,
   * in the asynchronous context of whoever asked.
   *
   * @param {Asked} asked
   * @param {(lease: Lease) => unknown} work
   */
  constructor(asked, work) {
    this.#asked = asked
    this.resource = asked.resource
    this.id = calling(() => addon.beginRun(layer, asked.store, asked.resource))
    handOver()
    runs.set(this.id, this)
    this.keep(true)
    /** How it ended, as its caller is to be told.
     * @type {Promise<Ending>} */
    this.ending = new Promise((tell) => {
      this.#tell = tell
    })
    void this.#live(work)
  }

  /**
   * Whether the process lives on for it.
   *
   * @param {boolean} keep
   */
  keep(keep) {
    if (this.#keeps !== keep) keepAlive(keep)
    this.#keeps = keep
  }

  /** The caller wants it no more: true where the run had not begun, which is told so.
   *
   * @param {'abandoned' | 'closed'} kind
   */
  abandon(kind) {
    if (this.#stage !== 'asking' && this.#stage !== 'granted') return false
    this.#stage = 'abandoned'
    addon.abandonRun(this.id)
    this.#tell({kind})
    return true
  }

  /**
   * Resolves when the lease is released, at the latest so many ms from now: under the run, if that goes on.
   *
   * @param {number} ms
   */
  leaveWithin(ms) {
    if (this.#stage !== 'running' && this.#stage !== 'releasing') return undefined
    addon.releaseRunAfter(this.id, ms)
    return new Promise((/** @type {(value?: undefined) => void} */ left) => {
      this.#leaving.push(left)
    })
  }

  /**
   * @param {number} kind
   * @param {number} number a token, or the place of a text
   * @param {unknown[]} extras
   */
  hear(kind, number, extras) {
    switch (this.#stage) {
      case 'asking':
        return this.#hearAnswer(kind, number, extras)
      case 'running':
        if (kind === EventKind.Lost) return this.#lose(/** @type {Loss} */ (extras[number]))
        if (kind === EventKind.Overrun) return this.#overrun()
        if (kind === EventKind.LongRun) return this.#warnOfLongRun(number)
        if (kind === EventKind.Cut || kind === EventKind.Failed) {
          if (!this.#loss) this.#lose(kind === EventKind.Cut ? 'resigned' : 'internal')
          this.#stage = 'cut'
        }
        return
      case 'releasing':
        // The run ended with the deadline, which was over when its release was asked for.
        if (kind === EventKind.Lost) this.#loss = /** @type {Loss} */ (extras[number])
        else if (kind === EventKind.Released || kind === EventKind.Failed) this.#finish()
        return
      case 'cut':
        if (kind === EventKind.Released) this.#left()
        return
      case 'abandoned':
        if (kind !== EventKind.Granted) this.#forget()
    }
  }

  /**
   * @param {number} kind
   * @param {number} number
   * @param {unknown[]} extras
   */
  #hearAnswer(kind, number, extras) {
    if (kind === EventKind.Granted) {
      this.#stage = 'granted'
      this.#token = number
      return this.#answer?.(undefined)
    }
    const refusal = REFUSALS.get(kind)
    if (refusal) this.#answer?.(/** @type {Ending} */ ({kind: refusal, cause: extras[number]}))
  }

  /** @param {(lease: Lease) => unknown} work */
  async #live(work) {
    const refusal = await this.#granted()
    if (this.#stage === 'abandoned') return
    if (refusal) {
      this.#tell(refusal)
      return this.#forget()
    }
    this.#stage = 'running'
    this.keep(this.#asked.bounded)
    if (this.#asked.ofTick) addon.startTick(this.id)
    this.#lease = new Lease(this.id, this.#asked, this.#token)
    try {
      this.#settle(false, await work(this.#lease))
    } catch (error) {
      this.#settle(true, error)
    }
  }

  /** Resolves when it may begin, or with why it may not. */
  async #granted() {
    for (;;) {
      const refusal = await new Promise((/** @type {(refusal?: Ending) => void} */ answer) => {
        this.#answer = answer
      })
      if (this.#stage !== 'granted' || addon.isHeld(this.id)) return refusal
      // This loop, or all of the process, stood still until now. Given up here, a tick that was granted to
      // us would be run by nobody.
      this.#stage = 'asking'
      addon.missRun(this.id)
    }
  }

  /**
   * The run is over: the lease goes first, and then the caller is told.
   *
   * @param {boolean} threw
   * @param {unknown} value
   */
  #settle(threw, value) {
    this.#result = {threw, value}
    if (this.#stage === 'cut') return this.#finish()
    if (this.#stage !== 'running') return
    this.#stage = 'releasing'
    this.keep(true)
    addon.releaseRun(this.id)
    handOver()
    this.#abort()
  }

  /** @param {Loss} loss */
  #lose(loss) {
    this.#loss = loss
    const {prefix, resource} = this.#asked
    if (loss === 'overrun') {
      log('warn', 'a run took longer than maxRun: its lease is renewed no more', {prefix, resource})
    } else {
      log('warn', 'lost the lease of a run, which goes on until it heeds its signal', {
        prefix,
        resource,
        reason: loss,
      })
    }
    this.#abort()
  }

  /** @param {number} heldMs */
  #warnOfLongRun(heldMs) {
    const {prefix, resource} = this.#asked
    const fields = {prefix, resource, heldMs}
    log('warn', LONG_RUN, fields)
  }

  #overrun() {
    this.#lose('overrun')
    // It may never end; whoever asked is not kept waiting.
    this.#tell({kind: 'lost', token: this.#token, loss: 'overrun'})
  }

  #finish() {
    const [token, loss, result] = [this.#token, this.#loss, this.#result]
    if (loss) this.#tell({kind: 'lost', token, loss, result})
    else if (!result) this.#tell({kind: 'broke'})
    else if (result.threw) this.#tell({kind: 'threw', token, error: result.value})
    else this.#tell({kind: 'returned', token, value: result.value})
    this.#forget()
  }

  #forget() {
    this.#stage = 'over'
    runs.delete(this.id)
    this.#left()
  }

  #left() {
    for (const left of this.#leaving.splice(0)) left()
  }

  #abort() {
    this.#lease?.[ABORT]()
  }
}

/**
 * What a refusal or a loss is to a caller.
 *
 * @param {string} resource
 * @param {Ending} ending
 */
function errorOf(resource, ending) {
  const name = JSON.stringify(resource)
  switch (ending.kind) {
    case 'held':
      return new PrimaryLeaseError(
        'ERR_LEASE_HELD',
        `the lease of ${name} is held by another, or was until just now`,
      )
    case 'ran':
      return new PrimaryLeaseError(
        'ERR_LEASE_HELD',
        `this tick of ${name} was run by another, or is being run`,
      )
    case 'unavailable':
      return new PrimaryLeaseError(
        'ERR_STORE_UNAVAILABLE',
        `no answer about the lease of ${name}: ${ending.cause}`,
      )
    case 'denied':
      return new PrimaryLeaseError(
        'ERR_STORE_DENIED',
        `redis refuses this server: ${ending.cause.replace(/\.+$/, '')}`,
      )
    case 'lost':
      return lossOf(name, ending)
    case 'abandoned':
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} was given up`)
    default:
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} broke`)
  }
}

/**
 * @param {string} name
 * @param {Ending & {kind: 'lost'}} ending
 */
function lossOf(name, {token, loss, result}) {
  const message =
    loss === 'overrun'
      ? `the run of ${name} under the lease ${token} took longer than maxRun`
      : `the lease ${token} of ${name} was lost: ${loss}`
  if (!result) return new PrimaryLeaseError('ERR_LEASE_LOST', message)
  const more = result.threw ? {cause: result.value} : {result: result.value}
  return new PrimaryLeaseError('ERR_LEASE_LOST', message, more)
}

exports.Run = Run
exports.errorOf = errorOf
