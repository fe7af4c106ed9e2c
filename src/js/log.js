'use strict'

const counters = require('./counters.js')
const {invalid} = require('./errors.js')
const {describe, reading} = require('./options.js')

/** @typedef {import('../../index.js').PrimaryLogger} PrimaryLogger */
/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/** @type {Level[]} */
const LEVELS = ['debug', 'info', 'warn', 'error']

/** What goes to `console` where no logger was set: this level, and what is more severe. */
const asked = process.env.PRIMARY_LEASE_LOG || 'warn'
const isKnown = asked === 'silent' || LEVELS.includes(/** @type {Level} */ (asked))
const consoleLevel = isKnown ? asked : 'warn'

/** To `console`, as far as the environment says; `null` for silence. */
const BY_DEFAULT = Symbol('console')

/** @type {PrimaryLogger | null | typeof BY_DEFAULT} */
let logger = BY_DEFAULT

/** It wants the fields before the message, as pino and bunyan do, and an error among them as `err`. */
let fieldsFirst = false

/** Whether a line of this layer is for the console: that of a test file which has ended is not there any more. */
let isPresent = () => true

/**
 * Writes a line. A logger that throws, or whose method rejects, harms nobody.
 *
 * @param {Level} level
 * @param {string} message
 * @param {Record<string, unknown>} fields
 */
function log(level, message, fields) {
  const target = logger === BY_DEFAULT ? console : logger
  if (target === null) return
  if (logger === BY_DEFAULT && (!isForConsole(level) || !isPresent())) return
  // There is nowhere left to report it.
  const ignore = () => {
    counters.log.dropped += 1
  }
  counters.log.lines[level] += 1
  try {
    const line = `primary-lease: ${message}`
    const {error: err, ...rest} = fields
    const written = fieldsFirst
      ? /** @type {any} */ (target)[level]('error' in fields ? {...rest, err} : fields, line)
      : target[level](line, fields)
    if (typeof written?.then === 'function') written.then(undefined, ignore)
  } catch {
    ignore()
  }
}

/** @param {Level} level */
function isForConsole(level) {
  return (
    consoleLevel !== 'silent' &&
    LEVELS.indexOf(level) >= LEVELS.indexOf(/** @type {Level} */ (consoleLevel))
  )
}

/** Where the environment asks for a level that there is not. */
function reportUnknownLevel() {
  if (isKnown) return
  log('warn', 'PRIMARY_LEASE_LOG is no level of the log', {
    given: asked.slice(0, 40),
    levels: [...LEVELS, 'silent'].join(', '),
  })
}

/**
 * @param {unknown} given
 * @returns {'debug' | undefined} the least severe level that is wanted
 */
function setLogger(given) {
  const [read, first] = reading(
    () => /** @type {const} */ ([readLogger(given), isFieldsFirst(given)]),
  )
  logger = read
  fieldsFirst = first
  return logger === null ? undefined : 'debug'
}

/** @param {any} logger */
function isFieldsFirst(logger) {
  if (logger === null) return false
  const pino = typeof logger.bindings === 'function' && typeof logger.isLevelEnabled === 'function'
  const bunyan = typeof logger.addSerializers === 'function' && Array.isArray(logger.streams)
  return pino || bunyan
}

/**
 * @param {unknown} given
 * @returns {PrimaryLogger | null}
 */
function readLogger(given) {
  if (given === null) return null
  const refuse = (/** @type {string} */ got) =>
    invalid(`logger must have the methods ${LEVELS.join(', ')}, or be null, got ${got}`)
  if (typeof given !== 'object' && typeof given !== 'function') throw refuse(describe(given))
  const methods = /** @type {any} */ (given)
  for (const level of LEVELS) {
    if (typeof methods[level] !== 'function') throw refuse(`one without ${level}`)
  }
  return methods
}

/** @param {() => boolean} ask */
function presentWhile(ask) {
  isPresent = ask
}

exports.consoleLevel = consoleLevel === 'silent' ? undefined : consoleLevel
exports.log = log
exports.presentWhile = presentWhile
exports.reportUnknownLevel = reportUnknownLevel
exports.setLogger = setLogger
