'use strict'

// Reads a connection out of what the caller has: a URL, an options object, or a client of ioredis,
// iovalkey or node-redis. The client is neither used nor changed.

const {addon} = require('./binary.js')
const {ownOf, placeOf} = require('./clients.js')
const {readFields} = require('./connection.js')
const {readAgainOnRefusal} = require('./credentials.js')
const {calling} = require('./errors.js')
const {reading, whole} = require('./options.js')
const {readTls} = require('./tls.js')

/** @typedef {import('./addon').RedisFields} RedisFields */
/** @typedef {import('./addon').PlainSource} PlainSource */
/** @typedef {import('./addon').ExternalObject<unknown>} Store */
/** @typedef {import('./clients.js').Fields} Fields */
/** @typedef {import('./clients.js').Place} Place */
/** @typedef {{place: Place, options: Fields, beside: unknown, values: unknown[], fields: RedisFields, store?: Store, watched?: boolean}} Read */

/**
 * What was read of what was given, until its options change.
 *
 * @type {WeakMap<object, Read>}
 */
const read = new WeakMap()

/**
 * The stores of the last few URLs: reading one again for each run costs more than finding
 * it.
 *
 * @type {Map<string, Store>}
 */
const ofUrls = new Map()
const MOST = 8

const NO_SOCKET = {}

/**
 * @param {unknown} redis
 * @returns {PlainSource}
 */
function readSource(redis) {
  const url = urlOf(redis)
  return url === undefined ? reading(() => fieldsOf(redis).fields) : ofUrl(url)
}

/**
 * Has what was given as `redis` read again whenever the server refuses its credentials.
 *
 * @param {unknown} redis
 */
function watchCredentials(redis) {
  const known = read.get(/** @type {object} */ (redis))
  if (!known || known.watched) return
  known.watched = true
  const again = (/** @type {object} */ present) => reading(() => fieldsOf(present).fields)
  readAgainOnRefusal(/** @type {object} */ (redis), known.fields, again)
}

/**
 * Where a URL asks for TLS, what Node trusts goes with it.
 *
 * @param {string} url
 * @returns {PlainSource}
 */
function ofUrl(url) {
  return /^(rediss|valkeys|rediss\+sentinel):/i.test(url) ? {url, tls: readTls(true)} : url
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
  // First, since nearly all runs have a client of before. No text is a key, and no URL.
  const remembered = read.get(/** @type {object} */ (redis))
  if (remembered?.store && remembered.watched) {
    if (reading(() => isUnchanged(remembered, redis))) return remembered.store
  }
  const url = urlOf(redis)
  if (url !== undefined) return ofUrls.get(url) ?? openUrl(url)
  const known = reading(() => fieldsOf(redis))
  known.store ??= calling(() => addon.openStore(known.fields))
  watchCredentials(redis)
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
  const present = read.get(/** @type {object} */ (redis))
  if (present && isUnchanged(present, redis)) return present
  const place = placeOf(redis)
  const options = place.find(redis)
  const values = valuesOf(place, options)
  const own = ownOf(place.words.decisive, options)
  const given = place.words.translate(own, place.client(redis))
  const beside = besideOf(place, redis)
  if (beside !== undefined) given.options.failoverUnsafe = beside
  const known = {place, options, beside, values, fields: readFields(given)}
  read.set(/** @type {object} */ (redis), known)
  return known
}

/**
 * @param {Read} present
 * @param {unknown} redis
 */
function isUnchanged({place, options, beside, values}, redis) {
  if (place.find(redis) !== options || besideOf(place, redis) !== beside) return false
  const present = valuesOf(place, options)
  for (let at = 0; at < present.length; at++) if (present[at] !== values[at]) return false
  return true
}

/**
 * What was given beside a client.
 *
 * @param {Place} place
 * @param {any} given
 */
const besideOf = (place, given) =>
  place.client(given) === given ? undefined : given.failoverUnsafe

/**
 * @param {Place} place
 * @param {Fields} options
 */
const valuesOf = ({words}, options) =>
  words.values(options, /** @type {Fields} */ (options.socket ?? NO_SOCKET))

exports.readSource = readSource
exports.storeOf = storeOf
exports.watchCredentials = watchCredentials
