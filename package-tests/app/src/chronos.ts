import {CronJob} from 'cron'
import {LeaderRunner} from 'primary-lease'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

/** Runs the jobs of every server, each on one of them. */
export function startChronos() {
  const redis = new RedisInstance('chronos')
  const leaderRunner = new LeaderRunner(redis, 'chronos', 20_000)

  const everySecond = async () => {
    const atOnce = await redis.incr('every second runs')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await redis.decr('every second runs')
    tell('ran', {atOnce})
  }
  const failing = async () => {
    throw new Error('this job always fails')
  }
  const jobs = Object.entries({everySecond, failing}).map(([name, run]) =>
    CronJob.from({
      cronTime: '* * * * * *',
      onTick: () => leaderRunner.runLocked(name, run, () => tell('skipped', {name})),
      start: true,
    }),
  )

  return async () => {
    for (const job of jobs) job.stop()
    await leaderRunner.close()
    tell('chronos has stopped')
  }
}
