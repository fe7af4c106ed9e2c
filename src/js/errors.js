'use strict'

/** @typedef {import('../../index.js').PrimaryLeaseErrorCode} Code */

/** By which an error of this package is known: also one of another copy of it, or of another realm. */
const MARK = Symbol.for('primary-lease.PrimaryLeaseError')

class PrimaryLeaseError extends Error {
  /**
   * @param {Code} code
   * @param {string} message
   * @param {ErrorOptions & {token?: number, highest?: number, result?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, 'cause' in more ? {cause: more.cause} : undefined)
    this.code = code
    if (more.token !== undefined) this.token = more.token
    if (more.highest !== undefined) this.highest = more.highest
    if ('result' in more) this.result = more.result
  }

  get [MARK]() {
    return true
  }
}

Object.defineProperty(PrimaryLeaseError, Symbol.hasInstance, {
  /** @type {(this: Function, value: unknown) => boolean} */
  value(value) {
    if (this !== PrimaryLeaseError) return Function.prototype[Symbol.hasInstance].call(this, value)
    try {
      return Object(value) === value && /** @type {any} */ (value)[MARK] === true
    } catch {
      // A revoked proxy.
      return false
    }
  },
})

// As on the errors of JavaScript itself, the name is not listed among the fields.
Object.defineProperty(PrimaryLeaseError.prototype, 'name', {
  value: 'PrimaryLeaseError',
  writable: true,
  configurable: true,
})

/** An error of Redis's own, as its client libraries name it, with the error's first word as its code. */
class ReplyError extends Error {
  /** @param {string} words */
  constructor(words) {
    super(words)
    const [code] = words.split(' ', 1)
    this.code = code && /^[A-Z]+$/.test(code) ? code : 'ERR'
  }
}

Object.defineProperty(ReplyError.prototype, 'name', {
  value: 'ReplyError',
  writable: true,
  configurable: true,
})

/** @param {string} message */
const invalid = (message) => new PrimaryLeaseError('ERR_INVALID_CONFIG', message)

/**
 * What the binary threw, as it is thrown here: made in the function that was called, with the frames of
 * the caller of it.
 *
 * @param {unknown} thrown
 */
function ofBinary(thrown) {
  if (thrown instanceof PrimaryLeaseError) return thrown
  const {code, message, token, highest} = /** @type {PrimaryLeaseError} */ (thrown)
  if (/** @type {string} */ (code) === 'REPLY') return new ReplyError(message)
  return new PrimaryLeaseError(code, message, {token, highest})
}

/**
 * Calls the binary.
 *
 * @template T
 * @param {() => T} call
 */
function calling(call) {
  try {
    return call()
  } catch (error) {
    throw ofBinary(error)
  }
}

/**
 * @param {string} of
 * @param {number} token
 */
const leaseLost = (of, token) =>
  new PrimaryLeaseError(
    'ERR_LEASE_LOST',
    `the lease ${token} of ${JSON.stringify(of)} is not held any more`,
  )

exports.PrimaryLeaseError = PrimaryLeaseError
exports.calling = calling
exports.invalid = invalid
exports.leaseLost = leaseLost
exports.ofBinary = ofBinary
