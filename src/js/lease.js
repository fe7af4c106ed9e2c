'use strict'

const {addon} = require('./binary.js')
const {Held, showing} = require('./held.js')

/** The lease of one run of a job. */
class Lease extends Held {
  #resource

  /**
   * @param {number} run
   * @param {string} resource
   * @param {number} token
   */
  constructor(run, resource, token) {
    super({owner: run, id: run, of: resource, token})
    this.#resource = resource
  }

  get resource() {
    return this.#resource
  }

  get name() {
    return addon.leaseName(this.#resource)
  }
}

showing(Lease, ['resource', 'token', 'isHeld', 'remainingMs'])

exports.Lease = Lease
