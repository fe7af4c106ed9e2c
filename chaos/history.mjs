// What a record says, put together: the terms, the lives of the servers, the faults. Pure, and knows
// nothing of the addon.

import {kindOf} from '../support/kinds.mjs'

/**
 * @typedef {import('./record.mjs').Line} Line
 * @typedef {import('./record.mjs').Begin} Begin
 *
 * @typedef {{server: string, token: number, from: number, to: number, mayFrom: number,
 *   mayTo: number, end?: string, told?: number}} Term `from` and `to`: the first and the last moment at which it
 *   was certainly held; infinite where there was none. `mayFrom` and `mayTo`: the longest time for
 *   which it can have been: its JavaScript did not look before and after. `end`: how it ended;
 *   `told`: when its server was told to end it, or its hung loop had to
 *
 * @typedef {{from: number, to: number}} Span
 * @typedef {Span & {id: number, kind: string, scope: string[], effect: import('../support/kinds.mjs').Effect,
 *   failed?: string}} Trouble a fault from its beginning to when it was healed
 *
 * @typedef {Span & {server: string, givesWay: number, gaveWay: number}} Hang an event loop that did not
 *   turn for longer than `stallTimeout`; between these two moments it had to give way
 *
 * @typedef {{begin: Begin, finish: number, terms: Term[], stands: Map<string, Span[]>,
 *   frozen: Map<string, Span[]>, hangs: Hang[], troubles: Trouble[], lags: Span[]}} History
 *   `stands`: when a server could have been elected as far as its own process goes
 */

/** How long after a sleep what was queued meanwhile may come, in ms. */
const JUST_WOKEN = 100
/** How much later than an eighth of `stallTimeout` a hang may be noticed, in ms: for the machine. */
const NOTICING = 250

/**
 * @param {Line[]} lines in the order of time
 * @returns {History}
 */
export function historyOf(lines) {
  const begin = lines.find((line) => line.type === 'begin')
  if (!begin) throw new Error('the record has no beginning')
  const last = lines.at(-1)?.at ?? begin.at
  const froze = frozen(lines, last)
  const lags = lines
    .filter((line) => line.type === 'lag')
    .map(({at, ms}) => ({from: at - ms, to: at}))
  const hangs = hangsOf(lines, begin, froze, lags)
  return {
    begin,
    finish: lines.find(({type}) => type === 'finish')?.at ?? last,
    terms: termsOf(lines, last, hangs),
    stands: stands(lines, last, hangs),
    frozen: froze,
    hangs,
    troubles: troublesOf(lines, last),
    lags,
  }
}

/**
 * A loop tells how long it stood still when it turns again. What it slept as a frozen process was no
 * hang.
 *
 * @param {Line[]} lines
 * @param {Begin} begin
 * @param {Map<string, Span[]>} frozen
 * @param {Span[]} lags
 * @returns {Hang[]}
 */
function hangsOf(lines, {stallTimeout = Number.POSITIVE_INFINITY}, frozen, lags) {
  return lines.flatMap((line) => {
    if (line.type !== 'woke') return []
    const {server, at: to, slept} = line
    const span = {from: to - slept, to}
    const froze = within(frozen.get(server) ?? [], span)
    if (slept - froze < stallTimeout) return []
    const noticed = stallTimeout + stallTimeout / 8 + froze + within(lags, span) + NOTICING
    const [givesWay, gaveWay] = [span.from + stallTimeout, span.from + noticed]
    return [{server, ...span, givesWay, gaveWay: Math.min(gaveWay, to)}]
  })
}

/**
 * How much of a span lies in others, which do not overlap.
 *
 * @param {Span[]} spans
 * @param {Span} span
 */
const within = (spans, span) =>
  spans.reduce(
    (sum, {from, to}) => sum + Math.max(0, Math.min(to, span.to) - Math.max(from, span.from)),
    0,
  )

/**
 * @param {Line[]} lines
 * @param {number} last
 * @param {Hang[]} hangs
 */
