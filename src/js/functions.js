'use strict'

// The functions of elections.

const {addon} = require('./binary.js')
const {changeOf} = require('./changes.js')
const {context} = require('./context.js')
const {electionOf} = require('./elections.js')
const {calling, ofBinary} = require('./errors.js')
const {log} = require('./log.js')
const {boolean, callable, given, millis, millisOrFalse, number, optionalText, reading, text} =
  require('./options.js')
const {readSource, watchCredentials} = require('./source.js')
const {versionOrder} = require('./version.js')
const {Guard} = require('./work.js')

/** @typedef {typeof import('../../index.js')} Outside */
/** @typedef {import('./addon').PlainChange} Change */
/** @typedef {import('./elections.js').Election} Election */

const OF_ELECTION = [
  'ttl',
  'renewInterval',
  'establishTimeout',
  'exitTimeout',
  'stallTimeout',
  'scope',
  'serverId',
  'eagerStart',
  'priority',
  'version',
]

/** Where this package was loaded again in the same process. */
const LEFT_OVER =
  '; an earlier test file left it: end each with afterAll(() => resignPrimaryServer()), and give each ' +
  'a prefix of its own'

/** @type {Outside['establishPrimaryServer']} */
async function establishPrimaryServer(redis, prefix, options) {
  const name = text('prefix', prefix)
  const read = reading(() => readOptions(options))
  const source = readSource(redis)
  const election = electionOf(name).use()
  const isLeftOver = !election.isOurs && addon.campaigns(name).length > 0
  election.isOurs = true
  try {
    // First: what throws while a promise is in hand leaves that one rejected and unheard.
    watchCredentials(redis)
    const granted = await addon.establishPrimaryServer(source, name, read)
    return granted ? election.leaseOf(granted) : undefined
  } catch (error) {
    const thrown = ofBinary(error)
    if (isLeftOver && thrown.message.startsWith('a campaign for ')) {
      election.isOurs = false
      thrown.message += LEFT_OVER
    }
    throw thrown
  } finally {
    election.leave()
  }
}

/** @param {unknown} options */
function readOptions(options) {
  const read = given(options, OF_ELECTION)
  const version = optionalText('version', read.version)
  return {
    ttl: millis('ttl', read.ttl),
    renewInterval: millis('renewInterval', read.renewInterval),
    establishTimeout: millis('establishTimeout', read.establishTimeout),
    exitTimeout: millis('exitTimeout', read.exitTimeout),
    stallTimeout: millisOrFalse('stallTimeout', read.stallTimeout),
    scope: optionalText('scope', read.scope),
    serverId: optionalText('serverId', read.serverId),
    eagerStart: boolean('eagerStart', read.eagerStart),
    priority: number('priority', read.priority),
    version,
    versionOrder: version === undefined ? undefined : versionOrder(version),
  }
}

/** @type {Outside['onPrimaryChange']} */
function onPrimaryChange(prefix, listener) {
  const election = electionOf(text('prefix', prefix))
  callable('listener', listener)
  const inContext = context()
  return follow(election.use(), (change) => inContext(tell, election, listener, change))
}

/** @type {Outside['whilePrimary']} */
function whilePrimary(prefix, run, options) {
  const keeps =
    reading(() => boolean('keepOnFailure', given(options, ['keepOnFailure']).keepOnFailure)) ??
    false
  const election = electionOf(text('prefix', prefix))
  callable('run', run)
  const guard = new Guard(election, run, keeps)
  const stop = follow(election.use(), ({type}) => {
    if (type === 'elected') guard.begin()
  })
  return () => {
    stop()
    guard.stop()
  }
}

/**
 * Stands for election while it follows. The election itself hears each change first.
 *
 * @param {Election} election
 * @param {(change: Change) => void} hear
 */
function follow(election, hear) {
  const listener = calling(() => addon.onPrimaryChange(election.prefix, hear, true))
  let follows = true
  return () => {
    if (!follows) return
    follows = false
    addon.offPrimaryChange(listener)
    election.leave()
  }
}

/**
 * A listener that throws, or returns a promise that rejects, harms nobody.
 *
 * @param {Election} election
 * @param {(change: import('../../index.js').PrimaryChange) => unknown} listener
 * @param {Change} change
 */
async function tell(election, listener, change) {
  try {
    await listener(changeOf(election, change))
  } catch (error) {
    log('error', 'a listener threw', {prefix: election.prefix, error})
  }
}

/** @type {Outside['primaryStatus']} */
function primaryStatus(prefix) {
  const name = text('prefix', prefix)
  const status = calling(() => addon.primaryStatus(name))
  if (!status) return undefined
  const {lease, ...rest} = status
  if (!lease) return /** @type {any} */ (rest)
  return /** @type {any} */ ({...rest, token: lease.token, lease: electionOf(name).leaseOf(lease)})
}

/** @type {Outside['resignPrimaryServer']} */
async function resignPrimaryServer(prefix, options) {
  const drain = reading(() => millis('drain', given(options, ['drain']).drain)) ?? 0
  const name = prefix === undefined || prefix === null ? undefined : text('prefix', prefix)
  try {
    await Promise.all(addon.campaigns(name).map((campaign) => addon.resign(campaign, drain)))
  } catch (error) {
    throw ofBinary(error)
  }
}

exports.establishPrimaryServer = establishPrimaryServer
exports.onPrimaryChange = onPrimaryChange
exports.primaryStatus = primaryStatus
exports.resignPrimaryServer = resignPrimaryServer
exports.whilePrimary = whilePrimary
