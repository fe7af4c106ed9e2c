// Judges the record of a fault run, and knows nothing but the record: nothing of the addon is
// imported here, nor of what played the faults.

import {ENDS, kindOf, PLANTED} from '../support/kinds.mjs'
import {historyOf, overlap} from './history.mjs'
import {lagWithin, lateVacancies} from './vacancies.mjs'

/**
 * @typedef {import('./record.mjs').Line} Line
 * @typedef {import('./history.mjs').History} History
 * @typedef {{at: number, text: string}} Violation
 * @typedef {(history: History, lines: Line[], since: (at: number) => string) => Violation[]} Rule
 * @typedef {{rule: string, violations: Violation[]}} Judgement
 */

/** Beside what the rules allow: for timers, signals and the machine. */
const SLACK = 1000
/**
 * From when a renewal is due to when a primary gives up.
 *
 * @param {number} ttl
 */
const spare = (ttl) => ttl * 0.98 - 20 - ttl / 5 - ttl / 3

/**
 * @param {Line[]} lines in the order of time
 * @returns {Judgement[]}
 */
export function check(lines) {
  const history = historyOf(lines)
  const since = (/** @type {number} */ at) => `${((at - history.begin.at) / 1000).toFixed(3)} s`
  /** @type {[string, Rule][]} */
  const rules = [
    ['never two primaries at once', overlaps],
    ['tokens rise in the order of the grants', fallingTokens],
    ['the resource accepts no token after a higher one', wrongWrites],
    ['a lost lease stays lost, also on waking', revivals],
    ['every vacancy is filled in time', lateHandOvers],
    ['nobody loses the lease without a cause', losses],
    ['a burst of runs is served, or refused in its time', bursts],
    ['events come in order', disorder],
    ['every loss is told', silences],
    ['nobody crashes, and everybody ends as told', deaths],
    ['no process is kept from ending', slowEnds],
    ['the run proves something', emptiness],
  ]
  return rules.map(([rule, judge]) => ({rule, violations: judge(history, lines, since)}))
}

/** @type {Rule} */
function overlaps({terms}, _, since) {
  const certain = terms.filter(({to, from}) => to >= from).sort((a, b) => a.from - b.from)
  return certain.flatMap((term, index) =>
    certain.slice(0, index).flatMap((earlier) => {
      if (earlier.to < term.from) return []
      const ms = (Math.min(earlier.to, term.to) - term.from).toFixed(1)
      return [
        {
          at: term.from,
          text: `at ${since(term.from)} ${earlier.server} (token ${earlier.token}) and ${term.server} (token ${term.token}) both held it, for ${ms} ms`,
        },
      ]
    }),
  )
}

/** @type {Rule} */
function fallingTokens({terms}, _, since) {
  // One that was never seen held has no certain place in the order, but its token is its own.
  const seen = new Map()
  const violations = []
  for (const {server, token, mayFrom} of terms) {
    const other = seen.get(token)
    if (other !== undefined) {
      violations.push({
        at: mayFrom,
        text: `at ${since(mayFrom)} ${server} was granted token ${token}, which ${other} had`,
      })
    }
    seen.set(token, server)
  }
  const ordered = terms.filter(({to, from}) => to >= from).sort((a, b) => a.from - b.from)
  for (const [index, term] of ordered.entries()) {
    const before = ordered[index - 1]
    if (!before || term.token >= before.token) continue
    violations.push({
      at: term.from,
      text: `at ${since(term.from)} ${term.server} was granted token ${term.token} after ${before.server} had ${before.token}`,
    })
  }
  return violations
}

/** @type {Rule} */
function wrongWrites(_, lines, since) {
  const writes = lines.filter((line) => line.type === 'write').sort((a, b) => a.order - b.order)
  let highest = 0
  return writes.flatMap(({at, server, token, accepted}) => {
    const stale = token < highest
    if (accepted) highest = Math.max(highest, token)
    if (accepted !== stale) return []
    const what = accepted
      ? `was accepted after ${highest}`
      : `was refused, though nothing above ${highest} had been accepted`
    return [{at, text: `a write that ${server} sent at ${since(at)} with token ${token} ${what}`}]
  })
}

