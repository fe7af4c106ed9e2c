// Each tick of a real schedule is run once, over both changes of summer time, whatever the scheduler and
// however late the other server is.

import {CronJob} from 'cron'
import {Cron} from 'croner'
import cron from 'node-cron'
import {LeaderRunner, type RunOptions, type RunOutcome, setLogger} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix} from './support/redis'

const ZONE = 'Europe/Berlin'
const HOUR = 3_600_000

/** Something that calls at every tick with what names it, until it is stopped. */
type Schedule = (pattern: string, onTick: (tick: RunOptions['tick']) => void) => () => void

const schedulers: Record<string, {schedule: Schedule; latest: number}> = {
  cron: {
    schedule: (pattern, onTick) => {
      const job = CronJob.from({
        cronTime: pattern,
        timeZone: ZONE,
        start: true,
        onTick() {
          onTick(this)
        },
      })
      return () => job.stop()
    },
    latest: 0.9,
  },
  croner: {
    schedule: (pattern, onTick) => {
      const job = new Cron(pattern, {timezone: ZONE}, onTick)
      return () => job.stop()
    },
    latest: 0.9,
  },
  'node-cron': {
    schedule: (pattern, onTick) => {
      const task = cron.schedule(pattern, (context) => onTick(context), {timezone: ZONE})
      return () => void task.destroy()
    },
    // It skips what is later than a second by itself.
    latest: 900 / HOUR,
  },
}

/** In UTC: an hour before the clocks are set is the one that is skipped or played twice. */
const changes = {
  'when it begins': Date.UTC(2027, 2, 28, 1),
  'when it ends': Date.UTC(2027, 9, 31, 1),
}

const patterns: Record<string, {pattern: string; gap: number}> = {
  'a day, at 02:30 local time': {pattern: '0 30 2 * * *', gap: 23 * HOUR},
  'a day, at 09:00 local time': {pattern: '0 0 9 * * *', gap: 23 * HOUR},
  'an hour': {pattern: '0 0 * * * *', gap: HOUR},
  '15 minutes': {pattern: '0 */15 * * * *', gap: HOUR / 4},
  '30 minutes, off the multiples of that': {pattern: '0 13,43 * * * *', gap: HOUR / 2},
}

// Refusals are logged.
beforeAll(() => setLogger(null))
// Native state outlives the test file.
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
afterEach(() => {
  jest.useRealTimers()
})

/** What one server makes of a schedule in that time, whose timers fire late. */
async function play(
  runner: LeaderRunner,
  schedule: Schedule,
  pattern: string,
  [from, until]: [number, number],
  late: number,
) {
  jest.useFakeTimers({now: from + 17, doNotFake: ['setImmediate', 'nextTick']})
  const setTimer = globalThis.setTimeout
  globalThis.setTimeout = ((run: () => void, ms: number) =>
    setTimer(run, ms + late)) as typeof setTimeout
  const outcomes: RunOutcome[] = []
  let running: Promise<unknown> = Promise.resolve()
  const stop = schedule(pattern, (tick) => {
    const run = runner.runLocked('job', () => {}, undefined, {tick})
    running = run.then((outcome) => outcomes.push(outcome))
  })
  setTimer(stop, until - Date.now())
  while (Date.now() < until) {
    await jest.advanceTimersToNextTimerAsync()
    await running
  }
  jest.useRealTimers()
  return outcomes
}

describe.each(Object.keys(schedulers))('with %s', (name) => {
  const {schedule, latest} = schedulers[name] as (typeof schedulers)[string]

  describe.each(Object.keys(changes))('over summer time, %s', (change) => {
    const at = changes[change as keyof typeof changes]

    test.each(Object.keys(patterns))('one run in each tick of %s', async (each) => {
      const {pattern, gap} = patterns[each] as (typeof patterns)[string]
      const prefix = newPrefix()
      const server = () => new LeaderRunner('memory://schedules', prefix, 1_000, {minHold: 0})
      // Daily ones are seen two times at least.
      const around = gap > HOUR ? 27 * HOUR : 4 * HOUR
      const time: [number, number] = [at - around, at + around]
      const first = await play(server(), schedule, pattern, time, 0)
      expect(first.length).toBeGreaterThan(1)
      expect(first.filter(({outcome}) => outcome !== 'ran')).toEqual([])
      const lateness = Math.min(gap, HOUR) * latest
      const late = await play(server(), schedule, pattern, time, lateness)
      expect(late.length).toBeGreaterThan(1)
      expect(late.filter((run) => !('reason' in run) || run.reason !== 'ran')).toEqual([])
    })
  })

  test.each([
    ['a day, at 02:30', '0 30 2 * * *'],
    ['10 minutes, from 02:00 to 03:00', '0 */10 2 * * *'],
  ])(
    'a server that starts within the hour that is played twice runs nothing again of %s',
    async (_, pattern) => {
      const at = changes['when it ends']
      const prefix = newPrefix()
      const server = () => new LeaderRunner('memory://schedules', prefix, 1_000, {minHold: 0})
      const night: [number, number] = [at - 2 * HOUR, at + 3 * HOUR]
      const first = await play(server(), schedule, pattern, night, 0)
      expect(first.length).toBeGreaterThan(0)
      expect(first.filter(({outcome}) => outcome !== 'ran')).toEqual([])
      for (const minutes of [-40, -20, 5, 10]) {
        const from = at + minutes * 60_000
        const started = await play(server(), schedule, pattern, [from, at + 3 * HOUR], 0)
        expect(started.filter(({outcome}) => outcome === 'ran')).toEqual([])
      }
    },
  )
})

