'use strict'

const {addon} = require('./binary.js')
const {PrimaryLeaseError, ofBinary} = require('./errors.js')
const {ABORT, Held, showing} = require('./held.js')

/** @typedef {import('./addon').GrantedLease} GrantedLease */

/** Primaryship of one election, from its grant to its loss or release. */
class PrimaryLease extends Held {
  #prefix
  #granted

  /**
   * @param {string} prefix
   * @param {GrantedLease} granted
   */
  constructor(prefix, granted) {
    const {campaign, id, token} = granted
    super({owner: campaign, id, of: prefix, token})
    this.#prefix = prefix
    this.#granted = granted
  }

  get prefix() {
    return this.#prefix
  }

  get name() {
    return this.#granted.name
  }

  get serverId() {
    return this.#granted.serverId
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
}

showing(PrimaryLease, ['prefix', 'serverId', 'token', 'isHeld', 'remainingMs'])

/**
 * Aborts the signal of a lease that has ended, or is about to be let go.
 *
 * @param {PrimaryLease} lease
 */
function abort(lease) {
  if (!lease.isHeld) return lease[ABORT]()
  // For work that is to stop while the lease is still held for it.
  const {prefix, token} = lease
  lease[ABORT](
    new PrimaryLeaseError(
      'ERR_LEASE_LOST',
      `the lease ${token} of ${JSON.stringify(prefix)} is about to be released`,
    ),
  )
}

exports.PrimaryLease = PrimaryLease
exports.abort = abort
