'use strict'

// Which client somebody gave, where it has its options, and what these are in ioredis's words.

const {IOREDIS, NODE_REDIS, NODE_REDIS_SOCKET, OURS} = require('./client-options.js')
const {isGiven, refuse} = require('./fields.js')
const {describe, isPlain, unknown} = require('./options.js')
const {OPTIONS: OPTIONS_OF_TLS} = require('./tls.js')

/** @typedef {import('./fields.js').Fields} Fields */
/** @typedef {import('./fields.js').Given} Given */

/**
 * The words in which options are given.
 *
 * @typedef {object} Words
 * @property {readonly string[]} decisive what decides how they are read: where it is the same, so is the rest
 * @property {readonly string[]} nested the same of the `socket` in them
 * @property {(options: Fields, socket: Fields) => unknown[]} values what these have
 * @property {(options: Fields, given: any) => Given} translate
 */

/**
 * Where options were found: beside what says how elections use them, if that was given.
 *
 * @typedef {{client: (given: any) => any, find: (given: any) => Fields, words: Words}} Place
 */

/** What of a node-redis `socket` says how TLS is spoken. */
const OF_TLS = OPTIONS_OF_TLS.filter((name) => !['host', 'port', 'path', 'socket'].includes(name))

/** @type {Words} */
const OF_IOREDIS = {
  decisive: [...IOREDIS.honoured, ...Object.keys(IOREDIS.refused), ...OURS],
  nested: [],
  values: valuesOfIoredis,
  translate: (options) => ({options, called: {}}),
}

/** @type {Words} */
const OF_NODE_REDIS = {
  decisive: [...NODE_REDIS.honoured, ...Object.keys(NODE_REDIS.refused)],
  nested: [...NODE_REDIS_SOCKET.honoured, ...Object.keys(NODE_REDIS_SOCKET.refused), ...OF_TLS],
  values: (options, socket) => [
    ...OF_NODE_REDIS.decisive.map((name) => options[name]),
    ...OF_NODE_REDIS.nested.map((name) => socket[name]),
  ],
  translate: fromNodeRedis,
}

/** @param {any} given */
const itself = (given) => given
/** @param {any} given */
const optionsOf = (given) => given.options

/** @type {Place} */
const OPTIONS = {client: itself, find: itself, words: OF_IOREDIS}
/** @type {Place} */
const IOREDIS_CLIENT = {client: itself, find: optionsOf, words: OF_IOREDIS}
/** @type {Place} */
const NODE_REDIS_CLIENT = {client: itself, find: optionsOf, words: OF_NODE_REDIS}

/** What an options object may say. */
const KNOWN = new Set([
  ...IOREDIS.honoured,
  ...Object.keys(IOREDIS.refused),
  ...IOREDIS.ignored,
  ...OURS,
])

const FORMS = 'give a URL, an options object, or a client of ioredis, iovalkey or node-redis'

/** In ms; what node-redis allows where nothing is given. */
const NODE_REDIS_TIMEOUT = 5_000

/**
 * @param {unknown} redis
 * @returns {Place}
 */
function placeOf(redis) {
  if (typeof redis !== 'object' || redis === null) throw refuse(describe(redis), FORMS)
  if (Array.isArray(redis)) throw refuse('an array', 'a quorum is not supported yet')
  const given = /** @type {any} */ (redis)
  refuseKind(given)
  const hasOptions = typeof given.options === 'object' && given.options !== null
  if (typeof given.sendCommand === 'function' && hasOptions) {
    return typeof given.defineCommand === 'function' ? IOREDIS_CLIENT : NODE_REDIS_CLIENT
  }
  if (typeof given.sendCommand === 'function' || typeof given.connect === 'function') {
    throw refuse('a client of another library', FORMS)
  }
  // Not a default server for whoever forgot an `await`.
  if (!isPlain(given)) throw refuse(describe(given), FORMS)
  if (Object.hasOwn(given, 'client')) return placeBeside(given)
  for (const key of Object.keys(given)) {
    if (!KNOWN.has(key)) throw unknown('redis', key, [...IOREDIS.honoured, ...OURS])
  }
  return OPTIONS
}

/**
 * `{client, failoverUnsafe}`
 *
 * @param {any} given
 * @returns {Place}
 */
