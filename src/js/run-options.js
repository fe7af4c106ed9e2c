'use strict'

// The options of a run, as the list of numbers that the binary reads.

const {invalid} = require('./errors.js')
const {boolean, describe, given, millis, millisOrFalse} = require('./options.js')
const {scheduled} = require('./ticks.js')

/** @typedef {import('./options.js').Given} Given */

const OF_WITH_LEASE = [
  'ttl',
  'minHold',
  'tick',
  'tickEvery',
  'tickMemory',
  'wait',
  'acquireTimeout',
  'maxRun',
  'signal',
  'stallTimeout',
  'exitTimeout',
  'awaitRelease',
]
const OF_RUNNER = [
  'minHold',
  'tickMemory',
  'acquireTimeout',
  'maxRun',
  'stallTimeout',
  'exitTimeout',
  'awaitRelease',
]
const OF_RUN = ['tick', 'tickEvery', 'minHold', 'maxRun']

/**
 * A list of numbers as the binary reads it, NaN for what was not given: whether it is a runner's, then ttl, minHold,
 * wait, acquireTimeout, maxRun, stallTimeout, exitTimeout, tick, tickEvery, tickMemory, a tick that was found, and
 * whether the release is awaited.
 *
 * @typedef {number[]} Numbers
 */

const [
  OF_A_RUNNER,
  TTL,
  MIN_HOLD,
  WAIT,
  ACQUIRE,
  MAX_RUN,
  STALL,
  EXIT,
  TICK,
  EVERY,
  MEMORY,
  FOUND,
  AWAITS,
] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]

/** Nothing given. A literal is copied; to fill an array costs as much as all the rest of reading the options.
 *
 * @returns {Numbers}
 */
// biome-ignore format: one line
const none = () => [NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN]

/**
 * Those of `withLease`, with its signal.
 *
 * @param {unknown} options
 */
function ofWithLease(options) {
  const read = given(options, OF_WITH_LEASE)
  const list = none()
  put(list, TTL, millis('ttl', read.ttl))
  readAll(list, read)
  put(list, WAIT, millis('wait', read.wait))
  readTick(list, read)
  return {list, signal: signalOf(read)}
}

/**
 * Those of a `LeaderRunner`, which hold for all of its runs.
 *
 * @param {number} ttl
 * @param {unknown} options
 */
function ofRunner(ttl, options) {
  const read = given(options, OF_RUNNER)
  const list = none()
  list[OF_A_RUNNER] = 1
  list[TTL] = ttl
  readAll(list, read)
  return list
}

/**
 * Those of a runner, with what one call of `runLocked` says otherwise.
 *
 * @param {Numbers} ofAll
 * @param {unknown} options
 */
function ofRun(ofAll, options) {
  if (options === undefined || options === null) return ofAll
  const read = given(options, OF_RUN)
  const list = [...ofAll]
  readHold(list, read)
  readTick(list, read)
  return list
}

/** @param {Numbers} list */
const isBounded = (list) => !Number.isNaN(list[MAX_RUN])

/**
 * The shortest time between two ticks, where that names them.
 *
 * @param {Numbers} list
 */
const periodOf = (list) => list[EVERY] ?? Number.NaN

/** @param {Numbers} list */
const isOfTick = (list) =>
  !(Number.isNaN(list[TICK]) && Number.isNaN(list[EVERY]) && Number.isNaN(list[FOUND]))

/**
 * @param {Numbers} list
 * @param {Given} read
 */
function readAll(list, read) {
  put(list, MEMORY, millis('tickMemory', read.tickMemory))
  put(list, ACQUIRE, millis('acquireTimeout', read.acquireTimeout))
  put(list, STALL, millisOrFalse('stallTimeout', read.stallTimeout))
  put(list, EXIT, millis('exitTimeout', read.exitTimeout))
  const awaits = boolean('awaitRelease', read.awaitRelease)
  if (awaits !== undefined) list[AWAITS] = Number(awaits)
  readHold(list, read)
}

/**
 * @param {Numbers} list
 * @param {Given} read
 */
function readHold(list, read) {
  put(list, MIN_HOLD, millis('minHold', read.minHold))
  put(list, MAX_RUN, millis('maxRun', read.maxRun))
}

/**
 * @param {Numbers} list
 * @param {Given} read
 */
function readTick(list, read) {
  const every = millis('tickEvery', read.tickEvery)
  if (read.tick !== undefined && every !== undefined) {
    throw invalid('tick and tickEvery were both given: one of them names the tick')
  }
  put(list, EVERY, every)
  if (read.tick === undefined) return
  const {at, found} = scheduled(read.tick)
  list[found ? FOUND : TICK] = at
}

/**
 * @param {Numbers} list
 * @param {number} at
 * @param {number | undefined} number
 */
function put(list, at, number) {
  if (number !== undefined) list[at] = number
}

/**
 * @param {Given} read
 * @returns {AbortSignal | undefined}
 */
function signalOf({signal}) {
  if (signal === undefined) return undefined
  const events = /** @type {Partial<AbortSignal> | null} */ (signal)
  if (typeof signal === 'object' && typeof events?.addEventListener === 'function') {
    return /** @type {AbortSignal} */ (signal)
  }
  throw invalid(`signal must be an AbortSignal, got ${describe(signal)}`)
}

exports.isBounded = isBounded
exports.isOfTick = isOfTick
exports.periodOf = periodOf
exports.ofRun = ofRun
exports.ofRunner = ofRunner
exports.ofWithLease = ofWithLease
