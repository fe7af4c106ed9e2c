// What a record adds up to.

import {KINDS} from '../support/kinds.mjs'
import {historyOf} from './history.mjs'
import {disturbances, handOversOf} from './vacancies.mjs'

/**
 * @typedef {import('./record.mjs').Line} Line
 * @typedef {{what: string, times: number[]}} HandOver times in ms, sorted
 * @typedef {{
 *   seed: number, ttl: number, lasted: number, servers: number, terms: number,
 *   faults: {kind: string, title: string, count: number, failed: number}[],
 *   handOvers: HandOver[], disturbed: number, accepted: number, refused: number,
 *   late: number, processes: number, lag: number,
 * }} Figures `late`: writes refused that a server sent just after it woke, before anything else
 */

/** @type {Record<string, string>} */
const ENDINGS = {
  kill: 'crash (SIGKILL)',
  term: 'SIGTERM and release',
  resigned: 'resigned',
  exit: 'process.exit()',
  throw: 'uncaught exception',
  expired: 'frozen (SIGSTOP)',
  stalled: 'event loop hung',
}

/**
 * @param {Line[]} lines
 * @returns {Figures}
 */
export function figuresOf(lines) {
  const history = historyOf(lines)
  const {begin, finish, terms, troubles, lags} = history
  const writes = lines.filter((line) => line.type === 'write')
  const vacancies = handOversOf(history)
  const clean = vacancies.filter((vacancy) => !disturbances(vacancy, history).length)
  const handOvers = Object.entries(ENDINGS).map(([end, what]) => ({
    what,
    times: handOverTimes(clean, end),
  }))
  return {
    seed: begin.seed,
    ttl: begin.ttl,
    lasted: finish - begin.at,
    servers: begin.names.length,
    terms: terms.length,
    faults: Object.entries(KINDS).map(([kind, {title}]) => {
      const played = troubles.filter((trouble) => trouble.kind === kind)
      return {kind, title, count: played.length, failed: played.filter((t) => t.failed).length}
    }),
    handOvers: handOvers.filter(({times}) => times.length),
    disturbed: vacancies.length - clean.length,
    accepted: writes.filter(({accepted}) => accepted).length,
    refused: writes.filter(({accepted}) => !accepted).length,
    late: writes.filter(({accepted, woken}) => !accepted && woken).length,
    processes: lines.filter(({type}) => type === 'started').length,
    lag: lags.reduce((most, {from, to}) => Math.max(most, to - from), 0),
  }
}

/**
 * @param {import('./vacancies.mjs').Vacancy[]} vacancies
 * @param {string} end
 */
function handOverTimes(vacancies, end) {
  return vacancies
    .filter(({before}) => before?.end === end)
    .map(({from, to}) => to - from)
    .sort((a, b) => a - b)
}
