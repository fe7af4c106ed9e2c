// Judges a record, and knows nothing but the record.

import {median, ripeWatch} from '../support/record.mjs'
import {termsOf} from './record.mjs'

/**
 * @typedef {import('./record.mjs').DemoRecord} DemoRecord
 * @typedef {import('./record.mjs').Departed} Departed
 * @typedef {import('./record.mjs').Elected} Elected
 *
 * @typedef {{promise: string, broken: string[]}} Judgement kept where nothing broke it
 * @typedef {{what: string, times: number[], goal: string, reached: boolean}} Figure
 * @typedef {{departed: Departed, elected: Elected | undefined}} Vacancy
 */

/** After a crash: for the timer, the script and the network, beside the ripe watch. */
const CRASH_SLACK = 100
/** A released place is taken at the next poll (half a ttl) where the message was lost. */
const RELEASE_SLACK = 100
/** What sentinels may take from a master's being down to the next, and for its being found. */
const FAILOVER = 3000

/**
 * @param {DemoRecord} record
 * @returns {Judgement[]}
 */
export function judge(record) {
  const always = [
    {promise: 'never two primaries at once', broken: overlaps(record)},
    {promise: 'tokens rise', broken: fallingTokens(record)},
    {promise: 'every vacancy is filled in time', broken: lateVacancies(record)},
  ]
  if (record.downAfter !== undefined) {
    return [...always, {promise: 'every failover is followed', broken: unfollowed(record)}]
  }
  return [
    ...always,
    {promise: 'a blocked event loop causes no election', broken: caused(record, 'block')},
    {promise: 'a flushed Redis causes no election', broken: caused(record, 'flush')},
  ]
}

/**
 * How long the hand-overs took, by the way in which the primary went.
 *
 * @param {DemoRecord} record
 * @returns {Figure[]}
 */
export function figures(record) {
  const ripe = ripeWatch(record.ttl)
  /** @type {[import('./record.mjs').Departure, string][]} */
  const gentle = [
    ['term', 'SIGTERM and release()'],
    ['exit', 'process.exit()'],
    ['throw', 'uncaught exception'],
  ]
  const crashes = handOvers(record, 'kill')
  const mean = crashes.reduce((sum, ms) => sum + ms, 0) / crashes.length
  const most = Math.max(...crashes)
  return [
    {
      what: 'SIGKILL, from the last renewal',
      times: crashes,
      goal: `mean <= ${ripe + 50}, max <= ${ripe + CRASH_SLACK} ms`,
      reached: mean <= ripe + 50 && most <= ripe + CRASH_SLACK,
    },
    ...gentle.map(([how, what]) => {
      const times = handOvers(record, how)
      return {what, times, goal: 'median <= 10 ms', reached: median(times) <= 10}
    }),
    ...failoverFigures(record),
  ].filter(({times}) => times.length > 0)
}

/**
 * From what happened to the master to a primary at the next one.
 *
 * @param {DemoRecord} record
 * @returns {Figure[]}
 */
function failoverFigures({ttl, downAfter = 0, entries}) {
  /** @type {[import('./record.mjs').FailoverKind, string, number][]} */
  const kinds = [
    ['manual', 'manual failover, to a primary', 0],
    ['kill', 'master killed, to a primary', downAfter],
    ['freeze', 'master frozen, to a primary', downAfter],
  ]
  return kinds.map(([how, what, unnoticed]) => {
    const begun = entries.filter((entry) => entry.type === 'failover' && entry.how === how)
    const times = begun.flatMap((entry) => {
      const followed = followedAt(entries, entry)
      return followed ? [followed.at - entry.at] : []
    })
    const limit = unnoticed + FAILOVER + ripeWatch(ttl)
    return {what, times, goal: `max <= ${limit} ms`, reached: Math.max(...times) <= limit}
  })
}

/**
 * @param {import('./record.mjs').Entry[]} entries
 * @param {import('./record.mjs').At} failover
 */
const followedAt = (entries, failover) =>
  entries.find((entry) => entry.type === 'followed' && entry.at > failover.at)

/** @param {DemoRecord} record */
function unfollowed({entries}) {
  const failovers = entries.filter((entry) => entry.type === 'failover')
  if (failovers.length === 0) return ['there was none']
  return failovers
    .filter((failover) => !followedAt(entries, failover))
    .map(({how}) => `nobody was primary after the one by ${how}`)
}

/** @param {DemoRecord} record */
function overlaps({entries}) {
  const broken = []
  /** @type {import('./record.mjs').Term | undefined} */
  let longest
  for (const term of termsOf(entries)) {
    if (longest && term.from <= longest.to) {
      const ms = (Math.min(longest.to, term.to) - term.from).toFixed(1)
      broken.push(`${longest.server} and ${term.server} both held it for ${ms} ms`)
    }
    if (!longest || term.to > longest.to) longest = term
  }
  return broken
}

/** @param {DemoRecord} record */
function fallingTokens({entries}) {
  const terms = termsOf(entries)
  return terms.slice(1).flatMap((term, at) => {
    const before = terms[at]
    if (!before || term.token > before.token) return []
    return [`${term.server} was given ${term.token} after ${before.server} had ${before.token}`]
  })
}

/**
 * Every departure of a primary, and the election that followed it.
 *
 * @param {DemoRecord} record
 * @returns {Vacancy[]}
 */
function vacancies({entries}) {
  return entries
    .filter((entry) => entry.type === 'departed')
    .map((departed) => {
      const later = entries
        .filter((entry) => entry.type === 'elected')
        .filter(({at}) => at > departed.at)
        .sort((a, b) => a.at - b.at)
      return {departed, elected: later[0]}
    })
}

/** @param {Vacancy} vacancy */
const lasted = ({departed, elected}) =>
  elected ? elected.at - (departed.lastRenewal ?? departed.at) : Number.POSITIVE_INFINITY

/**
 * @param {DemoRecord} record
 * @param {import('./record.mjs').Departure} how
 */
function handOvers(record, how) {
  return vacancies(record)
    .filter(({departed, elected}) => departed.how === how && elected)
    .map(lasted)
}

/** @param {DemoRecord} record */
function lateVacancies(record) {
  const all = vacancies(record)
  if (all.length === 0) return ['no primary ever went, so nothing is proved']
  return all.flatMap((vacancy) => {
    const {how, server} = vacancy.departed
    const limit =
      how === 'kill' ? ripeWatch(record.ttl) + CRASH_SLACK : record.ttl / 2 + RELEASE_SLACK
    const ms = lasted(vacancy)
    if (ms <= limit) return []
    const took = vacancy.elected ? `was filled after ${ms.toFixed(1)} ms` : 'was never filled'
    return [`the place of ${server} (${how}) ${took}, the limit is ${limit} ms`]
  })
}

/**
 * @param {DemoRecord} record
 * @param {'block' | 'flush'} trial
 */
function caused({entries}, trial) {
  const trials = entries.filter((entry) => entry.type === 'began' && entry.trial === trial)
  if (trials.length === 0) return ['it was never tried']
  return trials.flatMap((began) => {
    const over = entries.find(
      (entry) => entry.type === 'over' && entry.trial === trial && entry.at > began.at,
    )
    if (!over) return ['it never came to its end']
    return entries
      .filter(({at}) => at > began.at && at < over.at)
      .flatMap((entry) => {
        if (entry.type === 'elected') return [`${entry.server} was elected meanwhile`]
        if (entry.type === 'ended') return [`${entry.server} lost its place meanwhile`]
        return []
      })
  })
}