function placeBeside(given) {
  for (const key of Object.keys(given)) {
    if (key !== 'client' && !OURS.includes(/** @type {any} */ (key))) {
      throw unknown('redis: what stands beside a client', key, OURS)
    }
  }
  const place = placeOf(given.client)
  if (place === OPTIONS) throw refuse('client', 'it is an options object')
  return {
    client: ({client}) => client,
    find: ({client}) => place.find(client),
    words: place.words,
  }
}

/**
 * What looks like a client, and has no one server whose options could be read.
 *
 * @param {any} given
 */
function refuseKind(given) {
  const name = typeof given.constructor === 'function' ? given.constructor.name : undefined
  if (name === 'RedisMock' || name === 'ClusterMock') {
    throw refuse('an ioredis-mock client', 'there is no server behind it')
  }
  if (given.isCluster === true || isGiven(given.startupNodes)) {
    throw refuse('an ioredis Cluster', 'Cluster is not supported yet')
  }
  const has = (/** @type {string} */ method) => typeof given[method] === 'function'
  if (!has('sendCommand') || has('defineCommand')) return
  if ('slots' in given) throw refuse('a node-redis cluster', 'Cluster is not supported yet')
  if (has('getSentinelNode') || has('acquire')) {
    throw refuse('a node-redis sentinel', `its options cannot be read, ${FORMS}`)
  }
  if (has('execute')) throw refuse('a node-redis pool', `its options cannot be read, ${FORMS}`)
}

/**
 * Each by its name: this is done for every run, and a name that varies takes ten times as long to look up.
 *
 * @param {any} options
 */
function valuesOfIoredis(options) {
  return [
    options.host,
    options.port,
    options.path,
    options.db,
    options.username,
    options.password,
    options.keyPrefix,
    options.connectionName,
    options.family,
    options.connectTimeout,
    options.tls,
    options.sentinels,
    options.name,
    options.role,
    options.sentinelUsername,
    options.sentinelPassword,
    options.sentinelTLS,
    options.enableTLSForSentinelMode,
    options.natMap,
    options.updateSentinels,
    options.Connector,
    options.failoverUnsafe,
  ]
}

/**
 * @param {Fields} options
 * @param {any} client
 * @returns {Given}
 */
function fromNodeRedis(options, client) {
  const socket = /** @type {Fields} */ (options.socket ?? {})
  for (const [name, why] of Object.entries(NODE_REDIS_SOCKET.refused)) {
    if (isGiven(socket[name])) throw refuse(`socket.${name}`, why)
  }
  const provider = /** @type {any} */ (options.credentialsProvider)
  // The client makes one itself of a user and a password.
  const own = isGiven(options.password) && !String(provider?.type).startsWith('streaming')
  if (isGiven(provider) && !own) {
    throw refuse('credentialsProvider', NODE_REDIS.refused.credentialsProvider)
  }
  return {
    options: {
      host: socket.host,
      port: socket.port,
      path: socket.path,
      family: socket.family,
      connectTimeout: socket.connectTimeout ?? NODE_REDIS_TIMEOUT,
      tls: socket.tls === true && ownOf(OF_TLS, socket),
      db: options.database,
      username: options.username,
      password: options.password,
      connectionName: options.name,
      // Version 5 has none, and ignores it.
      keyPrefix: '_keyPrefix' in client ? asText('keyPrefix', options.keyPrefix) : undefined,
    },
    called: {
      ...Object.fromEntries(NODE_REDIS_SOCKET.honoured.map((name) => [name, `socket.${name}`])),
      db: 'database',
      connectionName: 'name',
    },
  }
}

/**
 * Bytes as the text that they are.
 *
 * @param {string} name
 * @param {unknown} value
 */
function asText(name, value) {
  if (!ArrayBuffer.isView(value)) return value
  try {
    const decoder = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})
    return decoder.decode(/** @type {any} */ (value))
  } catch {
    throw refuse(`${name} of bytes that are not UTF-8`, 'our keys are text')
  }
}

/**
 * What is inherited was not given.
 *
 * @param {readonly string[]} names
 * @param {Fields} options
 * @returns {Fields}
 */
function ownOf(names, options) {
  return Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(options, name) ? [[name, options[name]]] : [])),
  )
}

exports.OF_IOREDIS = OF_IOREDIS
exports.OF_NODE_REDIS = OF_NODE_REDIS
exports.ownOf = ownOf
exports.placeOf = placeOf