/** @type {Rule} */
function revivals({frozen, hangs, begin}, lines, since) {
  /** @type {Map<number, number>} */
  const granted = new Map()
  /** @type {Map<number, number>} */
  const lost = new Map()
  // One mistake is one violation, not one for each look at it.
  const told = new Set()
  return lines.flatMap((line) => {
    if (line.type === 'elected') granted.set(line.token, line.at)
    if ((line.type === 'unheld' || line.type === 'ended') && line.token !== undefined) {
      lost.set(line.token, Math.min(lost.get(line.token) ?? line.at, line.at))
    }
    const held =
      line.type === 'held' || ((line.type === 'woke' || line.type === 'ended') && line.held)
    if (!held || line.token === undefined || told.has(line.token)) return []
    const {server, token, at, type} = line
    const before = lost.get(token)
    const hang =
      type === 'woke' &&
      hangs.find((hang) => hang.server === server && hang.to === at && hang.gaveWay < at)
    const freeze = frozen.get(server)?.find(({from, to}) => to <= at && to - from > begin.ttl)
    const said = `at ${since(at)} isHeld of ${server} (token ${token}) was true`
    const texts = []
    if (type === 'ended') texts.push(`${said} as it was told '${line.reason}'`)
    else if (before !== undefined)
      texts.push(`${said} again, after it was false at ${since(before)}`)
    if (freeze && (granted.get(token) ?? at) < freeze.from) {
      texts.push(`${said}, after it was frozen for ${(freeze.to - freeze.from).toFixed(0)} ms`)
    }
    if (hang && (granted.get(token) ?? at) < hang.from) {
      texts.push(`${said}, after its event loop hung for ${(at - hang.from).toFixed(0)} ms`)
    }
    if (texts.length) told.add(token)
    return texts.map((text) => ({at, text}))
  })
}

/** @type {Rule} */
function lateHandOvers(history, _, since) {
  return lateVacancies(history).map(({vacancy, server, since: from, limit, lasted}) => ({
    at: vacancy.from,
    text: `from ${since(vacancy.from)} to ${since(vacancy.to)} nobody was primary, though ${server} stood and Redis was well from ${since(from)} on for ${lasted.toFixed(0)} ms; the limit is ${limit.toFixed(0)} ms`,
  }))
}

/** @type {Rule} */
function losses(history, lines, since) {
  const {terms, troubles, frozen, hangs, begin} = history
  return lines.flatMap((line) => {
    if (line.type !== 'ended' || line.reason === 'resigned' || line.reason === 'exit') return []
    const {at, server, token, reason} = line
    const said = {
      at,
      text: `at ${since(at)} ${server} lost the lease (token ${token}, '${reason}') and nothing had happened that explains it`,
    }
    // Never excused: an error of ours.
    if (reason === 'internal') return [said]
    // Explained by that alone, and that explains nothing else.
    if (reason === 'stalled') {
      const hung = hangs.some((hang) => {
        return hang.server === server && hang.to <= at && at - hang.to < SLACK
      })
      return hung ? [] : [said]
    }
    const term = terms.find((term) => term.server === server && term.token === token)
    // What can have kept it from renewing: from a ttl before it was last seen held.
    const span = {
      from: Math.min(term?.to ?? at, at) - 1.3 * begin.ttl,
      to: Math.max(term?.mayTo ?? at, at),
    }
    const met = troubles.filter(
      ({scope, ...trouble}) => (!scope.length || scope.includes(server)) && overlap(trouble, span),
    )
    // What one of these costs a primary can spare; two that come together may be too much.
    const mild = met.reduce((sum, {kind}) => sum + (kindOf(kind)?.costs ?? 0) * begin.ttl, 0)
    const slept = (frozen.get(server) ?? [])
      .filter((freeze) => overlap(freeze, span))
      .reduce((sum, {from, to}) => sum + (to - from), 0)
    const excused =
      met.some(({effect}) => effect === 'service') ||
      mild + slept + lagWithin(history, span) > spare(begin.ttl)
    return excused ? [] : [said]
  })
}

/** @type {Rule} */
function bursts(history, lines, since) {
  return lines.flatMap((line) => {
    if (line.type !== 'burst') return []
    const {at, server, other, longest} = line
    const said = (/** @type {string} */ what) => ({
      at,
      text: `of the burst of ${server} that was over at ${since(at)} ${what}`,
    })
    const limit = history.begin.ttl + SLACK + lagWithin(history, {from: at - longest, to: at})
    return [
      ...(other ? [said(`${other} runs failed`)] : []),
      ...(longest > limit
        ? [said(`the last run was answered after ${longest.toFixed(0)} ms`)]
        : []),
    ]
  })
}

