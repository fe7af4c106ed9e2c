'use strict'

const {errorOf} = require('./run-errors.js')

/** @typedef {import('../../index.js').RunOutcome} RunOutcome */
/** @typedef {import('./run.js').Ending} Ending */

/**
 * A `RunOutcome` without the errors that are made for a caller.
 *
 * @typedef {Exclude<RunOutcome, {outcome: 'lost' | 'unavailable'}>
 *   | Omit<RunOutcome & {outcome: 'lost'}, 'error'>
 *   | {outcome: 'unavailable', reason: 'denied' | 'unanswered' | 'internal', cause?: string}} RunWords
 */

/**
 * What became of a run, in words.
 *
 * @param {Ending} ending
 * @returns {RunWords}
 */
function wordsOf(ending) {
  switch (ending.kind) {
    case 'returned':
      return {outcome: 'ran', token: ending.token}
    case 'threw':
      return {outcome: 'failed', error: ending.error, token: ending.token}
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

/**
 * What became of a run, to its caller.
 *
 * @param {string} resource
 * @param {Ending} ending
 * @returns {RunOutcome}
 */
function outcomeOf(resource, ending) {
  const words = wordsOf(ending)
  switch (words.outcome) {
    case 'lost': {
      const lost = /** @type {Ending} */ ({...ending, result: undefined})
      return {...words, error: errorOf(resource, lost)}
    }
    case 'unavailable':
      return {outcome: 'unavailable', error: errorOf(resource, ending)}
    default:
      return words
  }
}

exports.outcomeOf = outcomeOf
exports.wordsOf = wordsOf
