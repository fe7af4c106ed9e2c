// Compiled and never run: the calls of the server that this package is for.

import {CronJob} from 'cron'
import {establishPrimaryServer, LeaderRunner, type RunOutcome, withLease} from 'primary-lease'
import type {RedisInstance} from '../src/RedisInstance.js'

export async function embedder(redis: RedisInstance) {
  const [primaryLock, other] = await Promise.all([
    establishPrimaryServer(redis, 'embedder'),
    Promise.resolve(1),
  ])
  if (primaryLock) primaryLock.token.toFixed(other)
  const released: Promise<void> | undefined = primaryLock?.release().catch(() => {})
  return released
}

export function chronos(redis: RedisInstance, run: () => Promise<void> | void) {
  const leaderRunner = new LeaderRunner(redis, 'chronos', 20_000)
  const onTick: () => Promise<void> | void = () => leaderRunner.runLocked('job', run, run)
  const withoutSkip: Promise<RunOutcome> = leaderRunner.runLocked('job', run)
  CronJob.from({cronTime: '* * * * * *', onTick: () => leaderRunner.runLocked('job', run, run)})
  // @ts-expect-error: the ttl is a number
  new LeaderRunner(redis, 'chronos', '20 s')
  return [onTick, withoutSkip]
}

export async function sequential(redis: RedisInstance) {
  const result: {imported: number} = await withLease(redis, 'import', {ttl: 10_000}, async () => ({
    imported: 3,
  }))
  return result.imported
}

export async function awaited(leaderRunner: LeaderRunner) {
  const outcome = await leaderRunner.runLocked('job', () => {})
  return outcomes(outcome)
}

export function outcomes(outcome: RunOutcome): string {
  switch (outcome.outcome) {
    case 'ran':
      return outcome.token.toFixed()
    case 'skipped':
      return outcome.reason
    case 'failed':
      return String(outcome.error)
    case 'lost':
      return outcome.error.code
    case 'unavailable':
      return outcome.error.code
    default:
      return outcome satisfies never
  }
}
