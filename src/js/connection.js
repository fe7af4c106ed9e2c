'use strict'

// Reads the fields of a connection out of options in ioredis's words.

const {IOREDIS} = require('./client-options.js')
const {invalid} = require('./errors.js')
const {MAX_WHOLE, isGiven, refuse, textOf, wholeOf} = require('./fields.js')
const {describe} = require('./options.js')
const sentinel = require('./sentinel.js')
const {readTls} = require('./tls.js')

/** @typedef {import('./addon').RedisFields} RedisFields */
/** @typedef {import('./fields.js').Given} Given */

/**
 * @param {Given} given
 * @returns {RedisFields}
 */
function readFields(given) {
  const {options} = given
  for (const [name, why] of Object.entries(IOREDIS.refused)) {
    if (isGiven(options[name])) throw refuse(name, why)
  }
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
    sentinel: sentinel.readSentinel(given),
    tls: sentinel.isMasterEncrypted(given) ? readTls(options.tls) : undefined,
    failoverUnsafe: flagOf(given, 'failoverUnsafe'),
  }
}

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

exports.readFields = readFields
