'use strict'

const {addon} = require('./binary.js')
const {Held, showing} = require('./held.js')

/** The lease of one run of a job. */
class Lease extends Held {
  #resource
  #ofRunner

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

  get resource() {
    return this.#resource
  }

  get name() {
    return addon.leaseName(this.#resource, this.#ofRunner)
  }
}

showing(Lease, ['resource', 'token', 'isHeld', 'remainingMs'])

exports.Lease = Lease
