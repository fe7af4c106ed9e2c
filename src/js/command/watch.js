'use strict'

// `primary-lease watch`: the inspection, live.

const {inspectPrimary} = require('../inspect.js')
const {report} = require('./report.js')
const {Screen} = require('./screen.js')
const {cut, printable, span, stamp} = require('./text.js')

/** @typedef {import('../../../index.js').PrimaryInspection} PrimaryInspection */

/** From one look to the next, in ms. */
const PERIOD = 1_000

/**
 * What was seen last, what went wrong since, and when both came.
 *
 * @typedef {{seen?: PrimaryInspection, at: number, trouble?: string, since: number}} View
 */

/**
 * @param {import('./arguments.js').Call} call
 * @param {NodeJS.WriteStream} out
 * @returns {Promise<number>} the exit code
 */
async function watch(call, out) {
  // What can be fixed by a person only is told at once.
  const first = await inspectPrimary(call.redis, call.prefix, optionsOf(call))
  return out.isTTY ? onScreen(call, new Screen(out), first) : asLines(call, out, first)
}

/** @param {import('./arguments.js').Call} call */
const optionsOf = ({scope, timeout}) => ({scope, timeout})

/**
 * @param {import('./arguments.js').Call} call
 * @param {Screen} screen
 * @param {PrimaryInspection} first
 */
async function onScreen(call, screen, first) {
  /** @type {View} */
  let view = {seen: first, at: performance.now(), since: 0}
  screen.open((columns, rows) => linesOf(view, columns, rows, screen.paints))
  try {
    while (await screen.pause(PERIOD)) {
      // What comes of it is drawn when it comes: seconds go by on the screen meanwhile.
      const looking = look(call, view).then((next) => {
        view = next
        screen.draw()
      })
      await Promise.race([looking, screen.ended])
      if (screen.isEnded) break
    }
  } finally {
    screen.close()
  }
  return screen.exitCode
}

/**
 * @param {import('./arguments.js').Call} call
 * @param {View} view
 * @returns {Promise<View>}
 */
async function look(call, view) {
  try {
    const seen = await inspectPrimary(call.redis, call.prefix, optionsOf(call))
    return {seen, at: performance.now(), since: 0}
  } catch (error) {
    const trouble = /** @type {Error} */ (error).message
    return {...view, trouble, since: view.since || performance.now()}
  }
}

/**
 * @param {View} view
 * @param {number} columns
 * @param {number} rows
 * @param {boolean} paints
 */
function linesOf({seen, at, trouble, since}, columns, rows, paints) {
  const foot = [cut('q ends it', columns)]
  const head = []
  const now = seen ? seen.at.getTime() + performance.now() - at : 0
  if (trouble !== undefined) {
    const ago = span(performance.now() - since)
    head.push(paint(cut(`no answer for ${ago}: ${printable(trouble)}`, columns), RED, paints))
    head.push(cut(`last seen ${span(performance.now() - at)} ago:`, columns))
  } else if (seen?.primary) head.push(barOf(seen.primary, now, columns, paints))
  else head.push(paint(cut('no primary', columns), RED, paints))
  const room = rows - head.length - foot.length
  const body = seen ? report(seen, columns, {now, rows: room}) : []
  return [...head, ...body, ...foot]
}

/**
 * How much of the time from a renewal to the step-down deadline is left.
 *
 * @param {import('../../../index.js').InspectedPrimary} primary
 * @param {number} now
 * @param {number} columns
 * @param {boolean} paints
 */
function barOf({renewedAt, stepDownAt}, now, columns, paints) {
  const whole = Math.max(1, stepDownAt.getTime() - renewedAt.getTime())
  const left = Math.min(1, Math.max(0, (stepDownAt.getTime() - now) / whole))
  const length = Math.min(40, columns - 20)
  const filled = Math.ceil(left * length)
  const line = `[${'#'.repeat(filled)}${'-'.repeat(length - filled)}] ${span(left * whole)} left`
  return paint(line, left > 0.4 ? GREEN : left > 0 ? YELLOW : RED, paints)
}

const [RED, GREEN, YELLOW] = [31, 32, 33]

/**
 * @param {string} text
 * @param {number} colour
 * @param {boolean} paints
 */
const paint = (text, colour, paints) => (paints ? `\x1b[${colour}m${text}\x1b[0m` : text)

/**
 * A line for each change, for a file or another program.
 *
 * @param {import('./arguments.js').Call} call
 * @param {NodeJS.WriteStream} out
 * @param {PrimaryInspection} first
 * @returns {Promise<number>}
 */
async function asLines(call, out, first) {
  /** @type {View} */
  let view = {seen: first, at: 0, since: 0}
  let last = ''
  for (;;) {
    const line = lineOf(view)
    if (line !== last) out.write(`${stamp(new Date())} ${line}\n`)
    last = line
    await new Promise((resolve) => setTimeout(resolve, PERIOD))
    view = await look(call, view)
  }
}

/** @param {View} view */
function lineOf({seen, trouble}) {
  if (trouble !== undefined) return `no answer: ${printable(trouble)}`
  if (!seen?.primary) return `no primary (${seen?.state})`
  const {serverId, token, asked} = seen.primary
  const term = `${printable(serverId)} token ${token}${asked ? ', asked to resign' : ''}`
  return seen.state === 'silent' ? `silent ${term}` : `primary ${term}`
}

exports.watch = watch
