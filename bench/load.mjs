import {spawn} from 'node:child_process'
import {availableParallelism} from 'node:os'
import {guard} from '../support/guard.mjs'

/** So many that five want each processor: a load of 10 on two. */
export const BUSY_LOOPS = 5 * availableParallelism()

/**
 * Does something while processes that do nothing else keep the processors busy.
 *
 * @template T
 * @param {number} loops
 * @param {() => Promise<T>} work
 */
export async function besideBusyLoops(loops, work) {
  const processes = Array.from({length: loops}, () =>
    spawn('sh', ['-c', 'while :; do :; done'], {stdio: 'ignore'}),
  )
  const watcher = guard('kill -9 "$@"', ...processes.map(({pid}) => String(pid)))
  try {
    return await work()
  } finally {
    watcher.kill('SIGKILL')
    for (const process of processes) process.kill('SIGKILL')
  }
}
