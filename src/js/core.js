'use strict'

// The one connection between this layer and the binary: what came in one turn of the event loop is brought
// in one call.

const {addon} = require('./binary.js')
const {invalid} = require('./errors.js')
const {consoleLevel, log, presentWhile, reportUnknownLevel, setLogger: setLog} = require('./log.js')
const {reading} = require('./options.js')

const {EventKind} = addon
const {Ping: PING, Logged: LOGGED, CredentialsRefused: REFUSED} = EventKind
/** From this one on nothing follows, of the events of a run. */
const FIRST_LAST = EventKind.Held

/** How many numbers an event is: its kind, the run, and a number or the place of its text. */
const SIZE = 3

const events = new Float64Array(SIZE * 256)

/** What a verb is called with, as far as that is numbers: the options of a run, and behind them what it is about. */
const numbers = new Float64Array(16)
/** Where in it are what the verb is about, whether that is a run of a tick, and how many runs are over. */
const [SUBJECT, OF_TICK, OVER] = [13, 14, 15]

/**
 * So many are handed over together: while the store works on them this thread goes on with the next. All at once
 * would take turns with the store, and one of two processors would always stand still.
 */
const AT_ONCE = 16

/** How many that is in this turn: what so many of its events lead to is handed over in equal parts. */
let atOnce = AT_ONCE
let delivered = 0

/** The runs that are over since the last hand-over, which are told with it: at most half as many again. */
const over = new Float64Array(2 * AT_ONCE)
let countOver = 0

const verbs = addon.attach(deliver, events, numbers, over)
const layer = verbs.number

/**
 * Who hears the events of which run, each at a place of its own while something may be told of it. (A `Map` with so
 * much coming and going leaves old tables behind, which keep what was in them through every quick collection.)
 *
 * @type {({hear(kind: number, number: number, extras: unknown[]): void} | undefined)[]}
 */
const places = []
/** @type {number[]} */
const freePlaces = []

const SPOILED = 'Array.prototype has numbered fields: nothing can be kept in an array'

/**
 * Who reads a source again when the server refuses its credentials.
 *
 * @type {Map<number, () => void>}
 */
const readers = new Map()

/** How many promises keep the process alive, and whether the binary knows that there are any. */
let awaited = 0
let isKept = false

addon.log(layer, consoleLevel)
presentWhile(() => addon.isLogged(layer))
reportUnknownLevel()

/**
 * One event whose handler throws loses none of its batch.
 *
 * @param {number} count
 * @param {(string | import('./addon').Line)[]} extras
 */
function deliver(count, extras) {
  handOverAtEnd()
  delivered += count
  // One or two that are left over would cost as much as all of them. What a few lead to may be a thousand runs.
  const parts = Math.max(1, Math.round(delivered / AT_ONCE))
  atOnce = Math.max(AT_ONCE, Math.ceil(delivered / parts))
  for (let at = 0; at < count * SIZE; at += SIZE) {
    const kind = Number(events[at])
    const number = Number(events[at + 2])
    try {
      if (kind === PING) addon.turned(isInspected())
      else if (kind === REFUSED) readers.get(number)?.()
      else if (kind === LOGGED) write(/** @type {any} */ (extras[number]))
      else tell(kind, Number(events[at + 1]), number, extras)
    } catch (error) {
      log('error', 'an event could not be handled', {error})
    }
  }
}

/**
 * @param {number} kind
 * @param {number} place
 * @param {number} number
 * @param {unknown[]} extras
 */
function tell(kind, place, number, extras) {
  const run = places[place]
  if (kind >= FIRST_LAST) leavePlace(place)
  run?.hear(kind, number, extras)
}

/**
 * A place for whoever hears the events of a run, until one that nothing follows.
 *
 * @param {{hear(kind: number, number: number, extras: unknown[]): void}} run
 */
function takePlace(run) {
  const place = freePlaces.pop() ?? places.length
  const isNew = place === places.length
  places[place] = run
  // A setter of all arrays took it: nothing would ever be told.
  if (isNew && places.length === place) throw reading(() => places[place] ?? invalid(SPOILED))
  return place
}

