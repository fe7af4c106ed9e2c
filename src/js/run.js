'use strict'

// One run, from the question for its lease to its release.

const {addon} = require('./binary.js')
const {runs} = require('./counters.js')
const {EventKind, beginRun, end, keepAlive, leavePlace, takePlace, takeRun} = require('./core.js')
const {ofBinary} = require('./errors.js')
const {ABORT} = require('./held.js')
const {Lease, OVER} = require('./lease.js')
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
 * @property {readonly number[]} list its options
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

const LONG = 'a run without maxRun has held its lease for long: nobody else can run it meanwhile'

const nothing = () => {}

/** What settles the promise that was made last: without a function of its own for each.
 *
 * @type {(value: any) => void} */
let resolveOfLast = nothing
/** @param {(value: any) => void} resolve */
const keepResolve = (resolve) => {
  resolveOfLast = resolve
}

/**
 * In a reaction of which nobody hears what it throws.
 *
 * @param {Run} run
 */
function begin(run) {
  try {
    run.begin()
  } catch (error) {
    run.fail(error)
  }
}

/** @param {Run} run */
const finish = (run) => run.finish()

/**
 * The same, later, in the present asynchronous context.
 *
 * @param {(run: Run) => void} call
 */
function inThisContext(call) {
  const called = /** @type {Promise<Run>} */ (new Promise(keepResolve))
  const goOn = resolveOfLast
  void called.then(call)
  return goOn
}

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
  /** @type {(lease: Lease) => unknown} */
  #work = nothing
  /** Goes on where it waits: for the answer to its question, or for its release.
   * @type {(run: Run) => void} */
  #goOn = nothing
  /** Tells its caller, which a run that outlives its time does before it is over.
   * @type {(ending: Ending) => void} */
  #tell = nothing
  /** How the work ended.
   * @type {{threw: boolean, value: unknown} | undefined} */
  #result
  /** Those who wait until the lease is released.
   * @type {(() => void)[] | undefined} */
  #leaving
  #keeps = false

  /**
   * Asks for the lease of a run.
   *
   * @param {Asked} asked
   */
  constructor(asked) {
    this.#asked = asked
    this.resource = asked.resource
    const place = takePlace(this)
    try {
      this.id = beginRun(asked.store, asked.resource, asked.list, place)
    } catch (error) {
      leavePlace(place)
      throw ofBinary(error)
    }
    this.keep(true)
  }

  /**
   * Calls `work` when the lease is granted, in the asynchronous context of the caller of this; resolves with how it
   * ended, as its caller is to be told.
   *
   * @param {(lease: Lease) => unknown} work
   * @returns {Promise<Ending>}
   */
  live(work) {
    this.#work = work
    const ended = /** @type {Promise<Ending>} */ (new Promise(keepResolve))
    this.#tell = resolveOfLast
    this.#waitForAnswer()
    return ended
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
    const isUnderWay = this.#stage === 'running' || this.#stage === 'releasing'
    if (!isUnderWay && this.#stage !== 'sent') return undefined
    if (isUnderWay) addon.releaseRunAfter(this.id, ms)
    // Where its caller does not wait for that.
    addon.awaitRelease(this.id)
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
          return this.#goOn(this)
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
        // Told before its release was heard of, and only where its work was not over under the lease.
        if (kind === LOST) this.#loss ??= /** @type {Loss} */ (extras[number])
        if (kind === OVERRUN) this.#loss ??= 'overrun'
        if (kind === CUT) this.#loss ??= 'resigned'
        if (kind === SENT) this.#stage = 'sent'
        if (kind === RELEASED || kind === FAILED) this.#isOver()
        if (this.#stage !== 'releasing') this.#goOn(this)
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
    this.#goOn(this)
  }

  #waitForAnswer() {
    this.#stage = 'asking'
    this.#goOn = inThisContext(begin)
  }

  /**
   * Something of ours broke.
   *
   * @param {unknown} error
   */
  fail(error) {
    this.#tell({kind: 'threw', token: this.#token, error})
  }

  /** Its question is answered. */
  begin() {
    if (this.#refusal) return this.#tell(this.#refusal)
    // Where it was granted and has run out, because this loop or all of the process stood still: it is asked for
    // again. Given up here, a tick that was granted to us would be run by nobody.
    if (!takeRun(this.id, this.#asked.ofTick)) return this.#waitForAnswer()
    this.#stage = 'running'
    this.keep(this.#asked.bounded)
    this.#lease = new Lease(this.id, this.#asked, this.#token)
    runs.active += 1
    const threw = (/** @type {unknown} */ error) => this.#isDone(true, error)
    try {
      const work = this.#work
      const worked = work(this.#lease)
      void Promise.resolve(worked).then((value) => this.#isDone(false, value), threw)
    } catch (error) {
      threw(error)
    }
  }

  /**
   * The work is: the lease goes first, and then the caller is told.
   *
   * @param {boolean} threw
   * @param {unknown} value
   */
  #isDone(threw, value) {
    this.#result = {threw, value}
    runs.active -= 1
    if (this.#stage !== 'running') return this.finish()
    this.#stage = 'releasing'
    try {
      this.#goOn = finish
      this.keep(true)
      end(this.id)
      this.#lease?.[OVER]()
    } catch (error) {
      this.fail(error)
    }
  }

  /** It need not be waited for any longer. */
  finish() {
    this.#tell(this.#ending())
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
    // It may never end; a caller that asked is not kept waiting.
    this.#tell({kind: 'lost', token: this.#token, loss: 'overrun'})
    this.#tell = () => this.keep(false)
  }

  /** @returns {Ending} */
  #ending() {
    const [token, loss, result] = [this.#token, this.#loss, this.#result]
    if (loss) return {kind: 'lost', token, loss, result}
    if (result?.threw) return {kind: 'threw', token, error: result.value}
    return {kind: 'returned', token, value: result?.value}
  }

  /** Its lease is released, and nothing follows. */
  #isOver() {
    if (this.#stage !== 'cut') this.#stage = 'over'
    for (const left of this.#leaving ?? []) left()
    this.#leaving = undefined
  }
}

exports.Run = Run
