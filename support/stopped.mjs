import {readFile} from 'node:fs/promises'
import {sleep} from './time.mjs'

/**
 * Resolves when a process has taken its SIGSTOP: the signal's sender is not told.
 *
 * @param {number} pid
 */
export async function stopped(pid) {
  for (let tries = 0; tries < 100; tries++) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    // Where there is no /proc a moment has to do.
    if (stat === undefined) return sleep(20)
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return
    await sleep(1)
  }
}
