'use strict'

// Reads what a caller gave, field by field: what is of another type is refused by name. Ranges are the
// binary's.

const {PrimaryLeaseError, invalid} = require('./errors.js')

/** @typedef {{[field: string]: unknown}} Given */

/** More than any duration may be. */
const MAX_MS = 1e12

/**
 * What a value is, for a message: never its content.
 *
 * @param {unknown} value
 */
function describe(value) {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'undefined':
      return 'undefined'
    case 'object':
      return describeObject(value)
    case 'symbol':
    case 'bigint':
      return 'a symbol or a bigint'
    default:
      return `a ${typeof value}`
  }
}

/** @param {object} value */
function describeObject(value) {
  try {
    if (Array.isArray(value)) return 'an array'
    if (isPlain(value)) return 'an object'
    if (value instanceof Promise || typeof (/** @type {any} */ (value).then) === 'function') {
      return 'a promise: await it first'
    }
    const name = value.constructor?.name
    if (/^\w{1,40}$/.test(name)) return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`
  } catch {
    // A revoked proxy.
  }
  return 'an object of a class'
}

/**
 * Whether it is an object literal, of whatever realm.
 *
 * @param {object} value
 */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null
}

/**
 * Reads with the caller's own getters, which may throw.
 *
 * @template T
 * @param {() => T} read
 */
function reading(read) {
  try {
    return read()
  } catch (error) {
    if (error instanceof PrimaryLeaseError) throw error
    throw new PrimaryLeaseError(
      'ERR_INVALID_CONFIG',
      `reading the arguments failed: ${show(error)}`,
      {
        cause: error,
      },
    )
  }
}

/** @param {unknown} error */
function show(error) {
  try {
    return String(error)
  } catch {
    return 'something that cannot be shown'
  }
}

/**
 * The known fields of an options object, each read once.
 *
 * @param {unknown} options
 * @param {readonly string[]} known
 * @returns {Given}
 */
function given(options, known) {
  if (options === undefined || options === null) return {}
  if (typeof options !== 'object' || Array.isArray(options) || !isPlain(options)) {
    throw invalid(`options must be an object, got ${describe(options)}`)
  }
  /** @type {Given} */
  const read = {...options}
  for (const key of Object.keys(read)) {
    if (!known.includes(key)) throw unknown('options', key, known)
  }
  return read
}

/**
 * @param {string} what
 * @param {string} key
 * @param {readonly string[]} known
 */
function unknown(what, key, known) {
  const named = known.length ? known.join(', ') : 'none'
  return invalid(`${what} has no option ${JSON.stringify(key.slice(0, 40))}, known: ${named}`)
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function millis(field, value) {
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= 0 && value <= MAX_MS) return value
  const got = typeof value === 'number' ? value : describe(value)
  throw invalid(`${field} must be a number of milliseconds, not negative, got ${got}`)
}

/**
 * As `millis`, or `false`, which is without end.
 *
 * @param {string} field
 * @param {unknown} value
 */
function millisOrFalse(field, value) {
  return value === false ? Number.POSITIVE_INFINITY : millis(field, value)
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function number(field, value) {
  if (value === undefined || typeof value === 'number') return value
  throw invalid(`${field} must be a number, got ${describe(value)}`)
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function boolean(field, value) {
  if (value === undefined || typeof value === 'boolean') return value
  throw invalid(`${field} must be true or false, got ${describe(value)}`)
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function optionalText(field, value) {
  return value === undefined ? undefined : text(field, value)
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function text(field, value) {
  if (typeof value !== 'string') throw invalid(`${field} must be a string, got ${describe(value)}`)
  return whole(field, value, true)
}

/**
 * Text without half of a surrogate pair: in Redis all halves would be the same replacement character, and
 * different names one.
 *
 * @param {string} field
 * @param {string} value
 * @param {boolean} shows it may be repeated
 */
function whole(field, value, shows) {
  // Node has it from version 20 on, and TypeScript knows it later.
  if (/** @type {any} */ (value).isWellFormed()) return value
  // As JSON has them, halves are escapes.
  const shown = shows ? `, got ${JSON.stringify([...value].slice(0, 40).join(''))}` : ''
  throw invalid(`${field} must be text without half a surrogate pair${shown}`)
}

/**
 * @template {Function} T
 * @param {string} field
 * @param {T} value
 */
function callable(field, value) {
  if (typeof value === 'function') return value
  throw invalid(`${field} must be a function, got ${describe(value)}`)
}

exports.MAX_MS = MAX_MS
exports.boolean = boolean
exports.callable = callable
exports.describe = describe
exports.given = given
exports.isPlain = isPlain
exports.millis = millis
exports.millisOrFalse = millisOrFalse
exports.number = number
exports.optionalText = optionalText
exports.reading = reading
exports.show = show
exports.text = text
exports.unknown = unknown
exports.whole = whole
