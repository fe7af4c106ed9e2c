'use strict'

// What is told to tools that watch a process from outside of its code. Nothing is made where nobody listens.

const {channel} = require('node:diagnostics_channel')

const changes = channel('primary-lease:change')
const runs = channel('primary-lease:run')

/**
 * A run has ended, or will never begin.
 *
 * @param {{prefix?: string, resource: string, askedAt: number, beganAt?: number, endedAt: number}} run
 * @param {import('./run.js').Ending} ending
 */
function tellRun(run, ending) {
  if (runs.hasSubscribers) runs.publish({...run, ...wordsOf(ending)})
}

/**
 * In the words of a `RunOutcome`.
 *
 * @param {import('./run.js').Ending} ending
 */
function wordsOf(ending) {
  switch (ending.kind) {
    case 'returned':
      return {outcome: 'ran', token: ending.token}
    case 'threw':
      return {outcome: 'failed', token: ending.token, error: ending.error}
    case 'lost':
      return {outcome: 'lost', token: ending.token, reason: ending.loss}
    case 'held':
    case 'ran':
      return {outcome: 'skipped', reason: ending.kind}
    case 'closed':
    case 'abandoned':
      return {outcome: 'skipped', reason: 'closed'}
    case 'denied':
      return {outcome: 'unavailable', reason: 'denied', cause: ending.cause}
    case 'unavailable':
      return {outcome: 'unavailable', reason: 'unanswered', cause: ending.cause}
    default:
      return {outcome: 'unavailable', reason: 'internal'}
  }
}

exports.changes = changes
exports.runs = runs
exports.tellRun = tellRun
