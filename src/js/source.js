'use strict'

// Reads a connection out of what the caller has: a URL, an options object, or an ioredis client. The
// client is neither used nor changed.

const {addon} = require('./binary.js')
const {calling} = require('./errors.js')
const {MAX_WHOLE, isGiven, refuse, textOf, wholeOf} = require('./fields.js')
const {describe, isPlain, reading, unknown, whole} = require('./options.js')
const sentinel = require('./sentinel.js')
const {readTls} = require('./tls.js')

/** @typedef {import('./addon').RedisFields} RedisFields */
/** @typedef {import('./addon').PlainSource} PlainSource */
/** @typedef {import('./addon').ExternalObject<unknown>} Store */
/** @typedef {import('./fields.js').Fields} Fields */

/** What is honoured, under the names that ioredis gives it. */
const HONOURED = [
  'host',
  'port',
  'path',
  'db',
  'username',
  'password',
  'keyPrefix',
  'connectionName',
  'family',
  'connectTimeout',
  'tls',
  ...sentinel.HONOURED,
]

/** What cannot be honoured: giving it is an error, not a silent default. */
const REFUSED = Object.entries({
  Connector: 'a custom connector cannot be honoured',
  startupNodes: 'Cluster is not supported yet',
  socket: 'node-redis is not supported yet',
})

/** What says how the caller's own client behaves, which is nothing to ours. */
const IRRELEVANT = [
  'autoPipeliningIgnoredCommands',
  'autoResendUnfulfilledCommands',
  'autoResubscribe',
  'blockingTimeout',
  'blockingTimeoutGrace',
  'clientInfoTag',
  'commandQueue',
  'commandTimeout',
  'disableClientInfo',
  'disconnectTimeout',
  'enableAutoPipelining',
  'enableOfflineQueue',
  'enableReadyCheck',
  'failoverDetector',
  'keepAlive',
  'lazyConnect',
  'maxLoadingRetryTime',
  'maxRetriesPerRequest',
  'monitor',
  'noDelay',
  'offlineQueue',
  'preferredSlaves',
  'readOnly',
  'reconnectOnError',
  'retryStrategy',
  'scripts',
  'sentinelCommandTimeout',
  'sentinelMaxConnections',
  'sentinelReconnectStrategy',
  'sentinelRetryStrategy',
  'showFriendlyErrorStack',
  'stringNumbers',
]

const KNOWN = new Set([...HONOURED, ...REFUSED.map(([name]) => name), ...IRRELEVANT])

/** What of the options decides how they are read: where it is the same, so is the rest. */
const DECISIVE = [...HONOURED, ...REFUSED.map(([name]) => name)]

/** @typedef {{values: unknown[], fields: RedisFields, store?: Store}} Read */

/**
 * What was read of the options of a client, until they change.
 *
 * @type {WeakMap<object, Read>}
 */
const read = new WeakMap()

/**
 * The stores of the last few URLs: reading one anew for each run costs more than finding
 * it.
 *
 * @type {Map<string, Store>}
 */
const ofUrls = new Map()
const MOST = 8

/**
 * @param {unknown} redis
 * @returns {PlainSource}
 */
function readSource(redis) {
  const url = urlOf(redis)
  return url === undefined ? reading(() => fieldsOf(redis).fields) : ofUrl(url)
}

/**
 * Where a URL asks for TLS, what Node trusts goes with it.
 *
 * @param {string} url
 * @returns {PlainSource}
 */
function ofUrl(url) {
  return /^rediss(\+sentinel)?:/i.test(url) ? {url, tls: readTls(true)} : url
}

/**
 * A URL as text, also one of another realm.
 *
 * @param {unknown} redis
 */
function urlOf(redis) {
  if (typeof redis === 'string') return whole('redis', redis, false)
  return reading(() => {
    const isUrl = Object.prototype.toString.call(redis) === '[object URL]'
    return isUrl ? String(/** @type {URL} */ (redis).href) : undefined
  })
}

/**
 * The store of what a caller gave as `redis`.
 *
 * @param {unknown} redis
 * @returns {Store}
 */
function storeOf(redis) {
  const url = urlOf(redis)
  if (url !== undefined) return ofUrls.get(url) ?? openUrl(url)
  const known = reading(() => fieldsOf(redis))
  known.store ??= calling(() => addon.openStore(known.fields))
  return known.store
}

/** @param {string} url */
function openUrl(url) {
  const store = calling(() => addon.openStore(ofUrl(url)))
  const [eldest] = ofUrls.keys()
  if (ofUrls.size === MOST && eldest !== undefined) ofUrls.delete(eldest)
  ofUrls.set(url, store)
  return store
}

/**
 * @param {unknown} redis
 * @returns {Read}
 */
function fieldsOf(redis) {
  const options = optionsOf(redis)
  const present = read.get(options)
  if (present && DECISIVE.every((name, at) => present.values[at] === options[name])) return present
  const values = DECISIVE.map((name) => options[name])
  // What is inherited was not given.
  const given = Object.fromEntries(
    DECISIVE.flatMap((name, at) => (Object.hasOwn(options, name) ? [[name, values[at]]] : [])),
  )
  const known = {values, fields: readFields(given)}
  read.set(options, known)
  return known
}

/**
 * The options of an ioredis client, or those that were given as such.
 *
 * @param {unknown} redis
 * @returns {Fields}
 */
function optionsOf(redis) {
  if (typeof redis !== 'object' || redis === null) {
    throw refuse(describe(redis), 'give a URL, an options object or an ioredis client')
  }
  if (Array.isArray(redis)) throw refuse('an array', 'a quorum is not supported yet')
  const client = /** @type {any} */ (redis)
  if (read.has(client.options)) return client.options
  const name = typeof client.constructor === 'function' ? client.constructor.name : undefined
  if (name === 'RedisMock' || name === 'ClusterMock') {
    throw refuse('an ioredis-mock client', 'there is no server behind it')
  }
  if (client.isCluster === true || isGiven(client.startupNodes)) {
    throw refuse('an ioredis Cluster', 'Cluster is not supported yet')
  }
  const sends = typeof client.sendCommand === 'function'
  if (sends && typeof client.defineCommand === 'function') {
    if (typeof client.options === 'object' && client.options !== null) return client.options
  }
  if (sends || typeof client.connect === 'function') {
    throw refuse(
      'a client of another library',
      'give a URL, an options object or an ioredis client (node-redis is not supported yet)',
    )
  }
  // Not a default server for whoever forgot an `await`.
  if (!isPlain(client)) {
    throw refuse(describe(client), 'give a URL, an options object or an ioredis client')
  }
  for (const key of Object.keys(client)) {
    if (!KNOWN.has(key)) throw unknown('redis', key, HONOURED)
  }
  return client
}

/**
 * @param {Fields} options
 * @returns {RedisFields}
 */
function readFields(options) {
  for (const [name, why] of REFUSED) {
    if (isGiven(options[name])) throw refuse(name, why)
  }
  const given = {options, called: {}}
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
    connectTimeout: wholeOf(given, 'connectTimeout', 1, MAX_WHOLE),
    sentinel: sentinel.readSentinel(given),
    tls: sentinel.isMasterEncrypted(given) ? readTls(options.tls) : undefined,
  }
}

exports.readSource = readSource
exports.storeOf = storeOf
