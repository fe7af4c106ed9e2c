// What the kernel says that the threads of this process have spent. Event loop *utilisation* also counts
// the time in which the thread was ready and another had the processor.

import {readdirSync, readFileSync} from 'node:fs'

const TASKS = '/proc/self/task'

/**
 * The time that a thread of this process has been on a processor, in microseconds.
 *
 * @param {string | number} thread
 */
function threadTime(thread) {
  try {
    return Number(readFileSync(`${TASKS}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1_000
  } catch {
    // It has ended, or this is no Linux.
    return 0
  }
}

/** Of the event loop's thread; 0 where there is no Linux. */
const loopTime = () => threadTime(process.pid)

/** Of all threads. */
function processTime() {
  if (process.platform === 'linux')
    return readdirSync(TASKS).reduce((sum, thread) => sum + threadTime(thread), 0)
  const {user, system} = process.cpuUsage()
  return user + system
}

/**
 * Begins to measure; the function returned tells what was spent since then.
 */
export function spending() {
  const [begun, loop, all] = [performance.now(), loopTime(), processTime()]
  return () => ({
    seconds: (performance.now() - begun) / 1_000,
    loopUs: loopTime() - loop,
    processUs: processTime() - all,
  })
}
