// The figures as text: for a terminal of 80 columns, and as Markdown.

import {number, range, shown} from './figures.mjs'

/**
 * @typedef {import('./figures.mjs').Measure} Measure
 * @typedef {{name: string, title: string, outcome?: import('./figures.mjs').Outcome, failed?: string}} Result
 * @typedef {{facts: string[], results: Result[]}} Report
 */

/** The columns: what, ours, the peer that ours is compared with, the ratio, the goal, whether it is reached. */
const WIDTHS = [31, 11, 11, 6, 9, 3]
const INDENT = '    '
const WIDTH = 80

/** @param {string} row */
export const commandOf = (row) => `npm run bench -- --row ${row}`

/** @param {Measure} measure */
export function verdict({goal}) {
  if (!goal || goal.reached === undefined) return ''
  return goal.reached ? 'yes' : 'no'
}

/**
 * The figure of the peer that ours is compared with, or of the only one.
 *
 * @param {Measure} measure
 */
const compared = ({peers, ratioTo}) =>
  peers.find(({name}) => ratioTo && name.includes(ratioTo)) ?? peers[0]

/**
 * @param {Measure} measure
 * @param {import('./figures.mjs').FigureOrWhy} figure
 */
function withUnit({unit, digits}, figure) {
  const text = shown(figure, digits)
  return typeof figure === 'string' || !unit ? text : `${text} ${unit.replace(/ .*/, '')}`
}

/** @param {Report} report */
export function terminalTable({facts, results}) {
  const line = (/** @type {string[]} */ cells) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(WIDTHS[0] ?? 0) : cell.padStart(WIDTHS[at] ?? 0)))
      .join(' ')
      .trimEnd()
  const rows = results.flatMap(({name, title, outcome, failed}) => {
    const head = ['', `${title}  (--row ${name})`]
    if (failed) return [...head, ...wrapped(`failed: ${failed}`, INDENT)]
    const measures = outcome?.measures ?? []
    return [...head, ...measures.flatMap((measure) => measured(measure, line))]
  })
  return [...facts, '', line(['', 'ours', 'peer', 'ratio', 'goal', 'met']), ...rows].join('\n')
}

/**
 * @param {Measure} measure
 * @param {(cells: string[]) => string} line
 */
function measured(measure, line) {
  const {what, digits, ours, peers, ratio, goal, note} = measure
  const peer = compared(measure)
  const ofPeer = peer && typeof peer.figure === 'object' ? withUnit(measure, peer.figure) : '-'
  const cells = [
    withUnit(measure, ours),
    ofPeer,
    ratio ? number(ratio.median, 2) : '',
    goal?.text ?? '',
    verdict(measure),
  ]
  const [first = '', ...rest] = wrapped(`  ${what}`, INDENT, WIDTHS[0])
  const more = [
    typeof ours === 'object' && ours.of > 1 ? `${range(ours, digits)} in ${ours.of}` : '',
    ratio && ratio.of > 1 ? `ratio ${range(ratio, 2)}` : '',
    ...peers.map(({name, figure}) => `${name} ${withUnit(measure, figure)}`),
    note ?? '',
  ]
  const text = more.filter(Boolean).join('; ')
  return [line([first, ...cells]), ...rest, ...wrapped(`${INDENT}${text}`, INDENT)]
}

/**
 * @param {string} text
 * @param {string} indent of the lines that follow the first
 * @param {number} [width]
 */
function wrapped(text, indent, width = WIDTH) {
  const lines = [/^ */.exec(text)?.[0] ?? '']
  for (const word of text.trim().split(' ')) {
    const last = String(lines.at(-1))
    const longer = last.trim() ? `${last} ${word}` : `${last}${word}`
    if (longer.length <= width || !last.trim()) lines[lines.length - 1] = longer
    else lines.push(`${indent}${word}`)
  }
  return lines
}

/** @param {Report} report */
export function markdown({facts, results}) {
  const lines = [
    '# Figures',
    '',
    'Written by `npm run bench`. Ranges are those of the slices; a ratio is the median of those slice by slice.',
    '',
    ...facts.map((fact) => `- ${fact}`),
  ]
  for (const {name, title, outcome, failed} of results) {
    lines.push('', `## ${title}`, '', `\`${commandOf(name)}\``, '')
    if (failed) lines.push(`Failed: ${failed}`)
    else lines.push(...markdownTable(outcome?.measures ?? []))
  }
  return `${lines.join('\n')}\n`
}

/** @param {Measure[]} measures */
function markdownTable(measures) {
  const ranged = (/** @type {Measure} */ measure, /** @type {Measure['ours']} */ figure) => {
    const text = withUnit(measure, figure)
    const several = typeof figure === 'object' && figure.of > 1
    return several ? `${text} (${range(figure, measure.digits)})` : text
  }
  return [
    '| | primary-lease | Peers | Ratio | Goal | Reached |',
    '| --- | --- | --- | --- | --- | --- |',
    ...measures.map((measure) => {
      const {what, ours, peers, ratio, ratioTo, goal, note} = measure
      const others = peers.map(({name, figure}) => `${name}: ${ranged(measure, figure)}`)
      const ratios = ratio
        ? `${number(ratio.median, 2)}${ratio.of > 1 ? ` (${range(ratio, 2)})` : ''} to ${ratioTo}`
        : ''
      const cells = [
        note ? `${what}: ${note}` : what,
        ranged(measure, ours),
        others.join('; '),
        ratios,
        goal?.text ?? '',
        verdict(measure),
      ]
      return `| ${cells.join(' | ')} |`
    }),
  ]
}
