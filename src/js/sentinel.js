'use strict'

// Reads which master is meant, and the sentinels that know where it is.

const {invalid} = require('./errors.js')
const {isGiven, refuse, textOf, wholeOf} = require('./fields.js')
const {describe} = require('./options.js')
const {readTls} = require('./tls.js')

/** @typedef {import('./addon').SentinelFields} SentinelFields */
/** @typedef {import('./addon').EndpointFields} EndpointFields */
/** @typedef {import('./fields.js').Fields} Fields */
/** @typedef {import('./fields.js').Given} Given */

const SENTINEL_PORT = 26_379

/** What is read where `sentinels` are given, and means nothing where they are not. */
const HONOURED = /** @type {const} */ ([
  'sentinels',
  'name',
  'role',
  'sentinelUsername',
  'sentinelPassword',
  'sentinelTLS',
  'enableTLSForSentinelMode',
  'natMap',
  'updateSentinels',
])

/**
 * @param {Given} given
 * @returns {SentinelFields | undefined} nothing where a server is given by its address
 */
function readSentinel(given) {
  const {options} = given
  if (isGiven(options.role) && options.role !== 'master') {
    throw refuse(`role ${roleShown(options.role)}`, 'only a master can be written to')
  }
  if (!isGiven(options.sentinels)) return undefined
  const name = textOf(given, 'name')
  if (name === undefined) {
    throw invalid('redis: sentinels need a name, that of the master which they watch')
  }
  if (isGiven(options.path)) {
    throw refuse('path beside sentinels', 'these say where the server is')
  }
  return {
    name,
    sentinels: endpoints(options.sentinels),
    username: textOf(given, 'sentinelUsername'),
    password: textOf(given, 'sentinelPassword'),
    tls: readTls(options.sentinelTLS),
    natMap: natMapOf(options.natMap),
    // ioredis learns unless it is told not to.
    learns: options.updateSentinels !== false,
  }
}

/**
 * Whether `tls` means the master. Where there are sentinels it does not by itself, in ioredis.
 *
 * @param {Given} given
 */
function isMasterEncrypted({options}) {
  return !isGiven(options.sentinels) || isGiven(options.enableTLSForSentinelMode)
}

/** @param {unknown} role */
const roleShown = (role) =>
  role === 'slave' ? "'slave'" : `other than 'master' (${describe(role)})`

/** @param {unknown} sentinels */
function endpoints(sentinels) {
  if (!Array.isArray(sentinels) || sentinels.length === 0) {
    throw invalid(
      `redis: sentinels must be an array of one address or more, got ${
        Array.isArray(sentinels) ? 'an empty array' : describe(sentinels)
      }`,
    )
  }
  return sentinels.map((sentinel, at) => endpoint(`sentinels[${at}]`, sentinel, SENTINEL_PORT))
}

/**
 * Where from here what a sentinel calls `host:port` is.
 *
 * @param {unknown} natMap
 * @returns {Record<string, EndpointFields> | undefined}
 */
function natMapOf(natMap) {
  if (!isGiven(natMap)) return undefined
  if (typeof natMap === 'function') {
    throw refuse('a natMap function', 'it cannot be called from here, give an object')
  }
  if (typeof natMap !== 'object' || Array.isArray(natMap)) {
    throw invalid(`redis: natMap must be an object, got ${describe(natMap)}`)
  }
  const entries = Object.entries(/** @type {object} */ (natMap))
  return Object.fromEntries(
    entries.map(([announced, to]) => {
      return [announced, endpoint(`natMap[${JSON.stringify(announced.slice(0, 80))}]`, to)]
    }),
  )
}

/**
 * @param {string} what
 * @param {unknown} value
 * @param {number} [defaultPort]
 * @returns {EndpointFields}
 */
function endpoint(what, value, defaultPort) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`redis: ${what} must be an object with host and port, got ${describe(value)}`)
  }
  const options = /** @type {Fields} */ (value)
  const called = {host: `${what}.host`, port: `${what}.port`}
  for (const name of Object.keys(options)) {
    // One family is for all: the connection's own `family`.
    if (!(name in called) && isGiven(options[name]) && options[name] !== 0) {
      throw refuse(`${what}.${name.slice(0, 40)}`, 'an address has a host and a port')
    }
  }
  const host = textOf({options, called}, 'host') ?? (defaultPort && 'localhost')
  const port = wholeOf({options, called}, 'port', 1, 65_535) ?? defaultPort
  if (!host || !port) throw invalid(`redis: ${what} needs a host and a port`)
  return {host, port}
}

exports.HONOURED = HONOURED
exports.isMasterEncrypted = isMasterEncrypted
exports.readSentinel = readSentinel
