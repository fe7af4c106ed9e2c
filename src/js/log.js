'use strict'

const {invalid} = require('./errors.js')
const {describe, reading} = require('./options.js')

/** @typedef {import('../../index.js').PrimaryLogger} PrimaryLogger */
/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/** @type {Level[]} */
const LEVELS = ['debug', 'info', 'warn', 'error']

/** Warnings and errors to `console`, `null` for silence. */
const BY_DEFAULT = Symbol('console')

/** @type {PrimaryLogger | null | typeof BY_DEFAULT} */
let logger = BY_DEFAULT

/**
 * Writes a line. A logger that throws harms nobody.
 *
 * @param {Level} level
 * @param {string} message
 * @param {Record<string, unknown>} fields
 */
function log(level, message, fields) {
  const target = logger === BY_DEFAULT ? console : logger
  if (target === null) return
  if (logger === BY_DEFAULT && (level === 'debug' || level === 'info')) return
  try {
    target[level](`primary-lease: ${message}`, fields)
  } catch {
    // There is nowhere left to report it.
  }
}

/**
 * @param {unknown} given
 * @returns the least severe level that is wanted
 */
function setLogger(given) {
  logger = reading(() => read(given))
  return logger === null ? undefined : 'debug'
}

/**
 * @param {unknown} given
 * @returns {PrimaryLogger | null}
 */
function read(given) {
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

exports.log = log
exports.setLogger = setLogger
