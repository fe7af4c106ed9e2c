import {now} from './record.mjs'
import {sleep} from './time.mjs'

export {sleep}

/**
 * Waits for a condition, and says which one did not come. Resolves with its first true value. The limit is for
 * what never comes: what comes late on a busy machine is no failure.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout = 60_000,
): Promise<NonNullable<T>> {
  const end = now() + timeout
  for (;;) {
    const value = await condition()
    if (value) return value as NonNullable<T>
    if (now() > end) throw new Error(`waited ${timeout} ms in vain: ${what}`)
    await sleep(2)
  }
}
