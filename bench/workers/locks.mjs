// Locks of a peer, for what has no election: node locks.mjs <library> <redis url>

import Redis from 'ioredis'
import {serve} from './serve.mjs'
import {spending} from './time.mjs'

const [name, url] = /** @type {[string, string]} */ (process.argv.slice(2))
const client = new Redis(url)
let lost = 0

/**
 * Each takes a lock and renews it without end, or waits for one that another has.
 *
 * @typedef {{isAcquired?: boolean}} Lock
 * @typedef {(key: string, ttl: number, patience: number) => Promise<Lock>} Take
 * @type {Record<string, () => Promise<Take>>}
 */
const libraries = {
  'redis-semaphore': async () => {
    const {Mutex} = await import('redis-semaphore')
    return async (key, ttl, patience) => {
      const onLockLost = () => void lost++
      const mutex = new Mutex(client, key, {
        lockTimeout: ttl,
        acquireTimeout: patience,
        onLockLost,
      })
      await mutex.acquire()
      return mutex
    }
  },
  redlock: async () => {
    const {Redlock} = await import('@sesamecare-oss/redlock')
    return async (key, ttl, patience) => {
      const redlock = new Redlock([client], patience > 10_000 ? {retryCount: -1} : {})
      redlock.on('error', () => {})
      await new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
        const hold = async () => {
          resolve()
          await new Promise(() => {})
        }
        redlock.using([key], ttl, hold).catch(reject)
      })
      return {}
    }
  },
  'redlock-universal': async () => {
    const {createLock, IoredisAdapter} = await import('redlock-universal')
    const adapter = new IoredisAdapter(client)
    return async (key, ttl) => {
      await new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
        const hold = async () => {
          resolve()
          await new Promise(() => {})
        }
        createLock({adapter, key, ttl}).using(hold).catch(reject)
      })
      return {}
    }
  },
}

const open = libraries[name]
if (!open) throw new Error(`no library ${name}`)
const take = await open()
/** @type {Lock[]} */
const locks = []

serve({
  /** @param {{from: number, to: number, ttl: number}} numbers */
  hold: async ({from, to, ttl}) => {
    const keys = Array.from({length: to - from}, (_, number) => `lock-${from + number}`)
    locks.push(...(await Promise.all(keys.map((key) => take(key, ttl, 10_000)))))
  },
  /**
   * Waits for a lock that another has, so many times; nobody waits for that.
   *
   * @param {{key: string, count: number}} order
   */
  wait: ({key, count}) => {
    for (let waiter = 0; waiter < count; waiter++) take(key, 5_000, 600_000).catch(() => {})
  },
  /** @param {{ms: number}} time */
  rest: async ({ms}) => {
    const spent = spending()
    await new Promise((resolve) => setTimeout(resolve, ms))
    return {...spent(), rss: process.memoryUsage.rss(), lost}
  },
  /**
   * Blocks the event loop, and says whether the lock was still there at the end.
   *
   * @param {{ms: number}} block
   */
  block: ({ms}) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  },
  /** @param {{looks: number}} order */
  look: ({looks}) => {
    const lock = locks[0]
    const begun = performance.now()
    let held = 0
    for (let look = 0; look < looks; look++) held += lock?.isAcquired ? 1 : 0
    const us = ((performance.now() - begun) * 1_000) / looks
    if (held !== looks) throw new Error('the lock was lost')
    return us
  },
})
