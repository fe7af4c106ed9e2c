// The times without a primary, and how long each may last.

import {minus, overlap} from './history.mjs'

/**
 * @typedef {import('./history.mjs').History} History
 * @typedef {import('./history.mjs').Span} Span
 * @typedef {import('./history.mjs').Term} Term
 * @typedef {Span & {before?: Term, after?: Term}} Vacancy
 */

/** For timers, scripts and the machine, beside what the rules add up to. */
const SLACK = 250

/**
 * How long a standby may need from a moment on which it and Redis are well, whatever was before: it
 * notices that its connection is dead, has another, asks, and watches the silence for longer than
 * the ttl.
 *
 * @param {number} ttl
 */
export const longest = (ttl) =>
  ttl / 2 + // until its next poll
  ttl / 6 + // until that has no answer
  ttl / 8 + // until there is another connection
  ttl / 6 + // the longest pause between two tries
  ttl / 5 + // from a lost lease to its window's end, before which its holder does not stand again
  ripe(ttl) +
  SLACK

/** @param {number} ttl */
const ripe = (ttl) => ttl * 1.02 + 20

/**
 * How long a vacancy may last in which nothing else happened, by how the one before ended.
 *
 * @param {string | undefined} end
 * @param {number} ttl
 */
function undisturbed(end, ttl) {
  // A release is a message; where that is lost, the next poll finds it.
  if (end && RELEASES.includes(end)) return ttl / 2 + SLACK
  if (end === 'kill') return ripe(ttl) + SLACK
  return longest(ttl)
}

export const RELEASES = ['term', 'exit', 'throw', 'resigned', 'stalled']

/**
 * Every time in which certainly nobody was primary, until the end of the run.
 *
 * @param {History} history
 * @returns {Vacancy[]}
 */
export function vacanciesOf({terms, begin, finish}) {
  const ordered = [...terms].sort((a, b) => a.mayFrom - b.mayFrom)
  /** @type {Vacancy[]} */
  const vacancies = []
  /** @type {Term | undefined} */
  let before
  let at = begin.at
  for (const after of [...ordered, undefined]) {
    const to = after ? after.mayFrom : finish
    if (to > at) vacancies.push({from: at, to: Math.min(to, finish), before, after})
    if (after && after.mayTo >= at) {
      at = after.mayTo
      before = after
    }
  }
  return vacancies.filter(({from, to}) => to > from)
}

/**
 * From the last moment at which one was primary, or was told to end, to the first of the next.
 *
 * @param {History} history
 * @returns {(Span & {before: Term, after: Term})[]}
 */
export function handOversOf({terms}) {
  const ordered = terms.filter(({from, to}) => to >= from).sort((a, b) => a.from - b.from)
  return ordered.slice(1).flatMap((after, index) => {
    const before = /** @type {Term} */ (ordered[index])
    const from = Math.max(before.to, before.told ?? 0)
    return after.from > from ? [{from, to: after.from, before, after}] : []
  })
}

/**
 * The troubles that overlap a vacancy or the release before it, beside the one that made it.
 *
 * @param {Vacancy} vacancy
 * @param {History} history
 */
export function disturbances(vacancy, {troubles, begin}) {
  const {before} = vacancy
  const span = {from: Math.min(before?.told ?? vacancy.from, vacancy.from), to: vacancy.to}
  // Until the next renewal there is no record that could be released, or whose silence is watched.
  const sincePrevious = {from: span.from - begin.ttl / 3 - SLACK, to: span.to}
  return troubles.filter(
    (trouble) =>
      overlap(trouble, LOSING.includes(trouble.kind) ? sincePrevious : span) &&
      !(before && trouble.kind === endingOf(before) && trouble.scope.includes(before.server)),
  )
}

/** The faults that lose the record of the election. */
const LOSING = ['flush', 'delete', 'wipe']

/** @param {Term} term */
const endingOf = ({end}) => CAUSES[String(end)] ?? end

/** @type {Record<string, string>} */
const CAUSES = {resigned: 'resign', expired: 'freeze', stalled: 'hang'}

/**
 * Vacancies that a server could have filled and did not.
 *
 * @param {History} history
 * @returns {{vacancy: Vacancy, server: string, since: number, limit: number, lasted: number}[]}
 */
export function lateVacancies(history) {
  const {ttl} = history.begin
  return vacanciesOf(history).flatMap((vacancy) => {
    const calm = vacancy.before && !disturbances(vacancy, history).length
    const limit = calm ? undisturbed(vacancy.before?.end, ttl) : longest(ttl)
    for (const [server, spans] of history.stands) {
      const hindered = history.troubles.filter(
        ({effect, scope}) => effect !== 'none' && (!scope.length || scope.includes(server)),
      )
      const within = spans
        .map(({from, to}) => ({from: Math.max(from, vacancy.from), to: Math.min(to, vacancy.to)}))
        .filter(({from, to}) => to > from)
      for (const free of minus(within, hindered)) {
        const lasted = free.to - free.from
        if (lasted > limit + lagWithin(history, free)) {
          return [{vacancy, server, since: free.from, limit, lasted}]
        }
      }
    }
    return []
  })
}

/**
 * For how many ms in a span this machine let nobody run.
 *
 * @param {History} history
 * @param {Span} span
 */
export const lagWithin = ({lags}, span) =>
  lags.filter((lag) => overlap(lag, span)).reduce((sum, {from, to}) => sum + (to - from), 0)