describe('what names no tick beyond doubt is refused, and says what to write', () => {
  const runner = () => new LeaderRunner('memory://schedules', newPrefix(), 1_000)
  const refused = async (tick: unknown, why: string) => {
    const options = {tick} as RunOptions
    expect(await runner().runLocked('job', () => {}, undefined, options)).toMatchObject({
      outcome: 'failed',
      error: {
        code: 'ERR_INVALID_CONFIG',
        message:
          'tick must be the scheduled time as a Date, a job of cron or croner, or the context that ' +
          `node-cron hands to its function, got ${why}`,
      },
    })
  }
  test('anything else', async () => {
    await refused('* * * * *', 'a string')
    await refused(1_795_000_000_000, 'a number')
    await refused({}, 'an object')
    await refused(new Date('x'), 'an invalid Date')
  })

  test('a job that has not fired', async () => {
    const job = CronJob.from({cronTime: '0 0 9 * * *', onTick: () => {}})
    await refused(job, 'a CronJob that has not fired')
    const other = new Cron('0 0 9 * * *', {paused: true}, () => {})
    await refused(other, 'a Cron that has not fired')
    other.stop()
  })

  test('an interval, which each server counts for itself', async () => {
    const job = new Cron('* * * * * *', {interval: 90, paused: true}, () => {})
    await refused(job, 'a Cron with an interval, which every server counts from its own last run')
    job.stop()
    // One of a second never holds it back, and makes croner miss what was just due.
    const short = new Cron('0 * * * * *', {interval: 1, paused: true}, () => {})
    await refused(short, 'a Cron with an interval, which every server counts from its own last run')
    short.stop()
  })

  test('a task of node-cron, and a run of it that was started by hand', async () => {
    let context: unknown
    const task = cron.createTask('0 0 9 * * *', (given) => {
      context = given
    })
    await refused(
      task,
      'a task of node-cron, which does not know for when it runs: give the context that its function is called with',
    )
    await task.execute()
    await refused(context, 'the context of a run that was started by hand, which is no tick')
    await task.destroy()
  })
})

describe('a job is named by its own schedule', () => {
  const run = (runner: LeaderRunner, tick: RunOptions['tick']) =>
    runner.runLocked('job', () => {}, undefined, {tick})
  const runner = () => new LeaderRunner('memory://schedules', newPrefix(), 1_000, {minHold: 0})

  test('one of cron with an offset instead of a zone', async () => {
    const server = runner()
    // 09:30 is 07:00 in UTC there.
    const due = Date.UTC(2027, 0, 1, 7)
    jest.useFakeTimers({now: due - 1_000, doNotFake: ['setImmediate', 'nextTick']})
    let running: Promise<RunOutcome> | undefined
    const job = CronJob.from({
      cronTime: '0 30 9 * * *',
      utcOffset: 150,
      start: true,
      onTick() {
        running = run(server, this)
      },
    })
    await jest.advanceTimersByTimeAsync(1_500)
    job.stop()
    jest.useRealTimers()
    expect(await running).toMatchObject({outcome: 'ran'})
    expect(await run(server, new Date(due))).toEqual({outcome: 'skipped', reason: 'ran'})
  })

  test('one of an older croner, which does not tell what was before', async () => {
    const server = runner()
    const minute = 60_000
    const due = 1_795_000_020_000
    const job = {
      currentRun: () => new Date(due + 30_100),
      nextRun: (after?: Date) => new Date((Math.floor(Number(after) / minute) + 1) * minute),
    }
    expect(due % minute).toBe(0)
    expect(await run(server, job)).toMatchObject({outcome: 'ran'})
    expect(await run(server, new Date(due))).toEqual({outcome: 'skipped', reason: 'ran'})
  })
})

test('a job of one date alone is named by it', async () => {
  const runner = new LeaderRunner('memory://schedules', newPrefix(), 1_000)
  const at = new Date(Date.now() + 50)
  const run = (job: RunOptions['tick']) => runner.runLocked('job', () => {}, undefined, {tick: job})
  const outcomes: Promise<RunOutcome>[] = []
  CronJob.from({
    cronTime: at,
    start: true,
    onTick() {
      outcomes.push(run(this))
    },
  })
  await until('cron has fired', () => outcomes.length > 0)
  expect(await outcomes[0]).toMatchObject({outcome: 'ran'})
  expect(await run(at)).toEqual({outcome: 'skipped', reason: 'ran'})
  // In whole seconds, as croner reads them.
  const second = new Date(Math.ceil(Date.now() / 1_000 + 0.05) * 1_000)
  new Cron(second.toISOString().slice(0, 19), {timezone: 'UTC'}, (job: Cron) => {
    outcomes.push(run(job))
  })
  await until('croner has fired', () => outcomes.length > 1)
  expect(await outcomes[1]).toMatchObject({outcome: 'ran'})
  expect(await run(second)).toEqual({outcome: 'skipped', reason: 'ran'})
})
