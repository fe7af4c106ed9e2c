// One server of the tests of ticks: it has every job in a real scheduler of its own, is late with those
// that are not its own share, and writes what it does to one record that all servers share.
//
// node scheduler.mjs '{"url", "prefix", "names", "own", "period", "late", "record"}'

import {appendFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {CronJob} from 'cron'
import {LeaderRunner} from '../../index.mjs'

const {url, prefix, names, own, period, late, record} = JSON.parse(String(process.argv[2]))

/** @param {object} line */
const write = (line) => appendFileSync(record, `${JSON.stringify({pid: process.pid, ...line})}\n`)

// Redis is there, and a busy machine may be long in answering.
const runner = new LeaderRunner(url, prefix, 2_000, {acquireTimeout: 3_000})

/**
 * @param {string} name
 * @param {CronJob<null, null>} job
 */
async function onTick(name, job) {
  // What the runner names the tick by: the time for which it was scheduled.
  const tick = Math.floor(Number(job.lastDate()) / period) * period
  // On time with some, so that every server gets to run jobs.
  if (!own.includes(name)) await sleep(50 + Math.random() * (late - 50))
  const outcome = await runner.runLocked(
    name,
    async () => {
      write({did: 'begin', name, tick})
      await sleep(Math.random() * 1_500)
      write({did: 'end', name, tick})
    },
    undefined,
    {tick: job},
  )
  const why = 'error' in outcome ? String(outcome.error) : 'reason' in outcome && outcome.reason
  write({did: outcome.outcome, name, tick, why})
}

const jobs = names.map((/** @type {string} */ name) =>
  CronJob.from({
    cronTime: `*/${period / 1_000} * * * * *`,
    onTick() {
      return onTick(name, this)
    },
    start: true,
  }),
)
write({did: 'start'})

process.on('SIGTERM', async () => {
  for (const job of jobs) job.stop()
  await runner.close()
  process.exit()
})
// What stands still for a while, once it is asked to.
process.on('SIGUSR2', () => {
  const end = Date.now() + 700
  while (Date.now() < end);
})
