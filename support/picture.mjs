// What the timeline shows: lanes, bars, marks and words. All times in ms from the beginning of the run.

/**
 * @typedef {{
 *   title: string, subtitle: string, lasted: number, lanes: string[],
 *   facts: {label: string, value: string}[],
 *   promises: {text: string, broken: {at: number, text: string}[]}[],
 *   bars: Bar[], marks: Mark[], handOvers: HandOver[],
 *   legend: {symbol: string, text: string}[],
 * }} Picture
 * @typedef {{lane: string, kind: 'up' | 'term' | 'frozen' | 'blocked', from: number, to: number,
 *   number?: number, label: string, text: string}} Bar `number` counts the terms: their colour
 * @typedef {{lane: string, symbol: string, label: string, from: number, to: number, text: string,
 *   harm: boolean}} Mark a fault; `harm`: it may cost a primary its place, or keep it empty
 * @typedef {{from: number, to: number, text: string, label: string}} HandOver
 *
 * @typedef {{server: string, token: number, from: number, to: number, end?: string}} Ruled
 */

export const REDIS = 'Redis'

/** @param {number} time */
export const ms = (time) =>
  time < 10 ? `${time.toFixed(1)} ms` : `${Math.round(time).toLocaleString('en')} ms`

/**
 * @param {{from: number, to: number, before: Ruled, after: Ruled}} gap
 * @returns {HandOver}
 */
export function handOver({from, to, before, after}) {
  const how = before.end ? ` (${before.end})` : ''
  const text = `Hand-over from ${before.server}${how} to ${after.server}: ${ms(to - from)}`
  return {from, to, label: ms(to - from), text}
}

/**
 * @param {Ruled} term
 * @param {number} number
 * @returns {Bar}
 */
export const termBar = ({server, token, from, to, end}, number) => ({
  lane: server,
  kind: 'term',
  from,
  to,
  number,
  label: `#${number}`,
  text: `${server} is primary, term #${number}\ntoken ${token}\nfor ${ms(to - from)}, until: ${end ?? 'the end of the run'}`,
})