function termsOf(lines, last, hangs) {
  /** @type {Term[]} */
  const terms = []
  /** @type {Map<string, Term>} */
  const open = new Map()
  /** @param {string} server @param {number} at @param {string} how */
  const close = (server, at, how) => {
    const term = open.get(server)
    if (!term) return
    term.mayTo = Math.max(Math.min(term.mayTo, at), term.to)
    term.end ??= how
  }
  /** @param {string} server @param {number} at @param {string} how */
  const tell = (server, at, how) => {
    const term = open.get(server)
    if (!term || term.end) return
    term.told = at
    term.end = how
  }
  /** @type {Map<string, import('./record.mjs').Woke>} */
  const woken = new Map()
  for (const line of lines) {
    if (line.type === 'woke') {
      woken.set(line.server, line)
      const hang = hangs.find(({server, to}) => server === line.server && to === line.at)
      const term = open.get(line.server)
      // It gave way as it hung, and says so only now.
      if (hang && term && !term.end && !line.held) {
        term.told = hang.givesWay
        term.mayTo = Math.max(Math.min(term.mayTo, hang.gaveWay), term.to)
      }
    }
    if (line.type === 'elected') {
      const {server, token, at, held, quiet} = line
      // What happened as it slept is told once it is awake, after the timers that were due.
      const woke = woken.get(server)
      const sleptFrom = woke && at - woke.at < JUST_WOKEN ? woke.at - woke.slept : at
      const certain = held
        ? {from: at, to: at}
        : {from: Number.POSITIVE_INFINITY, to: Number.NEGATIVE_INFINITY}
      const term = {
        server,
        token,
        ...certain,
        mayFrom: Math.min(quiet, at, sleptFrom),
        mayTo: held ? last : at,
      }
      terms.push(term)
      open.set(server, term)
    } else if (line.type === 'held') {
      const term = terms.findLast(
        ({server, token}) => server === line.server && token === line.token,
      )
      if (!term) continue
      term.from = Math.min(term.from, line.at)
      term.to = Math.max(term.to, line.at)
      if (term.mayTo < line.at) term.mayTo = open.get(line.server) === term ? last : line.at
    } else if (line.type === 'frozen') {
      // As good as gone, unless it is seen held again.
      const term = open.get(line.server)
      if (term) term.mayTo = Math.max(Math.min(term.mayTo, line.at), term.to)
    } else if (line.type === 'unheld') close(line.server, line.at, 'lost')
    else if (line.type === 'ended') {
      close(line.server, line.at, line.reason)
      const term = open.get(line.server)
      if (term) term.end = term.end === 'lost' ? line.reason : term.end
    } else if (line.type === 'ending') tell(line.server, line.at, line.how)
    else if (line.type === 'resigning') tell(line.server, line.at, 'resigned')
    else if (line.type === 'died') {
      close(line.server, line.at, 'died')
      open.delete(line.server)
    }
  }
  return terms
}

/**
 * @param {Line[]} lines
 * @param {number} last
 * @param {Hang[]} hangs
 */
function stands(lines, last, hangs) {
  const spans = spansOf(lines, last, {standing: 'opens', thawed: 'opens', frozen: 'closes'}, [
    'resigning',
    'ending',
    'died',
  ])
  for (const [server, list] of spans) {
    const hung = hangs.filter((hang) => hang.server === server)
    const absent = hung.map(({givesWay, to}) => ({from: givesWay, to}))
    spans.set(server, minus(list, absent))
  }
  return spans
}

/**
 * @param {Line[]} lines
 * @param {number} last
 */
function frozen(lines, last) {
  return spansOf(lines, last, {frozen: 'opens', thawed: 'closes', died: 'closes'}, [])
}

/**
 * The times between lines that open and lines that close, by server. What is `final` closes, and
 * only `standing` and `frozen` open again after it.
 *
 * @param {Line[]} lines
 * @param {number} last
 * @param {Record<string, 'opens' | 'closes'>} meaning
 * @param {string[]} final
 */
function spansOf(lines, last, meaning, final) {
  /** @type {Map<string, Span[]>} */
  const spans = new Map()
  /** @type {Map<string, boolean>} */
  const over = new Map()
  for (const line of lines) {
    if (!('server' in line)) continue
    const {server, type, at} = line
    const list = spans.get(server) ?? []
    spans.set(server, list)
    const open = list.at(-1)?.to === Number.POSITIVE_INFINITY ? list.at(-1) : undefined
    const ends = final.includes(type)
    if (type === 'standing') over.set(server, false)
    if (ends) over.set(server, true)
    if ((ends || meaning[type] === 'closes') && open) open.to = at
    if (meaning[type] === 'opens' && !open && !over.get(server)) {
      list.push({from: at, to: Number.POSITIVE_INFINITY})
    }
  }
  for (const list of spans.values()) for (const span of list) span.to = Math.min(span.to, last)
  return spans
}

/**
 * @param {Line[]} lines
 * @param {number} last
 * @returns {Trouble[]}
 */
function troublesOf(lines, last) {
  const overs = new Map(lines.flatMap((line) => (line.type === 'over' ? [[line.id, line]] : [])))
  return lines.flatMap((line) => {
    if (line.type !== 'fault') return []
    const over = overs.get(line.id)
    return [
      {
        id: line.id,
        kind: line.kind,
        scope: line.scope,
        from: line.at,
        to: over?.at ?? last,
        effect: kindOf(line.kind)?.effect ?? 'none',
        failed: over?.failed,
      },
    ]
  })
}

/**
 * @param {Span} a
 * @param {Span} b
 */
export const overlap = (a, b) => a.from <= b.to && b.from <= a.to

/**
 * What is left of some spans without others.
 *
 * @param {Span[]} spans
 * @param {Span[]} without
 * @returns {Span[]}
 */
export function minus(spans, without) {
  let left = spans
  for (const cut of without) {
    left = left.flatMap((span) => {
      if (!overlap(span, cut)) return [span]
      return [
        {from: span.from, to: cut.from},
        {from: cut.to, to: span.to},
      ].filter(({from, to}) => to > from)
    })
  }
  return left
}
