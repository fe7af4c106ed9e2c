// What the tests are told besides what the servers tell themselves.

import type {CronJob} from 'cron'
import {LeaderRunner, primaryStatus} from 'primary-lease'
import {tell} from './tell'

/** Tells again and again which leases of these elections are held at that moment. */
export function tellWhatIsHeld(prefixes: string[]) {
  const look = () => {
    for (const prefix of prefixes) {
      const lease = primaryStatus(prefix)?.lease
      if (lease?.isHeld) tell('held', {lease: lease.name, token: lease.token})
    }
  }
  setInterval(look, 50).unref()
}

/** Tells what became of each tick, by the second for which it was scheduled, and since when it was asked for. */
export function tellWhatIsRun() {
  const {runLocked} = LeaderRunner.prototype
  LeaderRunner.prototype.runLocked = async function (name, run, skip, options) {
    const job = options?.tick as CronJob | undefined
    const tick = `${name} ${Math.floor(Number(job?.lastDate()) / 1000)}`
    const from = Number(process.hrtime.bigint()) / 1e6
    const outcome = await runLocked.call(this, name, run, skip, options)
    tell('tick', {...outcome, name, tick, from})
    return outcome as never
  }
}
