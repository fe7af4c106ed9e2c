// From the demo's record to what the timeline shows.

import {KINDS} from '../support/kinds.mjs'
import {handOver, ms, REDIS, termBar} from '../support/picture.mjs'
import {median} from '../support/record.mjs'
import {termsOf} from './record.mjs'
import {figures, judge} from './verdict.mjs'

/**
 * @typedef {import('./record.mjs').DemoRecord} DemoRecord
 * @typedef {import('./record.mjs').Entry} Entry
 * @typedef {import('../support/picture.mjs').Picture} Picture
 */

const {kill, term, exit, throw: thrown, block} = KINDS
const SHOWN = {
  kill,
  term,
  exit,
  throw: thrown,
  block,
  flush: {symbol: KINDS.flush.symbol, title: 'Redis loses the record'},
}

/** @type {Record<import('./record.mjs').FailoverKind, {symbol: string, title: string}>} */
const FAILOVERS = {
  manual: {symbol: '⇄', title: 'A manual failover'},
  kill: {symbol: KINDS.kill.symbol, title: 'The master is killed'},
  freeze: {symbol: KINDS.freeze.symbol, title: 'The master is frozen, until it is replaced'},
}

/**
 * @param {DemoRecord} record
 * @param {string[]} names
 * @returns {Picture}
 */
export function pictureOf(record, names) {
  const entries = [...record.entries].sort((a, b) => a.at - b.at)
  const zero = entries[0]?.at ?? 0
  const lasted = (entries.at(-1)?.at ?? zero) - zero
  const moved = entries.map((entry) => ({...entry, at: entry.at - zero}))
  const terms = termsOf(moved)
  const endOf = (/** @type {{server: string, to: number}} */ {server, to}) =>
    moved.find(
      ({type, server: other, at}) => type === 'departed' && other === server && at > to - 100,
    )
  return {
    title: 'Demo',
    subtitle: `${names.length} servers, ttl ${record.ttl} ms`,
    lasted,
    lanes: [...names, REDIS],
    facts: [
      {label: 'terms', value: String(terms.length)},
      ...figures(record).map(({what, times}) => ({
        label: `${what}, median of ${times.length}`,
        value: ms(median(times)),
      })),
    ],
    promises: judge(record).map(({promise, broken}) => ({
      text: promise,
      broken: broken.map((text) => ({at: 0, text})),
    })),
    bars: [
      ...lives(moved, lasted),
      ...terms.map((term, index) => {
        const end = endOf(term)
        return termBar({...term, end: end?.type === 'departed' ? end.how : undefined}, index + 1)
      }),
      ...blocks(moved),
    ],
    marks: marks(moved),
    handOvers: terms.slice(1).flatMap((after, index) => {
      const before = terms[index]
      if (!before || after.from <= before.to) return []
      return [handOver({from: before.to, to: after.from, before, after})]
    }),
    legend: legend(record),
  }
}

/**
 * @param {Entry[]} entries
 * @param {number} lasted
 */
function lives(entries, lasted) {
  return entries.flatMap((entry) => {
    if (entry.type !== 'started') return []
    const {server, at} = entry
    const left = entries.find(
      (other) => other.type === 'departed' && other.server === server && other.at > at,
    )
    const kind = /** @type {const} */ ('up')
    return [
      {lane: server, kind, from: at, to: left?.at ?? lasted, label: '', text: `${server} is up`},
    ]
  })
}

/** @param {Entry[]} entries */
function blocks(entries) {
  return trials(entries, 'block').map(({server, from, to}) => ({
    lane: server,
    kind: /** @type {const} */ ('blocked'),
    from,
    to,
    label: 'loop blocked',
    text: `The event loop of ${server} is blocked\nfor ${ms(to - from)}`,
  }))
}

/** @param {DemoRecord} record */
function legend({downAfter}) {
  const shown =
    downAfter === undefined
      ? SHOWN
      : {...FAILOVERS, kill: {...kill, title: 'SIGKILL, of a server or of the master'}}
  return Object.entries(shown).map(([kind, {symbol, title}]) => ({
    symbol,
    text: `${kind}: ${title}`,
  }))
}

/** @param {Entry[]} entries */
function marks(entries) {
  const departed = entries.flatMap((entry) => {
    if (entry.type !== 'departed') return []
    const {symbol, title} = SHOWN[entry.how]
    return [
      {
        lane: entry.server,
        symbol,
        label: entry.how,
        from: entry.at,
        to: entry.at,
        text: title,
        harm: false,
      },
    ]
  })
  const tried = /** @type {const} */ (['block', 'flush']).flatMap((trial) =>
    trials(entries, trial).map(({server, from}) => {
      const {symbol, title} = SHOWN[trial]
      return {lane: server, symbol, label: trial, from, to: from, text: title, harm: false}
    }),
  )
  const failedOver = entries.flatMap((entry, at) => {
    if (entry.type !== 'failover') return []
    const {symbol, title} = FAILOVERS[entry.how]
    const followed = entries.slice(at).find(({type}) => type === 'followed')
    const to = followed?.at ?? entry.at
    const {at: from, how} = entry
    return [{lane: REDIS, symbol, label: how, from, to, text: title, harm: true}]
  })
  return [...departed, ...tried, ...failedOver].sort((a, b) => a.from - b.from)
}

/**
 * @param {Entry[]} entries
 * @param {'block' | 'flush'} trial
 */
function trials(entries, trial) {
  return entries.flatMap((entry) => {
    if (entry.type !== 'began' || entry.trial !== trial) return []
    const over = entries.find(
      (other) => other.type === 'over' && other.trial === trial && other.at > entry.at,
    )
    return [{server: entry.server, from: entry.at, to: over?.at ?? entry.at}]
  })
}
