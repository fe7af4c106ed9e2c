'use strict'

// What this layer knows of each election: its present lease, and the work under it.

const {addon} = require('./binary.js')
const {changeOf} = require('./changes.js')
const {countChange, endElection} = require('./counters.js')
const diagnostics = require('./diagnostics.js')
const {calling} = require('./errors.js')
const {PrimaryLease, abort} = require('./primary-lease.js')

/** @typedef {import('./addon').PlainChange} Change */
/** @typedef {import('./addon').GrantedLease} GrantedLease */

/**
 * Something that is told what becomes of the leases of an election.
 *
 * @typedef {object} Follower
 * @property {() => void} undrained the work under the lease has had its time
 * @property {(lease: PrimaryLease, grace: number) => void} ended
 * @property {(lease: PrimaryLease) => boolean} worksUnder it goes on under this lease
 */

/** @type {Map<string, Election>} */
const elections = new Map()

/** One election, as long as there is something to follow. */
class Election {
  /** The lease that was granted last, with what it was granted as.
   * @type {{lease: PrimaryLease, granted: GrantedLease} | undefined} */
  #last
  /** This layer has established it. */
  isOurs = false
  #isPresent = false
  #isLeaving = false
  #listener
  /** Callers who wait for an answer, listeners, work: what it is kept for. */
  #users = 0
  /** @type {Set<Follower>} */
  followers = new Set()

  /** @param {string} prefix */
  constructor(prefix) {
    this.prefix = prefix
    this.#listener = calling(() =>
      addon.onPrimaryChange(prefix, (change) => this.#hear(change), false),
    )
  }

  /** The lease that is held, and not about to be let go. */
  get lease() {
    const lease = this.#isPresent && !this.#isLeaving ? this.#last?.lease : undefined
    return lease?.isHeld ? lease : undefined
  }

  /** Its lease is held for the work under it alone. */
  get isLeaving() {
    return this.#isLeaving
  }

  use() {
    this.#users += 1
    return this
  }

  /** Lets go of it, where nobody needs it any more. */
  leave() {
    this.#users -= 1
    this.#tidy()
  }

  /**
   * The same object for every use of a lease.
   *
   * @param {GrantedLease} granted
   */
  leaseOf(granted) {
    if (this.#last?.granted.id === granted.id) return this.#last.lease
    const lease = new PrimaryLease(this.prefix, granted)
    // An answer may come after the next grant,
    if (!this.#last || granted.id > this.#last.granted.id) this.#last = {lease, granted}
    // and after the end of its own.
    if (!lease.isHeld) abort(lease)
    return lease
  }

  /**
   * The work under a lease failed: this server gives the lease back, and stands again after a pause.
   *
   * @param {PrimaryLease} lease
   */
  fail(lease) {
    const last = this.#last
    if (last?.lease !== lease || !this.#isPresent || this.#isLeaving) return
    const othersWork = [...this.followers].some((follower) => follower.worksUnder(lease))
    addon.failWork(last.granted.campaign, lease.token, othersWork)
  }

  /** @param {Change} change */
  #hear(change) {
    const {type} = change
    const isTold = type !== 'leaving' && type !== 'undrained'
    if (isTold) countChange(change)
    this.#follow(change)
    if (isTold && diagnostics.changes.hasSubscribers) {
      diagnostics.changes.publish(changeOf(this, change))
    }
  }

  /** @param {Change} change */
  #follow(change) {
    switch (change.type) {
      case 'elected':
        if (change.lease) this.leaseOf(change.lease)
        this.#isPresent = true
        this.#isLeaving = false
        return
      case 'leaving':
        this.#isLeaving = true
        return this.#abort()
      case 'undrained':
        for (const follower of this.followers) follower.undrained()
        return
      case 'lost':
      case 'resigned':
        return this.#end()
    }
  }

  #end() {
    const ended = this.#isPresent ? this.#last : undefined
    this.#isPresent = false
    this.#isLeaving = false
    if (ended) {
      this.#abort()
      for (const follower of this.followers) follower.ended(ended.lease, ended.granted.grace)
    }
    this.#tidy()
  }

  #abort() {
    if (this.#last) abort(this.#last.lease)
  }

  #tidy() {
    if (this.#users > 0 || this.#isPresent || elections.get(this.prefix) !== this) return
    if (calling(() => addon.primaryStatus(this.prefix))) return
    elections.delete(this.prefix)
    endElection(this.prefix)
    addon.offPrimaryChange(this.#listener)
  }
}

/**
 * The election of this prefix.
 *
 * @param {string} prefix
 */
function electionOf(prefix) {
  let election = elections.get(prefix)
  if (!election) {
    election = new Election(prefix)
    elections.set(prefix, election)
  }
  return election
}

exports.Election = Election
exports.electionOf = electionOf
