'use strict'

const {addon} = require('./binary.js')
const {PrimaryLeaseError, leaseLost, ofBinary} = require('./errors.js')
const {command, fence} = require('./fence.js')

/** @typedef {import('./addon').GrantedLease} GrantedLease */

/** Primaryship of one election, from its grant to its loss or release. */
class PrimaryLease {
  #granted
  /** It is to be let go: its signal is aborted, for this reason.
   * @type {PrimaryLeaseError | undefined} */
  #aborted
  /** @type {AbortController | undefined} */
  #controller

  /**
   * @param {string} prefix
   * @param {GrantedLease} granted
   */
  constructor(prefix, granted) {
    this.prefix = prefix
    this.serverId = granted.serverId
    this.token = granted.token
    this.#granted = granted
  }

  get isHeld() {
    return addon.isHeld(this.#granted.id)
  }

  get remainingMs() {
    return addon.remainingMs(this.#granted.id)
  }

  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#aborted)
    }
    return this.#controller.signal
  }

  assertHeld() {
    if (!this.isHeld) throw leaseLost(this.prefix, this.token)
  }

  /** @param {string} resource */
  fence(resource) {
    return fence(this.#asker(), resource)
  }

  /**
   * @param {string} resource
   * @param {(string | Uint8Array)[]} args
   */
  command(resource, args) {
    return command(this.#asker(), resource, args)
  }

  async release() {
    const {id, campaign, era} = this.#granted
    addon.endLease(id)
    try {
      await addon.release(campaign, era)
    } catch (error) {
      throw ofBinary(error)
    }
  }

  [Symbol.asyncDispose]() {
    return this.release()
  }

  /**
   * What this file alone may ask of a lease.
   *
   * @param {PrimaryLease} lease
   */
  static inside(lease) {
    return {
      granted: lease.#granted,
      abort: () => {
        if (lease.#aborted) return
        lease.#aborted = lease.#reason()
        lease.#controller?.abort(lease.#aborted)
      },
    }
  }

  #asker() {
    const {campaign: owner, id} = this.#granted
    return {owner, id, of: this.prefix, token: this.token, isHeld: this.isHeld}
  }

  #reason() {
    if (!this.isHeld) return leaseLost(this.prefix, this.token)
    // For work that is to stop while the lease is still held for it.
    return new PrimaryLeaseError(
      'ERR_LEASE_LOST',
      `the lease ${this.token} of ${JSON.stringify(this.prefix)} is about to be released`,
    )
  }
}

/** What the election may ask of a lease, and the outside may not. */
const {inside} = PrimaryLease
// @ts-expect-error: it is there for this file alone
delete PrimaryLease.inside

exports.PrimaryLease = PrimaryLease
exports.inside = inside
