import {type PrimaryLease, setLogger, whilePrimary} from '../../index.js'
import {ripeWatch} from '../../support/record.mjs'
import {until} from '../../support/until'

/**
 * Leases that a busy machine does not lose by itself: renewed far more often than they have to be, and
 * taken without a wait.
 */
export const CALM = {ttl: 3000, renewInterval: 300, eagerStart: true}

/** Sooner than this, in ms, nobody has a place by watching it who saw it renewed as often as that. */
export const WATCHED = ripeWatch(CALM.ttl) - 2 * CALM.renewInterval

export type Run = {
  lease: PrimaryLease
  /** Ends the work. */
  settle: () => void
  fail: (error: unknown) => void
}

/** Work under a primary that ends when the test says so, whatever its signal says. */
export function guard(prefix: string) {
  const runs: Run[] = []
  let present = 0
  let most = 0
  const stop = whilePrimary(prefix, (lease) => {
    present += 1
    most = Math.max(most, present)
    const work = new Promise<void>((settle, fail) => runs.push({lease, settle, fail}))
    return work.finally(() => {
      present -= 1
    })
  })
  return {
    runs,
    stop,
    /** How many were running at the same time. */
    most: () => most,
    /** The run that comes `nth`, counted from 1. */
    run: (nth = 1) => until(`run number ${nth}`, () => runs[nth - 1]),
  }
}

export type Logged = {level: string; message: string; fields: Record<string, unknown>}

/** What is logged from here on, by the prefix that it is about. */
export function useLog() {
  const lines: Logged[] = []
  const log = (level: string) => (message: string, fields: Record<string, unknown>) => {
    lines.push({level, message, fields})
  }
  beforeAll(() =>
    setLogger({debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error')}),
  )
  const about = (prefix: string) => lines.filter(({fields}) => fields.prefix === prefix)
  return {
    about,
    /** The first line about a prefix that says so, or has an error that does. */
    line: (prefix: string, words: RegExp) =>
      until(`a line with ${words}`, () =>
        about(prefix).find(({message, fields}) => words.test(`${message}: ${fields.error}`)),
      ),
  }
}
