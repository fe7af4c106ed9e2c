'use strict'

// One run, from the question for its lease to its release.

const {addon} = require('./binary.js')
const {runs} = require('./counters.js')
const {EventKind, handOver, keepAlive, layer, leavePlace, takePlace} = require('./core.js')
const {PrimaryLeaseError, ofBinary} = require('./errors.js')
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

const {
  Granted: GRANTED,
  Lost: LOST,
  Overrun: OVERRUN,
  LongRun: LONG_RUN,
  Cut: CUT,
  Sent: SENT,
  Released: RELEASED,
  Failed: FAILED,
} = EventKind

const nothing = () => {}

const LONG = 'a run without maxRun has held its lease for long: nobody else can run it meanwhile'

class Run {
  /** @type {'asking' | 'granted' | 'running' | 'releasing' | 'sent' | 'cut' | 'over'} */
  #stage = 'asking'
  /** @type {Asked} */
  #asked
  #token = 0
  /** @type {Lease | undefined} */
  #lease
  /** Why it never begins.
   * @type {Ending | undefined} */
  #refusal
  /** How the lease ended before the run did.
   * @type {Loss | undefined} */
  #loss
  /** Goes on where it waits: for the answer to its question, or for its release.
   * @type {() => void} */
  #goOn = nothing
  /** Tells its caller, where that may be before the run is over.
   * @type {((ending: Ending) => void) | undefined} */
  #tell
  /** Those who wait until the lease is released.
   * @type {(() => void)[] | undefined} */
  #leaving
  #keeps = false

  /**
   * Asks for the lease of a run, with the options in the list of numbers.
   *
   * @param {Asked} asked
   */
  constructor(asked) {
    this.#asked = asked
    this.resource = asked.resource
    const place = takePlace(this)
    try {
      this.id = addon.beginRun(layer, asked.store, asked.resource, place)
    } catch (error) {
      leavePlace(place)
      throw ofBinary(error)
    }
    handOver()
    this.keep(true)
  }

