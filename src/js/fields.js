'use strict'

// Reads single options of a connection, in ioredis's words.

const {invalid} = require('./errors.js')
const {describe, whole} = require('./options.js')

/** @typedef {{[name: string]: unknown}} Fields */

/**
 * Options in ioredis's words, and what those of them are called that the caller has other words for.
 *
 * @typedef {{options: Fields, called: {[name: string]: string}}} Given
 */

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
    return whole(`redis: ${what}`, value, !/username|password/i.test(name))
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

exports.MAX_WHOLE = MAX_WHOLE
exports.isGiven = isGiven
exports.refuse = refuse
exports.textOf = textOf
exports.wholeOf = wholeOf
