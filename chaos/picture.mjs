// From a record to what the timeline shows: lanes, bars, marks and words. All times in ms from the
// beginning of the run.

import {KINDS, kindOf} from '../support/kinds.mjs'
import {handOver, ms, REDIS, termBar} from '../support/picture.mjs'
import {percentile} from '../support/record.mjs'
import {figuresOf} from './figures.mjs'
import {historyOf} from './history.mjs'
import {handOversOf} from './vacancies.mjs'

/**
 * @typedef {import('../support/picture.mjs').Picture} Picture
 * @typedef {import('../support/picture.mjs').Bar} Bar
 * @typedef {import('../support/picture.mjs').Mark} Mark
 */

/**
 * @param {import('./record.mjs').Line[]} lines
 * @param {import('./checker.mjs').Judgement[]} judgements
 * @returns {Picture}
 */
export function pictureOf(lines, judgements) {
  const history = historyOf(lines)
  const {begin, terms, finish} = history
  const figures = figuresOf(lines)
  const zero = begin.at
  const last = Math.max(finish, lines.at(-1)?.at ?? finish)
  const minutes = Math.round(figures.lasted / 6000) / 10
  return {
    title: 'Fault run',
    subtitle: `${begin.names.length} servers, ttl ${begin.ttl} ms, ${minutes} min, seed ${begin.seed}, on ${begin.redis.split('/').at(-1)}`,
    lasted: last - zero,
    lanes: [...begin.names, REDIS],
    facts: facts(figures),
    promises: judgements.map(({rule, violations}) => ({
      text: rule,
      broken: violations.map(({at, text}) => ({at: at - zero, text})),
    })),
    bars: [
      ...lives(lines, last).map((bar) => moved(bar, zero)),
      ...terms
        .filter(({from, to}) => to >= from)
        .map((term, index) => moved(termBar(term, index + 1), zero)),
      ...sleeps(lines, history, last).map((bar) => moved(bar, zero)),
    ],
    marks: history.troubles.flatMap((trouble) => marksOf(trouble).map((mark) => moved(mark, zero))),
    handOvers: handOversOf(history).map((gap) => moved(handOver(gap), zero)),
    legend: Object.entries(KINDS)
      .filter(([kind]) => history.troubles.some((trouble) => trouble.kind === kind))
      .map(([kind, {symbol, title}]) => ({symbol, text: `${kind}: ${title}`})),
  }
}

/** @param {import('./figures.mjs').Figures} figures */
function facts(figures) {
  const faults = figures.faults.reduce((sum, {count}) => sum + count, 0)
  return [
    {label: 'faults', value: String(faults)},
    {label: 'terms', value: String(figures.terms)},
    {label: 'fenced writes', value: figures.accepted.toLocaleString('en')},
    {label: 'refused as stale', value: String(figures.refused)},
    ...figures.handOvers.map(({what, times}) => ({
      label: `${what}, median of ${times.length}`,
      value: ms(percentile(times, 0.5)),
    })),
  ]
}

/**
 * @template {{from: number, to: number}} T
 * @param {T} what
 * @param {number} zero
 */
const moved = (what, zero) => ({...what, from: what.from - zero, to: what.to - zero})

/**
 * @param {import('./history.mjs').Trouble} trouble
 * @returns {Mark[]}
 */
function marksOf({kind, scope, from, to, effect, failed}) {
  const {symbol = '?', title = kind} = kindOf(kind) ?? {}
  const lanes = scope.length ? scope : [REDIS]
  const lasted = to - from > 20 ? `\nfor ${ms(to - from)}` : ''
  const text = `${kind}: ${title}${lasted}${failed ? `\ncould not be played: ${failed}` : ''}`
  // How long a process was away is its own lane's to show.
  const until = kindOf(kind)?.channel === 'server' ? from : to
  return lanes.map((lane) => ({
    lane,
    symbol,
    label: kind,
    from,
    to: until,
    text,
    harm: effect === 'service',
  }))
}

/**
 * @param {import('./record.mjs').Line[]} lines
 * @param {number} last
 * @returns {Bar[]}
 */
function lives(lines, last) {
  return lines.flatMap((line) => {
    if (line.type !== 'started') return []
    const {server, at, pid} = line
    const died = lines.find(
      (other) => other.type === 'died' && other.server === server && other.at > at,
    )
    const how = died?.type === 'died' ? `ended with ${died.signal ?? `code ${died.code}`}` : 'lives'
    return [
      {
        lane: server,
        kind: 'up',
        from: at,
        to: died?.at ?? last,
        label: '',
        text: `${server}, process ${pid}\n${how}`,
      },
    ]
  })
}

/**
 * @param {import('./record.mjs').Line[]} lines
 * @param {import('./history.mjs').History} history
 * @param {number} last
 * @returns {Bar[]}
 */
function sleeps(lines, {frozen, troubles}, last) {
  const froze = [...frozen].flatMap(([server, spans]) =>
    spans.map(({from, to}) => ({
      lane: server,
      kind: /** @type {const} */ ('frozen'),
      from,
      to,
      label: 'frozen',
      text: `${server} is frozen (SIGSTOP)\nfor ${ms(to - from)}`,
    })),
  )
  const blocked = troubles
    .filter(({kind}) => kind === 'block' || kind === 'hang')
    .flatMap(({kind, scope, from, to}) =>
      scope.map((server) => {
        const woke = lines.find(
          (line) => line.type === 'woke' && line.server === server && line.at > from,
        )
        const until = Math.min(woke?.at ?? to, to, last)
        return {
          lane: server,
          kind: /** @type {const} */ ('blocked'),
          from,
          to: until,
          label: kind === 'hang' ? 'loop hangs' : 'loop blocked',
          text: `The event loop of ${server} ${kind === 'hang' ? 'hangs' : 'is blocked'}\nfor ${ms(until - from)}`,
        }
      }),
    )
  return [...froze, ...blocked]
}