  /**
   * Calls `work` when the lease is granted, in the asynchronous context of whoever called this; resolves with how it
   * ended, as its caller is to be told.
   *
   * @param {(lease: Lease) => unknown} work
   * @returns {Promise<Ending>}
   */
  live(work) {
    const lived = this.#live(work)
    if (!this.#asked.bounded) return lived
    return new Promise((tell) => {
      this.#tell = tell
      void lived.then(tell)
    })
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
    this.#refuse({kind})
    addon.abandonRun(this.id)
    return true
  }

  /**
   * Resolves when the lease is released, at the latest so many ms from now: under the run, if that goes on.
   *
   * @param {number} ms
   */
  leaveWithin(ms) {
    if (this.#stage === 'running' || this.#stage === 'releasing') {
      addon.releaseRunAfter(this.id, ms)
    } else if (this.#stage === 'sent') {
      addon.awaitRelease(this.id)
    } else {
      return undefined
    }
    return new Promise((/** @type {(value?: undefined) => void} */ left) => this.whenReleased(left))
  }

  /** Its release is on its way, and its caller was not kept waiting for that. */
  get isSent() {
    return this.#stage === 'sent'
  }

  /** @param {() => void} call */
  whenReleased(call) {
    this.#leaving = [...(this.#leaving ?? []), call]
  }

  /**
   * @param {number} kind
   * @param {number} number a token, or the place of a text
   * @param {unknown[]} extras
   */
  hear(kind, number, extras) {
    switch (this.#stage) {
      case 'asking':
      case 'granted':
        if (kind === GRANTED) {
          this.#stage = 'granted'
          this.#token = number
          return this.#goOn()
        }
        if (REFUSALS.has(kind)) {
          const refusal = {kind: REFUSALS.get(kind), cause: extras[number]}
          this.#refuse(/** @type {Ending} */ (refusal))
        }
        return
      case 'running':
        if (kind === LOST) return this.#lose(/** @type {Loss} */ (extras[number]))
        if (kind === OVERRUN) return this.#overrun()
        if (kind === LONG_RUN) return this.#warnOfLongRun(number)
        if (kind === CUT || kind === FAILED) {
          if (!this.#loss) this.#lose(kind === CUT ? 'resigned' : 'internal')
          this.#stage = 'cut'
          if (kind === FAILED) this.#isOver()
        }
        return
      case 'releasing':
        // The run ended with the deadline, which was over when its release was asked for.
        if (kind === LOST) this.#loss = /** @type {Loss} */ (extras[number])
        else if (kind === SENT) this.#stage = 'sent'
        else this.#isOver()
        if (kind !== LOST) this.#goOn()
        return
      case 'sent':
      case 'cut':
        if (kind === RELEASED || kind === FAILED) this.#isOver()
    }
  }

  /** @param {Ending} refusal */
  #refuse(refusal) {
    this.#stage = 'over'
    this.#refusal = refusal
    this.#goOn()
  }

  /**
   * @param {(lease: Lease) => unknown} work
   * @returns {Promise<Ending>}
   */
  async #live(work) {
    do {
      // Where it was granted and has run out, because this loop or all of the process stood still: it is asked for
      // again. Given up here, a tick that was granted to us would be run by nobody.
      this.#stage = 'asking'
      await new Promise(this.#waiting)
      if (this.#refusal) return this.#refusal
    } while (!addon.takeRun(this.id, this.#asked.ofTick))
    this.#stage = 'running'
    this.keep(this.#asked.bounded)
    this.#lease = new Lease(this.id, this.#asked, this.#token)
    runs.active += 1
    let threw = false
    let value
    try {
      value = await work(this.#lease)
    } catch (error) {
      threw = true
      value = error
    }
    runs.active -= 1
    if (this.#stage === 'running') await this.#release()
    return this.#endingOf(threw, value)
  }

  /** The run is over: the lease goes first, and then the caller is told. */
  #release() {
    this.#stage = 'releasing'
    this.keep(true)
    addon.releaseRun(this.id)
    handOver()
    const released = new Promise(this.#waiting)
    this.#lease?.[ABORT]()
    return released
  }

  /** @param {(value?: undefined) => void} goOn */
  #waiting = (goOn) => {
    this.#goOn = goOn
  }

  /** @param {Loss} loss */
  #lose(loss) {
    this.#loss = loss
    const {prefix, resource} = this.#asked
    if (loss === 'overrun') {
      log('warn', 'a run took longer than maxRun: its lease is not renewed any more', {
        prefix,
        resource,
      })
    } else {
      log('warn', 'lost the lease of a run that goes on until it looks at its signal', {
        prefix,
        resource,
        reason: loss,
      })
    }
    this.#lease?.[ABORT]()
  }

  /** @param {number} heldMs */
  #warnOfLongRun(heldMs) {
    const {prefix, resource} = this.#asked
    log('warn', LONG, {prefix, resource, heldMs})
  }

  #overrun() {
    this.#lose('overrun')
    // It may never end; whoever asked is not kept waiting.
    this.#tell?.({kind: 'lost', token: this.#token, loss: 'overrun'})
  }

  /**
   * @param {boolean} threw
   * @param {unknown} value
   * @returns {Ending}
   */
  #endingOf(threw, value) {
    const [token, loss] = [this.#token, this.#loss]
    if (loss) return {kind: 'lost', token, loss, result: {threw, value}}
    return threw ? {kind: 'threw', token, error: value} : {kind: 'returned', token, value}
  }

  /** Its lease is released, and nothing follows. */
  #isOver() {
    if (this.#stage !== 'cut') this.#stage = 'over'
    for (const left of this.#leaving ?? []) left()
    this.#leaving = undefined
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
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} was abandoned`)
    default:
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} failed internally`)
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
