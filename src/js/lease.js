'use strict'

const {addon} = require('./binary.js')
const {leaseLost} = require('./errors.js')
const {command, fence} = require('./fence.js')

/**
 * What a lease is told, and what it tells; the outside has no way to either.
 *
 * @typedef {{id: number, resource: string, isOver: boolean}} Run
 */

/** The lease of one run of a job. */
class Lease {
  /** @type {Run} */
  #run
  /** @type {AbortController | undefined} */
  #controller

  /**
   * @param {Run} run
   * @param {number} token
   */
  constructor(run, token) {
    this.#run = run
    this.token = token
  }

  get resource() {
    return this.#run.resource
  }

  get isHeld() {
    return !this.#run.isOver && addon.isHeld(this.#run.id)
  }

  get remainingMs() {
    return this.#run.isOver ? 0 : addon.remainingMs(this.#run.id)
  }

  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (!this.isHeld) this.#controller.abort(this.#lost())
    }
    return this.#controller.signal
  }

  assertHeld() {
    if (!this.isHeld) throw this.#lost()
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

  /** @param {Lease} lease */
  static abort(lease) {
    lease.#controller?.abort(lease.#lost())
  }

  #asker() {
    const {id, resource: of} = this.#run
    return {owner: id, id, of, token: this.token, isHeld: this.isHeld}
  }

  #lost() {
    return leaseLost(this.resource, this.token)
  }
}

/** Aborts the signal of a lease; the outside cannot. */
const {abort} = Lease
// @ts-expect-error: it is there for this file alone
delete Lease.abort

exports.Lease = Lease
exports.abort = abort
