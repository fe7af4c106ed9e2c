'use strict'

// Looks at an election without taking part in it.

const {addon} = require('./binary.js')
const {invalid, ofBinary} = require('./errors.js')
const {given, millis, optionalText, reading, text} = require('./options.js')
const {readSource} = require('./source.js')

/** @typedef {import('../../index.js').PrimaryInspection} PrimaryInspection */
/** @typedef {import('../../index.js').PrimaryInspectionChange} Change */
/** @typedef {import('../../index.js').StandbyInspection} Standby */

/**
 * What is in the record of an election.
 *
 * @typedef {{state: PrimaryInspection['state'], primary?: PrimaryInspection['primary'], ttl?: number, log: string}} Found
 */

/** So many the log has. */
const MOST_CHANGES = 10

/** @type {typeof import('../../index.js').inspectPrimary} */
async function inspectPrimary(redis, prefix, options) {
  const name = text('prefix', prefix)
  const {scope, timeout} = reading(() => readOptions(options))
  const source = readSource(redis)
  try {
    const seen = new Texts(await addon.look(source, name, scope, timeout))
    const micros = seen.number()
    const {state, primary, ttl, log} = recordOf(seen, micros)
    return /** @type {PrimaryInspection} */ ({
      prefix: name,
      ...(scope === undefined ? {} : {scope}),
      at: date(micros),
      state,
      ...(primary ? {primary} : {}),
      ...rosterOf(seen, micros, ttl),
      changes: log.split('\n', MOST_CHANGES).flatMap(changeOf),
    })
  } catch (error) {
    throw ofBinary(error)
  }
}

/** @param {unknown} options */
function readOptions(options) {
  const read = given(options, ['scope', 'timeout'])
  const timeout = millis('timeout', read.timeout)
  if (timeout !== undefined && timeout < 1) {
    throw invalid(`timeout must be at least 1 ms, got ${timeout}`)
  }
  return {scope: optionalText('scope', read.scope), timeout}
}

/** The texts that the binary saw, read one after the other. */
class Texts {
  #at = 0

  /** @param {string[]} all */
  constructor(all) {
    this.all = all
  }

  get isAtEnd() {
    return this.#at >= this.all.length
  }

  /** What `next` returns next. */
  get coming() {
    return this.all[this.#at]
  }

  next() {
    return this.all[this.#at++] ?? ''
  }

  number() {
    return Number(this.next())
  }
}

/**
 * @param {Texts} seen
 * @param {number} micros Redis's clock
 * @returns {Found}
 */
function recordOf(seen, micros) {
  const found = seen.next()
  if (found === 'missing') return {state: 'none', log: ''}
  if (found === 'unreadable') return {state: 'unreadable', log: ''}
  const [token, ttl, renewedAt, since] = [
    seen.number(),
    seen.number(),
    seen.number(),
    seen.number(),
  ]
  const [serverId, asked, log] = [seen.next(), seen.next() === '1', seen.next()]
  if (found === 'free') return {state: 'vacant', ttl, log}
  // The primary's own deadline is a little earlier: it counts from when it sent its last renewal.
  const stepDownAt = renewedAt + 1_000 * (0.98 * ttl - 20 - ttl / 5)
  return {
    state: micros > stepDownAt ? 'silent' : 'primary',
    primary: {
      serverId,
      token,
      since: date(since),
      renewedAt: date(renewedAt),
      ttl,
      stepDownAt: date(stepDownAt),
      asked,
    },
    ttl,
    log,
  }
}

/**
 * @param {Texts} seen
 * @param {number} micros
 * @param {number} [ttl]
 */
function rosterOf(seen, micros, ttl) {
  const [refused, count] = [seen.next(), seen.number()]
  if (refused) return {standbysRefused: refused}
  /** @type {Standby[]} */
  const standbys = []
  let read = 0
  for (; !seen.isAtEnd; read++) {
    const [member, at] = [seen.next(), seen.number()]
    const isGone = ttl !== undefined && Math.abs(micros / 1_000 - at) > 2 * ttl
    if (!isGone) standbys.push(...standbyOf(member, at))
  }
  standbys.sort((a, b) => b.priority - a.priority || a.since.getTime() - b.since.getTime())
  // Those that were not read are the ones that were seen longest ago.
  const standbyCount = standbys.length < read ? standbys.length : count
  return {standbys, standbyCount}
}

/**
 * A member of the roster, where it is one.
 *
 * @param {string} member
 * @param {number} seenAt in ms
 * @returns {Standby[]}
 */
function standbyOf(member, seenAt) {
  const [, began, priority, version, serverId] =
    /^(\d{1,16}) (-?\d{1,4}) (\S{1,300}) (.*)$/su.exec(member) ?? []
  if (serverId === undefined) return []
  return [
    {
      serverId,
      ...(version === '-' ? {} : {version}),
      priority: Number(priority),
      since: date(Number(began)),
      seenAt: new Date(seenAt),
    },
  ]
}

/**
 * A line of the log, where it is one.
 *
 * @param {string} line
 * @returns {Change[]}
 */
function changeOf(line) {
  const [, at, token, type, reason, serverId] =
    /^(\d{1,16}) (\d{1,16}) ([a-z]+)(?:-([a-z-]+))? (.*)$/u.exec(line) ?? []
  if (serverId === undefined) return []
  const change = {
    at: date(Number(at)),
    type,
    ...(reason ? {reason} : {}),
    serverId,
    token: Number(token),
  }
  return [/** @type {Change} */ (change)]
}

/** @param {number} micros since 1970 */
const date = (micros) => new Date(micros / 1_000)

exports.Texts = Texts
exports.inspectPrimary = inspectPrimary
exports.recordOf = recordOf
