/** What the bundler of a real server puts in, and here the test. */
export const __APP_VERSION__ = process.env.APP_VERSION ?? '13.37.0'
export const __PRODUCTION__ = process.env.NODE_ENV !== 'test'

export const SERVER_ID = process.env.SERVER_ID ?? String(process.pid)

/** From one reset of stalled jobs to the next, in ms. */
export const RESET_MS = Number(process.env.RESET_MS ?? 300_000)
