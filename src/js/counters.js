'use strict'

// What this layer counts by itself: plain additions, which decide nothing.

/** @typedef {import('../../index.js').PrimaryChange} PrimaryChange */
/** @typedef {import('../../index.js').ElectionMetrics['changes']} Changes */

/** How runs ended, by the words of the outside. */
const runs = {
  ran: 0,
  failed: 0,
  skipped: {held: 0, ran: 0, closed: 0},
  lost: ofReasons({overrun: 0}),
  unavailable: {unanswered: 0, denied: 0, internal: 0},
  active: 0,
}

const log = {lines: {debug: 0, info: 0, warn: 0, error: 0}, dropped: 0}

/** So many elections that nobody has to do with any more are remembered. */
const MOST_ENDED = 1_000

/**
 * What became of each election, by its prefix: of those that somebody has to do with, and of the last others.
 *
 * @typedef {{prefix: string, name: string, changes: Changes, primarySeconds: number}} Counted
 * @type {Map<string, Counted>}
 */
const present = new Map()
/** @type {Map<string, Counted>} */
const ended = new Map()

/**
 * Every reason for which a lease ends.
 *
 * @template {object} More
 * @param {More} more
 */
function ofReasons(more) {
  return {
    'store-lost': 0,
    expired: 0,
    superseded: 0,
    stalled: 0,
    failed: 0,
    asked: 0,
    internal: 0,
    resigned: 0,
    exit: 0,
    ...more,
  }
}

/** @returns {Changes} */
function noChanges() {
  return {
    elected: 0,
    lost: ofReasons({}),
    resigned: ofReasons({}),
    primaryChanged: 0,
    unavailable: 0,
  }
}

/** @param {import('./addon').PlainChange} change */
function countChange({type, prefix, lease, reason, held}) {
  const counted = countedOf(prefix)
  const {changes} = counted
  switch (type) {
    case 'elected':
      changes.elected += 1
      if (lease) counted.name = lease.name.slice('primary:'.length)
      return
    case 'primary-changed':
      changes.primaryChanged += 1
      return
    case 'unavailable':
      changes.unavailable += 1
      return
    case 'lost':
    case 'resigned':
      changes[type][/** @type {keyof Changes['lost']} */ (reason)] += 1
      counted.primarySeconds += held ?? 0
  }
}

/** @param {string} prefix */
function countedOf(prefix) {
  let counted = present.get(prefix)
  if (!counted) {
    counted = ended.get(prefix) ?? {prefix, name: prefix, changes: noChanges(), primarySeconds: 0}
    ended.delete(prefix)
    present.set(prefix, counted)
  }
  return counted
}

/**
 * Nobody has to do with this election any more.
 *
 * @param {string} prefix
 */
function endElection(prefix) {
  const counted = present.get(prefix)
  if (!counted) return
  present.delete(prefix)
  ended.set(prefix, counted)
  for (const oldest of ended.keys()) {
    if (ended.size <= MOST_ENDED) return
    ended.delete(oldest)
  }
}

/** All elections that something was counted of, by their prefixes. */
function countedElections() {
  const all = [...ended.values(), ...present.values()]
  return new Map(
    all.map((counted) => [counted.prefix, {...counted, changes: copyOf(counted.changes)}]),
  )
}

/** @param {Changes} changes */
function copyOf(changes) {
  return {...changes, lost: {...changes.lost}, resigned: {...changes.resigned}}
}

/** @param {import('./run.js').Ending} ending */
function countRun(ending) {
  switch (ending.kind) {
    case 'returned':
      runs.ran += 1
      return
    case 'threw':
      runs.failed += 1
      return
    case 'lost':
      runs.lost[ending.loss] += 1
      return
    case 'held':
    case 'ran':
      runs.skipped[ending.kind] += 1
      return
    case 'closed':
    case 'abandoned':
      runs.skipped.closed += 1
      return
    case 'denied':
      runs.unavailable.denied += 1
      return
    case 'unavailable':
      runs.unavailable.unanswered += 1
      return
    default:
      runs.unavailable.internal += 1
  }
}

exports.countChange = countChange
exports.countRun = countRun
exports.countedElections = countedElections
exports.endElection = endElection
exports.log = log
exports.noChanges = noChanges
exports.runs = runs
