import {now} from './record.mjs'
import {sleep} from './time.mjs'

export {sleep}

/** Waits for a condition, and says which one did not come. Resolves with its first true value. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout = 20_000,
): Promise<NonNullable<T>> {
  const end = now() + timeout
  for (;;) {
    const value = await condition()
    if (value) return value as NonNullable<T>
    if (now() > end) throw new Error(`waited ${timeout} ms in vain: ${what}`)
    await sleep(2)
  }
}
