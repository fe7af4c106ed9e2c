import {setTimeout as sleep} from 'node:timers/promises'
import {database} from './database'
import {tell} from './tell'

type Job = {cronTime: string; run: () => Promise<void> | void; skip: () => void}

/** Of a job that is asked for every second, tells when it is run, and beside how many others. */
const everySecond: Job = {
  cronTime: '* * * * * *',
  async run() {
    const atOnce = await database.incr('every second runs')
    await sleep(50)
    await database.decr('every second runs')
    tell('ran', {atOnce})
  },
  skip: () => tell('skipped'),
}

const failing: Job = {
  cronTime: '* * * * * *',
  run() {
    throw new Error('this job always fails')
  },
  skip() {},
}

/** Its schedule comes from an environment that does not have it. */
const unscheduled: Job = {
  cronTime: String(process.env.CHRONOS_UNSCHEDULED),
  run() {},
  skip() {},
}

export const jobs: Record<string, Job> = {everySecond, failing, unscheduled}
