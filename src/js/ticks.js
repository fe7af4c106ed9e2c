'use strict'

// Reads what names a tick: the scheduled time, or what the usual schedulers hand out.
//
// None of them is a dependency: each is known by its methods, and asked for its own schedule, so that time
// zones and summer time are what it says they are.

const {addon} = require('./binary.js')
const {invalid} = require('./errors.js')
const {describe} = require('./options.js')

/** The scheduled time of a run in ms since 1970; `found` if it was worked out here from the schedule itself.
 *
 * @typedef {{at: number, found: boolean}} Scheduled
 */

/**
 * @param {unknown} tick
 * @returns {Scheduled}
 */
function scheduled(tick) {
  // A date, also one of another realm, as Jest's tests have them.
  const given = millisOf(tick)
  if (given !== undefined) {
    if (Number.isNaN(given)) throw refuse('an invalid Date')
    // The caller's word for it; it may be the time at which the schedule fired.
    return {at: given, found: false}
  }
  if (typeof tick !== 'object' || tick === null) throw refuse(describe(tick))
  return {at: occurrence(/** @type {any} */ (tick)), found: true}
}

/** @param {any} tick */
function occurrence(tick) {
  const has = (/** @type {string} */ name) => typeof tick[name] === 'function'
  if (typeof tick.cronTime === 'object' && tick.cronTime !== null) return ofCron(tick)
  if (has('currentRun') && has('nextRun')) return ofCroner(tick)
  if (millisOf(tick.triggeredAt) !== undefined) return ofNodeCron(tick)
  if (has('getNextRun')) {
    throw refuse(
      'a task of node-cron, which does not know for when it runs: give the context that its function is ' +
        'called with',
    )
  }
  throw refuse(describe(tick))
}

/**
 * Of a `CronJob`, which knows when it fired, and its schedule.
 *
 * @param {any} job
 */
function ofCron(job) {
  const schedule = job.cronTime
  if (schedule.realDate === true) return luxonMillis(schedule.source)
  const fired = job.lastDate()
  const firedAt = millisOf(fired)
  if (firedAt === undefined) throw refuse('a CronJob that has not fired')
  const zone = zoneOf(schedule)
  // Each of cron's answers takes it long: the last is kept, which mostly is that of the time found.
  /** @type {{ms: number, date: any} | undefined} */
  let told
  const next = (/** @type {number} */ after) => {
    const date = schedule.getNextDateFrom(dateLike(fired, after), zone)
    told = {ms: luxonMillis(date), date}
    return told.ms
  }
  const at = found(addon.lastOccurrence(firedAt, next))
  if (told?.ms !== at) next(at - 1)
  // Of a job for 02:30 cron tells both of that night, to one that looks between the two.
  const setBack = told ? setBackAt(told.date, at) : undefined
  return setBack === undefined ? at : addon.notRepeated(at, setBack, next)
}

/**
 * When clocks were set back in the hours before a date of luxon's, which is `at`.
 *
 * @param {any} date
 * @param {number} at
 */
function setBackAt(date, at) {
  // In seconds before the date: when they were not set yet, and when they were.
  let [notYet, set] = [3 * 3_600, 0]
  const wasLater = (/** @type {number} */ seconds) => date.minus({seconds}).offset > date.offset
  if (!wasLater(notYet)) return undefined
  while (notYet - set > 1) {
    const middle = Math.trunc((notYet + set) / 2)
    if (wasLater(middle)) notYet = middle
    else set = middle
  }
  return at - set * 1_000
}

/**
 * As `CronTime` itself works out the next time.
 *
 * @param {any} schedule
 */
function zoneOf({utcOffset, timeZone}) {
  if (typeof utcOffset !== 'number') return timeZone
  const minutes = Math.abs(utcOffset)
  const two = (/** @type {number} */ number) => String(Math.trunc(number)).padStart(2, '0')
  return `UTC${utcOffset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}

/**
 * Of croner's `Cron`, which knows the same.
 *
 * @param {any} job
 */
function ofCroner(job) {
  // Only below 1 is it none to croner.
  if (job.options?.interval >= 1) {
    throw refuse('a Cron with an interval, which every server counts from its own last run')
  }
  const fired = job.currentRun()
  const firedAt = millisOf(fired)
  if (firedAt === undefined) throw refuse('a Cron that has not fired')
  if (typeof job.previousRuns === 'function') {
    return found(millisOf(job.previousRuns(1, dateLike(fired, firedAt + 1))?.[0]))
  }
  const next = (/** @type {number} */ after) =>
    millisOf(job.nextRun(dateLike(fired, after))) ?? null
  return found(addon.lastOccurrence(firedAt, next))
}

/**
 * Of the context of node-cron, which says it.
 *
 * @param {any} context
 */
function ofNodeCron(context) {
  if (context.execution?.reason === 'invoked') {
    throw refuse('the context of a run that was started by hand, which is no tick')
  }
  return found(millisOf(context.date))
}

/** @param {number | null | undefined} at */
function found(at) {
  if (typeof at === 'number' && Number.isFinite(at)) return at
  throw refuse('a job whose schedule has no time for this run')
}

/**
 * The milliseconds since 1970 of a `Date`, also of another realm; NaN for an invalid one.
 *
 * @param {unknown} date
 */
function millisOf(date) {
  if (Object.prototype.toString.call(date) !== '[object Date]') return undefined
  try {
    return Number(Date.prototype.getTime.call(date))
  } catch {
    return undefined
  }
}

/**
 * Of a date as luxon has it.
 *
 * @param {any} date
 */
function luxonMillis(date) {
  const ms = date.toMillis()
  if (typeof ms === 'number' && Number.isFinite(ms)) return ms
  throw refuse('a CronJob whose schedule tells no time')
}

/**
 * A `Date` of the realm of another one, as the scheduler's own `instanceof` wants it.
 *
 * @param {any} like
 * @param {number} ms
 */
const dateLike = (like, ms) => new like.constructor(ms)

/** @param {string} got */
const refuse = (got) =>
  invalid(
    'tick must be the scheduled time as a Date, a job of cron or croner, or the context that node-cron ' +
      `hands to its function, got ${got}`,
  )

exports.scheduled = scheduled
