// What an embedder does, as far as its elections can tell.

import {setTimeout as sleep} from 'node:timers/promises'
import {database} from './database'
import {__APP_VERSION__, RESET_MS} from './environment'
import {tell} from './tell'

const tables = `tables of ${__APP_VERSION__}`

export const primeSupportedLanguages = () => sleep(10)

/** Not by two servers at once, as `CREATE TABLE IF NOT EXISTS`. */
export async function maybeCreateTables() {
  if (await database.exists(tables)) return
  await sleep(100)
  if (!(await database.setnx(tables, 'made'))) throw new Error('the relation already exists')
  tell('made tables', {version: __APP_VERSION__})
}

export async function importHistoricalMetadata() {
  if (!(await database.exists(tables))) throw new Error('the relation does not exist')
  tell('import begins')
  await sleep(100)
  tell('import ends')
}

let intervals = 0

/** Goes on until its timer is cleared. */
export function resetStalledJobs() {
  const interval = ++intervals
  const reset = () => tell('reset', {interval})
  reset()
  return setInterval(reset, RESET_MS).unref()
}

/** The jobs that wait for any embedder. */
export function jobStreams() {
  let open = true
  async function* jobs() {
    while (open) {
      const job = await database.lpop('jobs')
      if (job) yield job
      else await sleep(20)
    }
  }
  return {
    [Symbol.asyncIterator]: jobs,
    /** The job at hand is the last. */
    return() {
      open = false
    },
  }
}

/** One named `long` takes until the database is told that such jobs may end. */
export async function processJob(job: string) {
  tell('job begins', {job})
  await sleep(30)
  if (job === 'long') while (!(await database.exists('long jobs may end'))) await sleep(20)
  await database.rpush('done', job)
  tell('job ends', {job})
}
