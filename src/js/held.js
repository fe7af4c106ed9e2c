'use strict'

const {isHeld, remainingMs} = require('./core.js')
const {leaseLost} = require('./errors.js')
const {command, fence} = require('./fence.js')

/** By which this layer, and nobody else, aborts the signal of a lease. */
const ABORT = Symbol('abort')

/** What both kinds of lease are. */
class Held {
  #owner
  #id
  #of
  #token
  /** Its signal is aborted, once somebody asks for that: an error for each run would cost more than the run.
   */
  #aborted = false
  /** @type {import('./errors.js').PrimaryLeaseError | undefined} */
  #reason
  /** @type {AbortController | undefined} */
  #controller

  /**
   * @param {{owner: number, id: number, of: string, token: number}} granted `owner` is the campaign or the run,
   *   `id` the binary's number of the lease, `of` what it is the lease of
   */
  constructor({owner, id, of, token}) {
    this.#owner = owner
    this.#id = id
    this.#of = of
    this.#token = token
  }

  get token() {
    return this.#token
  }

  get isHeld() {
    return isHeld(this.#id)
  }

  get remainingMs() {
    return remainingMs(this.#id)
  }

  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController()
      // Nobody has told it yet, where the loop has stood still.
      if (this.#aborted || !this.isHeld) this.#controller.abort(this.#reason ?? this.#lost())
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

  /**
   * Aborts its signal; that it was aborted before makes no difference.
   *
   * @param {import('./errors.js').PrimaryLeaseError} [reason]
   */
  [ABORT](reason) {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason ?? this.#lost())
  }

  #asker() {
    const [owner, id, of, token] = [this.#owner, this.#id, this.#of, this.#token]
    return {owner, id, of, token, isHeld: () => this.isHeld}
  }

  #lost() {
    return leaseLost(this.#of, this.#token)
  }
}

/**
 * Shows the getters of a lease to `JSON.stringify` and `util.inspect`.
 *
 * @param {{prototype: object}} lease its class
 * @param {string[]} names
 */
function showing(lease, names) {
  /** @param {any} shown */
  const fields = (shown) => Object.fromEntries(names.map((name) => [name, shown[name]]))
  Object.defineProperties(lease.prototype, {
    toJSON: {
      /** @this {object} */
      value() {
        return fields(this)
      },
      configurable: true,
      writable: true,
    },
    [Symbol.for('nodejs.util.inspect.custom')]: {
      /**
       * @this {object}
       * @param {number} _depth
       * @param {object} options
       * @param {(value: unknown, options: object) => string} inspect
       */
      value(_depth, options, inspect) {
        // The prototype itself holds nothing.
        if (this === lease.prototype) return inspect({}, options)
        return `${this.constructor.name} ${inspect(fields(this), options)}`
      },
      configurable: true,
      writable: true,
    },
  })
}

exports.ABORT = ABORT
exports.Held = Held
exports.showing = showing
