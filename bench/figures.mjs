// What a row of the table says.

import {median} from '../support/record.mjs'

/**
 * @typedef {{median: number, low: number, high: number, of: number}} Figure of so many values
 * @typedef {Figure | string} FigureOrWhy a text says why there is no figure
 * @typedef {{text: string, reached: boolean | undefined}} Goal `undefined` where there is no figure
 * @typedef {{
 *   what: string, unit: string, digits: number, ours: FigureOrWhy,
 *   peers: {name: string, figure: FigureOrWhy}[], ratio?: Figure, ratioTo?: string, goal?: Goal, note?: string,
 * }} Measure
 * @typedef {{name: string, points: [number | string, number][]}} Series
 * @typedef {{
 *   title: string, x: string, y: string, logarithmicX: boolean, series: Series[], note?: string,
 * }} Plot
 * @typedef {{measures: Measure[], plots?: Plot[]}} Outcome
 * @typedef {{
 *   name: string, title: string, long?: boolean, waits?: boolean, prepare?: string[],
 *   measure: (bench: Bench) => Promise<Outcome>,
 * }} Row `long`: not with `--quick`; `waits`: for most of its time; `prepare`: what cargo is to build for it
 * @typedef {{quick: boolean, say: (doing: string) => void}} Bench
 */

/**
 * @param {number[]} values
 * @returns {Figure}
 */
export const figureOf = (values) => ({
  median: median(values),
  low: Math.min(...values),
  high: Math.max(...values),
  of: values.length,
})

/** @param {number} value */
export const single = (value) => figureOf([value])

/**
 * The ratios slice by slice: what else the machine does falls on both of a pair.
 *
 * @param {number[]} ours
 * @param {number[]} theirs
 */
export const ratioOf = (ours, theirs) =>
  figureOf(ours.map((value, slice) => value / Number(theirs[slice])))

/**
 * What is to be reached: a least or a most, of our own figure or of its ratio to a peer's.
 *
 * @param {{least?: number, most?: number, times?: boolean, unit?: string}} bound `times`: it is the ratio's
 * @param {FigureOrWhy | undefined} figure
 * @returns {Goal}
 */
export function goal({least, most, times = false, unit = ''}, figure) {
  const [sign, bound] = least === undefined ? ['≤', Number(most)] : ['≥', least]
  const text = `${sign} ${bound.toLocaleString('en')}${times ? ' x' : unit && ` ${unit}`}`
  if (typeof figure !== 'object') return {text, reached: undefined}
  return {text, reached: least === undefined ? figure.median <= bound : figure.median >= bound}
}

/**
 * @param {FigureOrWhy} figure
 * @param {number} digits
 */
export function shown(figure, digits) {
  if (typeof figure === 'string') return figure
  return number(figure.median, digits)
}

/**
 * @param {Figure} figure
 * @param {number} digits
 */
export const range = ({low, high}, digits) => `${number(low, digits)} to ${number(high, digits)}`

/**
 * @param {number} value
 * @param {number} digits
 */
export const number = (value, digits) =>
  value.toLocaleString('en', {minimumFractionDigits: digits, maximumFractionDigits: digits})
