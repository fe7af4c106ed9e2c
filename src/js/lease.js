'use strict'

const {addon} = require('./binary.js')
const {ABORT, Held, showing} = require('./held.js')

/** By which this layer says that the run under a lease is over, before the binary is told. */
const OVER = Symbol('over')

/** The lease of one run of a job. */
class Lease extends Held {
  #resource
  #ofRunner
  #isOver = false

  /**
   * @param {number} run
   * @param {{resource: string, prefix?: string}} of a runner has a prefix
   * @param {number} token
   */
  constructor(run, {resource, prefix}, token) {
    super({owner: run, id: run, of: resource, token})
    this.#resource = resource
    this.#ofRunner = prefix !== undefined
  }

  /** @override */
  get isHeld() {
    return !this.#isOver && super.isHeld
  }

  /** @override */
  get remainingMs() {
    return this.#isOver ? 0 : super.remainingMs
  }

  get resource() {
    return this.#resource
  }

  get name() {
    return addon.leaseName(this.#resource, this.#ofRunner)
  }

  [OVER]() {
    this.#isOver = true
    this[ABORT]()
  }
}

showing(Lease, ['resource', 'token', 'isHeld', 'remainingMs'])

exports.Lease = Lease
exports.OVER = OVER