/** @type {Rule} */
function disorder(_, lines, since) {
  /** @type {Map<string, 'standby' | 'primary' | 'resigned'>} */
  const states = new Map()
  return lines.flatMap((line) => {
    if (line.type === 'started' || line.type === 'standing') {
      if (states.get(line.server) !== 'primary') states.set(line.server, 'standby')
      return []
    }
    if (line.type === 'died') states.delete(line.server)
    if (line.type !== 'elected' && line.type !== 'ended') return []
    const state = states.get(line.server)
    const {server, at} = line
    const ends =
      line.type === 'elected' ? 'primary' : line.reason === 'resigned' ? 'resigned' : 'standby'
    states.set(server, ends)
    const expected = line.type === 'elected' || line.token === undefined ? 'standby' : 'primary'
    if (state === expected) return []
    const what = line.type === 'elected' ? 'elected' : `told '${line.reason}'`
    return [{at, text: `at ${since(at)} ${server} was ${what} as ${state ?? 'nobody'}`}]
  })
}

/** @type {Rule} */
function silences(history, lines, since) {
  /** @type {Map<string, {at: number, token: number}>} */
  const untold = new Map()
  /** @type {Violation[]} */
  const violations = []
  const settle = (/** @type {string} */ server, /** @type {number} */ until) => {
    const lost = untold.get(server)
    untold.delete(server)
    if (!lost || until - lost.at <= SLACK + lagWithin(history, {from: lost.at, to: until})) return
    const ms = (until - lost.at).toFixed(0)
    const text = `at ${since(lost.at)} isHeld of ${server} (token ${lost.token}) turned false, and no event had told so ${ms} ms later`
    violations.push({at: lost.at, text})
  }
  for (const line of lines) {
    if (line.type === 'unheld') untold.set(line.server, line)
    // From then on it could not say so, or had said it.
    else if (SAYS_NO_MORE.includes(line.type) && 'server' in line) settle(line.server, line.at)
  }
  for (const server of [...untold.keys()]) settle(server, history.finish)
  return violations
}

const SAYS_NO_MORE = ['ended', 'frozen', 'woke', 'ending', 'died']

/** @type {Rule} */
function deaths(_, lines, since) {
  /** @type {Map<string, string>} */
  const told = new Map()
  return lines.flatMap((line) => {
    if (line.type === 'started') told.delete(line.server)
    if (line.type === 'ending') told.set(line.server, line.how)
    if (line.type !== 'died') return []
    const {at, server, code, signal} = line
    const how = told.get(server)
    const expected = ENDS[/** @type {keyof typeof ENDS} */ (how)]
    const stderr = how === 'throw' && line.stderr.includes(PLANTED) ? '' : line.stderr
    if (expected && expected.code === code && expected.signal === signal && !stderr) return []
    const told_ = how ? `after '${how}'` : 'untold'
    return [
      {
        at,
        text: `at ${since(at)} ${server} ended with ${signal ?? `code ${code}`}, ${told_}, saying '${stderr.trim()}'`,
      },
    ]
  })
}

/** @type {Rule} */
function slowEnds(history, lines, since) {
  const {ttl, exitTimeout} = history.begin
  return lines.flatMap((line) => {
    if (line.type !== 'ending') return []
    const {at, server, how} = line
    const died = lines.find(
      (other) => other.type === 'died' && other.server === server && other.at >= at,
    )
    const to = died?.at ?? lines.at(-1)?.at ?? at
    // A release that Redis does not confirm is over when the lease has run out.
    const limit = exitTimeout + SLACK + (how === 'term' ? ttl : 0)
    const took = to - at
    if (took <= limit + lagWithin(history, {from: at, to})) return []
    const end = died ? `took ${took.toFixed(0)} ms to end` : `had not ended ${took.toFixed(0)} ms`
    return [{at, text: `${server} ${end} after '${how}' at ${since(at)}; the limit is ${limit} ms`}]
  })
}

/** @type {Rule} */
function emptiness({terms, troubles, begin}, lines) {
  const at = begin.at
  return [
    ...(terms.length > 1 ? [] : [{at, text: 'there were no two terms'}]),
    ...(troubles.length ? [] : [{at, text: 'nothing ever went wrong'}]),
    ...(lines.some((line) => line.type === 'write' && line.accepted)
      ? []
      : [{at, text: 'nobody ever wrote to the resource'}]),
  ]
}
