'use strict'

// Reads the fields of a connection out of options in ioredis's words.

const {IOREDIS} = require('./client-options.js')
const {invalid} = require('./errors.js')
const {describe, whole} = require('./options.js')
const {readTls} = require('./tls.js')

/** @typedef {import('./addon').RedisFields} RedisFields */
/** @typedef {{[name: string]: unknown}} Fields */

/**
 * Options in ioredis's words, and what those of them are called that the caller has other words for.
 *
 * @typedef {{options: Fields, called: {[name: string]: string}}} Given
 */

/**
 * @param {Given} given
 * @returns {RedisFields}
 */
function readFields(given) {
  const {options} = given
  const {role, ...refused} = IOREDIS.refused
  for (const [name, why] of Object.entries(refused)) {
    if (isGiven(options[name])) throw refuse(name, why)
  }
  if (options.role === 'slave') throw refuse("role 'slave'", role)
  // The clients take 0 for no limit.
  const timeout = wholeOf(given, 'connectTimeout', 0, MAX_WHOLE)
  return {
    host: textOf(given, 'host'),
    port: wholeOf(given, 'port', 1, 65_535),
    path: textOf(given, 'path'),
    db: wholeOf(given, 'db', 0, MAX_WHOLE),
    username: textOf(given, 'username'),
    password: textOf(given, 'password'),
    keyPrefix: textOf(given, 'keyPrefix'),
    connectionName: textOf(given, 'connectionName'),
    family: wholeOf(given, 'family', 0, 6),
    connectTimeout: timeout === 0 ? MAX_WHOLE : timeout,
    tls: readTls(options.tls),
    failoverUnsafe: flagOf(given, 'failoverUnsafe'),
  }
}

const MAX_WHOLE = 2 ** 32 - 1

/**
 * `null`, `undefined`, `''` and `false` are ioredis's ways of saying that something was not given.
 *
 * @param {unknown} value
 */
function isGiven(value) {
  return value !== undefined && value !== null && value !== false && value !== ''
}

/**
 * @param {Given} given
 * @param {string} name
 */
function textOf({options, called}, name) {
  const value = options[name]
  const what = called[name] ?? name
  if (!isGiven(value)) return undefined
  if (typeof value === 'string') {
    return whole(`redis: ${what}`, value, name !== 'username' && name !== 'password')
  }
  if (typeof value === 'function') {
    throw refuse(`a ${what} function`, 'it cannot be called from here, give the value itself')
  }
  throw invalid(`redis: ${what} must be a string, got ${describe(value)}`)
}

/**
 * A whole number, which ioredis leaves as text when it comes from a URL.
 *
 * @param {Given} given
 * @param {string} name
 * @param {number} min
 * @param {number} max
 */
function wholeOf({options, called}, name, min, max) {
  const value = options[name]
  if (!isGiven(value)) return undefined
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) {
    return number
  }
  const got = typeof number === 'number' && !Number.isNaN(number) ? number : 'something else'
  const what = called[name] ?? name
  throw invalid(`redis: ${what} must be a whole number from ${min} to ${max}, got ${got}`)
}

/**
 * @param {string} what
 * @param {string} why
 */
const refuse = (what, why) => invalid(`redis: ${what} cannot be used: ${why}`)

/**
 * A URL leaves text.
 *
 * @param {Given} given
 * @param {string} name
 */
function flagOf({options}, name) {
  const value = options[name]
  if (!isGiven(value) || value === 'false') return undefined
  if (value === true || value === 'true') return true
  throw invalid(`redis: ${name} must be true or false, got ${describe(value)}`)
}

exports.isGiven = isGiven
exports.readFields = readFields
exports.refuse = refuse
