import {CronJob} from 'cron'
import {LeaderRunner} from 'primary-lease'
import {jobs} from './chronosJobs'
import {__PRODUCTION__, SERVER_ID} from './environment'
import {Logger} from './Logger'
import {RedisInstance} from './RedisInstance'

/** Runs the jobs of every server, each on one of them. Returns what stops it. */
function startChronos() {
  const redis = new RedisInstance(`chronos_${SERVER_ID}`)
  const leaderRunner = new LeaderRunner(redis, 'chronos', 20_000)

  const scheduled = Object.entries(jobs).flatMap(([name, {cronTime, run, skip}]) => {
    try {
      return CronJob.from({
        cronTime,
        start: true,
        onTick() {
          return leaderRunner.runLocked(name, run, skip, {tick: this})
        },
      })
    } catch (error) {
      Logger.error(`the job ${name} is not scheduled`, error)
      return []
    }
  })

  return async () => {
    for (const job of scheduled) job.stop()
    await leaderRunner.close({drain: 10_000})
  }
}

/** Nothing is thrown while the module is loaded, which would end the web server. */
function tryToStartChronos() {
  if (!__PRODUCTION__) return undefined
  try {
    return startChronos()
  } catch (error) {
    Logger.error('chronos has not started', error)
    return undefined
  }
}

export const stopChronos = tryToStartChronos()
