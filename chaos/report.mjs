import {painter, shown} from '../support/paint.mjs'
import {percentile} from '../support/record.mjs'
import {figuresOf} from './figures.mjs'

/**
 * Prints what a record adds up to, and what it breaks.
 *
 * @param {import('./record.mjs').Line[]} lines
 * @param {import('./checker.mjs').Judgement[]} judgements
 */
export function report(lines, judgements) {
  const paint = painter(process.stdout)
  const figures = figuresOf(lines)
  const title = (/** @type {string} */ text) => console.log(`\n${paint('bold', text)}`)

  title('Faults')
  const played = figures.faults.filter(({count}) => count)
  for (const {kind, title, count, failed} of played) {
    const note = failed ? paint('yellow', `  ${failed} could not be played`) : ''
    console.log(`  ${String(count).padStart(4)} x  ${kind.padEnd(12)}${paint('dim', title)}${note}`)
  }
  const missed = figures.faults.filter(({count}) => !count).map(({kind}) => kind)
  if (missed.length) console.log(paint('dim', `  never drawn: ${missed.join(', ')}`))

  title('Hand-overs with no other fault at the time, from the last moment held to the next')
  for (const {what, times} of figures.handOvers) {
    const values = [0.5, 0.9, 0.99].map(
      (share) => `p${share * 100} ${shown(percentile(times, share)).padStart(8)}`,
    )
    const most = `max ${shown(times.at(-1) ?? Number.NaN).padStart(8)}`
    console.log(
      `  ${what.padEnd(22)}${String(times.length).padStart(4)} x  ${values.join('  ')}  ${most}`,
    )
  }
  console.log(paint('dim', `  and ${figures.disturbed} during other faults`))

  title('Figures')
  const {terms, processes, accepted, refused, late} = figures
  console.log(`  ${count(terms, 'term')} in ${count(processes, 'process', 'processes')}`)
  console.log(
    `  fenced writes: ${accepted} accepted, ${refused} refused as stale (${late} by a server that had just woken)`,
  )
  console.log(`  the machine let nobody run for up to ${shown(figures.lag)}`)

  title('Verdict, from the record alone')
  for (const {rule, violations} of judgements) {
    const mark = violations.length ? paint('red', 'BROKEN') : paint('green', 'kept  ')
    console.log(`  ${mark}  ${rule}`)
    for (const {text} of violations) console.log(`          ${text}`)
  }
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`