/** @param {number} place */
function leavePlace(place) {
  places[place] = undefined
  freePlaces.push(place)
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

const settled = Promise.resolve()
const {nextTick: given} = addon.timers()

/**
 * Calls it at the end of this turn. Where the clock of a test stands still before this package is loaded, as Sinon's
 * does, its `nextTick` comes never: then a settled promise has to do.
 */
const nextTick =
  'clock' in given ? (/** @type {() => void} */ call) => void settled.then(call) : given
let isToHandOver = false

/** How many wait for the end of this turn. */
let waiting = 0

/**
 * Something was asked of a run. The first goes to the background at once, since nobody knows how long this turn of the
 * event loop lasts; of the rest so many together, and what is left at its end.
 */
function handOver() {
  if (isToHandOver) {
    if (++waiting >= atOnce) handOverNow()
    return
  }
  isToHandOver = true
  nextTick(handOverAll)
  handOverNow()
}

/**
 * A run is over: its lease is to be released.
 *
 * @param {number} run
 */
function end(run) {
  over[countOver++] = run
  handOver()
}

/** The verb that follows hears how many are over. */
function tellOver() {
  numbers[OVER] = countOver
  countOver = 0
}

/** @param {readonly number[]} options of a run */
function put(options) {
  // So few numbers are copied sooner one by one than by a call of `set`.
  for (let at = 0; at < options.length; at++) numbers[at] = options[at] ?? Number.NaN
}

/**
 * Throws what `beginRun` would throw for these options.
 *
 * @param {readonly number[]} options
 */
function checkRun(options) {
  put(options)
  verbs.checkRun()
}

/**
 * Asks for the lease of a run, and returns its number.
 *
 * @param {import('./addon').ExternalObject<unknown>} store
 * @param {string} resource
 * @param {readonly number[]} options as `run-options.js` makes them
 * @param {number} place
 */
function beginRun(store, resource, options, place) {
  put(options)
  numbers[SUBJECT] = place
  tellOver()
  const run = verbs.beginRun(store, resource)
  handOver()
  return run
}

/**
 * The run begins, with its tick used up where it is of one: true if its lease is held at this very moment.
 *
 * @param {number} run
 * @param {boolean} ofTick
 */
function takeRun(run, ofTick) {
  numbers[SUBJECT] = run
  numbers[OF_TICK] = Number(ofTick)
  return verbs.takeRun()
}

/** @param {number} lease */
function isHeld(lease) {
  numbers[SUBJECT] = lease
  return verbs.isHeld()
}

/** @param {number} lease */
function remainingMs(lease) {
  numbers[SUBJECT] = lease
  return verbs.remainingMs()
}

/** What comes of the events that are being delivered is handed over together: when nothing more comes of them. */
function handOverAtEnd() {
  if (isToHandOver) return
  isToHandOver = true
  // A tick that is there before the promises are settled runs before them.
  void settled.then(() => nextTick(handOverAll))
}

function handOverAll() {
  isToHandOver = false
  atOnce = AT_ONCE
  delivered = 0
  handOverNow()
  keepOrNot()
}

function handOverNow() {
  waiting = 0
  tellOver()
  verbs.handOverRuns()
}

/**
 * Whether the process lives on for one promise more, or one less.
 *
 * @param {boolean} keep
 */
function keepAlive(keep) {
  awaited += keep ? 1 : -1
  // A turn of the event loop in which one begins and another ends changes nothing.
  if (!isToHandOver) keepOrNot()
}

function keepOrNot() {
  const keeps = awaited > 0
  if (keeps === isKept) return
  isKept = keeps
  addon.keepAlive(keeps)
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
exports.beginRun = beginRun
exports.checkRun = checkRun
exports.end = end
exports.isHeld = isHeld
exports.keepAlive = keepAlive
exports.layer = layer
exports.leavePlace = leavePlace
exports.readers = readers
exports.remainingMs = remainingMs
exports.takePlace = takePlace
exports.setLogger = setLogger
exports.takeRun = takeRun
exports.verbs = verbs
