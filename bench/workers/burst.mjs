// Many runs at once: node burst.mjs <library> <redis url>

import Redis from 'ioredis'
import {establishPrimaryServer, onPrimaryChange, setLogger, withLease} from '../../index.mjs'
import {serve} from './serve.mjs'

const [name, url] = /** @type {[string, string]} */ (process.argv.slice(2))
const client = new Redis(url)
let lost = 0
setLogger(null)

/**
 * @typedef {{ttl: number, acquireTimeout?: number}} Options
 * @type {Record<string, (key: string, options: Options) => Promise<unknown>>}
 */
const libraries = {
  'primary-lease': (key, options) => withLease(client, key, options, () => {}),
  'SET and DEL': async (key, {ttl}) => {
    await client.set(key, 'mine', 'PX', ttl, 'NX')
    await client.del(key)
  },
  'redis-semaphore': async (key, {ttl}) => {
    const mutex = new Mutex(client, key, {lockTimeout: ttl})
    await mutex.acquire()
    await mutex.release()
  },
}
const {Mutex} = await import('redis-semaphore')
const run = libraries[name]
if (!run) throw new Error(`no library ${name}`)
let bursts = 0

serve({
  /** An election that the burst has nothing to do with. */
  stand: async () => {
    onPrimaryChange('beside', ({type}) => {
      if (type === 'lost') lost++
    })
    await establishPrimaryServer(client, 'beside', {eagerStart: true})
  },
  /** @param {Options & {count: number}} burst */
  burst: async ({count, ...options}) => {
    const burst = bursts++
    /** @type {Record<string, number>} */
    const failed = {}
    let slowest = 0
    const lostBefore = lost
    const begun = performance.now()
    const one = async (/** @type {number} */ number) => {
      try {
        await run(`burst-${name}-${burst}-${number}`, options)
      } catch (error) {
        const code = /** @type {{code?: string}} */ (error).code ?? String(error)
        failed[code] = (failed[code] ?? 0) + 1
        slowest = Math.max(slowest, performance.now() - begun)
      }
    }
    await Promise.all(Array.from({length: count}, (_, number) => one(number)))
    const seconds = (performance.now() - begun) / 1_000
    // What was lost is told in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 200))
    return {seconds, failed, slowest, lost: lost - lostBefore}
  },
})
