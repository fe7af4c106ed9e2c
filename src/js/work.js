'use strict'

// Work under a primary: one call of the caller's function at every election.

const {addon} = require('./binary.js')
const {context} = require('./context.js')
const {log} = require('./log.js')

/** @typedef {import('./elections.js').Election} Election */
/** @typedef {import('./primary-lease.js').PrimaryLease} PrimaryLease */

const {setTimeout} = addon.timers()

/** One function, and what it was called for last. */
class Guard {
  #election
  #run
  /** That of the caller that gave the function. */
  #inContext = context()
  #keepsPlace
  #stopped = false
  /** @type {Work | undefined} */
  #last

  /**
   * @param {Election} election
   * @param {(lease: PrimaryLease) => unknown} run
   * @param {boolean} keepsPlace where the function fails
   */
  constructor(election, run, keepsPlace) {
    this.#election = election.use()
    this.#run = run
    this.#keepsPlace = keepsPlace
    election.followers.add(this)
  }

  /** No further run begins. */
  stop() {
    if (this.#stopped) return
    this.#stopped = true
    this.#tidy()
  }

  /** Calls the function, if this server is primary and that has not been done under this lease. */
  begin() {
    const {lease} = this.#election
    if (!lease || this.#stopped || this.#last?.lease === lease) return
    if (this.#last && !this.#last.ended) {
      this.#report(this.#last, 'the work of an earlier lease is still going: the next run waits')
      return
    }
    void this.#work({lease, ended: false, reported: false})
  }

  undrained() {
    this.#reportIgnored('when its drain is over: another server is let in')
  }

  /**
   * @param {PrimaryLease} lease
   * @param {number} grace
   */
  ended(lease, grace) {
    if (this.#last?.lease !== lease || this.#last.ended) return
    const work = this.#last
    const timer = setTimeout(() => {
      if (this.#last === work) {
        this.#reportIgnored('after its lease: another server may be primary')
      }
    }, grace)
    timer.unref?.()
  }

  /** @param {Work} work */
  async #work(work) {
    // Before the call, which may resign.
    this.#last = work
    const {prefix} = this.#election
    addon.work(prefix, true)
    let failed = false
    try {
      const returned = this.#inContext(this.#run, work.lease)
      // What is no promise has ended.
      if (isThenable(returned)) await returned
    } catch (error) {
      failed = this.#fail(work, error)
    }
    work.ended = true
    addon.work(prefix, false)
    // Work that nobody does is worse than another primary.
    if (failed && !this.#keepsPlace) this.#election.fail(work.lease)
    if (this.#stopped) this.#tidy()
    else this.begin()
  }

  /**
   * Whether it failed, rather than obey its signal.
   *
   * @param {Work} work
   * @param {unknown} error
   */
  #fail({lease}, error) {
    const fields = {prefix: this.#election.prefix, token: lease.token, error}
    const toStop = this.#election.isLeaving || !lease.isHeld
    const stopped = toStop && isAbort(error)
    if (stopped) log('debug', 'work was stopped', fields)
    else log('error', 'work under a primary failed', fields)
    return !stopped
  }

  /** It goes on under this lease.
   *
   * @param {PrimaryLease} lease
   */
  worksUnder(lease) {
    return this.#last?.lease === lease && !this.#last.ended
  }

  /** @param {string} when */
  #reportIgnored(when) {
    const work = this.#last
    if (!work || work.ended || work.reported) return
    work.reported = true
    this.#report(work, `work ignores its signal and is still running ${when}`)
  }

  /**
   * @param {Work} work
   * @param {string} what
   */
  #report({lease}, what) {
    log('warn', what, {prefix: this.#election.prefix, token: lease.token})
  }

  #tidy() {
    if (this.#last && !this.#last.ended) return
    this.#election.followers.delete(this)
    this.#election.leave()
  }
}

/** @typedef {{lease: PrimaryLease, ended: boolean, reported: boolean}} Work */

/** @param {unknown} value */
function isThenable(value) {
  return Object(value) === value && typeof (/** @type {any} */ (value).then) === 'function'
}

/**
 * What is thrown where a signal is heeded.
 *
 * @param {unknown} error
 */
function isAbort(error) {
  const {name, code} = Object(error)
  return name === 'AbortError' || code === 'ERR_LEASE_LOST'
}

exports.Guard = Guard
