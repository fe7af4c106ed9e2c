'use strict'

// The one connection between this layer and the binary: what came in one turn of the event loop is brought
// in one call.

const {addon} = require('./binary.js')
const {log, presentWhile, setLogger: setLog} = require('./log.js')

const {EventKind} = addon

/** How many numbers an event is: its kind, the run, and a number or the place of its text. */
const SIZE = 3

const events = new Float64Array(SIZE * 256)

/** What a verb is called with, where that is a list of numbers. */
const numbers = new Float64Array(16)

const layer = addon.attach(deliver, events, numbers)

/**
 * Who hears the events of which run.
 *
 * @type {Map<number, {hear(kind: number, number: number, extras: unknown[]): void}>}
 */
const runs = new Map()

/**
 * Who reads a source again when the server refuses its credentials.
 *
 * @type {Map<number, () => void>}
 */
const readers = new Map()

let awaited = 0

addon.log(layer, 'warn')
presentWhile(() => addon.isLogged(layer))

/**
 * One event whose handler throws loses none of its batch.
 *
 * @param {number} count
 * @param {(string | import('./addon').Line)[]} extras
 */
function deliver(count, extras) {
  // What comes of these events is handed over together.
  addon.collectRuns()
  handOver()
  for (let at = 0; at < count * SIZE; at += SIZE) {
    const [kind, number] = [Number(events[at]), Number(events[at + 2])]
    try {
      if (kind === EventKind.Ping) addon.turned(isInspected())
      else if (kind === EventKind.CredentialsRefused) readers.get(number)?.()
      else if (kind === EventKind.Logged) write(/** @type {any} */ (extras[number]))
      else runs.get(Number(events[at + 1]))?.hear(kind, number, extras)
    } catch (error) {
      log('error', 'an event could not be handled', {error})
    }
  }
}

/**
 * Where this layer's lines go from here on.
 *
 * @param {unknown} logger
 */
function setLogger(logger) {
  addon.log(layer, setLog(logger))
}

/** @param {import('./addon').Line} line */
function write({level, message, names, values}) {
  const fields = Object.fromEntries(names.map((name, at) => [name, values[at]]))
  log(/** @type {any} */ (level), message, fields)
}

const {nextTick} = addon.timers()
let isToHandOver = false

/** The binary is told together what runs are begun and released in one turn of the event loop. */
function handOver() {
  if (isToHandOver) return
  isToHandOver = true
  nextTick(() => {
    isToHandOver = false
    addon.handOverRuns()
  })
}

/**
 * Whether the process lives on for one promise more, or one less.
 *
 * @param {boolean} keep
 */
function keepAlive(keep) {
  awaited += keep ? 1 : -1
  if (awaited === (keep ? 1 : 0)) addon.keepAlive(keep)
}

/**
 * Whether somebody may stand at a breakpoint: Node's inspector is open, which it has to be before anybody
 * attaches. A worker is not told the address of the process's, but finds the switch that opened it.
 */
function isInspected() {
  // Not required: a test runner refuses that where its test file has ended.
  const inspector = process.getBuiltinModule?.('node:inspector')
  if (inspector?.url() !== undefined) return true
  // `--inspect-brk`, `--inspect-wait` and `--inspect=port` begin with it too.
  const asked = process.execArgv.some((given) => given.startsWith('--inspect'))
  return asked || Boolean(process.env.NODE_OPTIONS?.includes('--inspect'))
}

exports.EventKind = EventKind
exports.handOver = handOver
exports.keepAlive = keepAlive
exports.layer = layer
exports.numbers = numbers
exports.readers = readers
exports.runs = runs
exports.setLogger = setLogger
