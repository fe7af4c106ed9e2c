// One library under load, in a process of its own: what a run under a lease costs.
//
// node library.mjs <name> <redis url> <pairs> <at once>; prints one line of JSON.

import {readFileSync} from 'node:fs'
import Redis from 'ioredis'

const [name, url, pairs, atOnce] = /** @type {[string, string, string, string]} */ (
  process.argv.slice(2)
)
const TTL = 10_000

/**
 * Each gives a function that takes the lease of a key and gives it back.
 *
 * @type {Record<string, () => Promise<(key: string) => Promise<unknown>>>}
 */
const libraries = {
  'primary-lease': async () => {
    const {withLease} = await import('../index.mjs')
    // As its users have it: a client that they have anyway, of which the options are read.
    const client = new Redis(url, {lazyConnect: true})
    const nothing = () => {}
    return (key) => withLease(client, key, {ttl: TTL}, nothing)
  },
  redlock: async () => {
    const {Redlock} = await import('@sesamecare-oss/redlock')
    const redlock = new Redlock([new Redis(url)])
    return async (key) => {
      const lock = await redlock.acquire([key], TTL)
      await lock.release()
    }
  },
  'redis-semaphore': async () => {
    const {Mutex} = await import('redis-semaphore')
    const client = new Redis(url)
    return async (key) => {
      const mutex = new Mutex(client, key, {lockTimeout: TTL})
      await mutex.acquire()
      await mutex.release()
    }
  },
  'redlock-universal': async () => {
    const {createLock, IoredisAdapter} = await import('redlock-universal')
    const adapter = new IoredisAdapter(new Redis(url))
    return async (key) => {
      const lock = createLock({adapter, key, ttl: TTL})
      const handle = await lock.acquire()
      await lock.release(handle)
    }
  },
}

const make = libraries[name]
if (!make) throw new Error(`no library ${name}`)
const pair = await make()

/** Nanoseconds that this thread, the event loop's, has been on a processor. */
const loopTime = () =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0])

let keys = 0

/** @param {number} count */
async function atOnceFor(count) {
  let left = count
  // Each key is new: nobody has left anything there.
  const one = async () => {
    while (left-- > 0) await pair(`bench-${name}-${keys++}`)
  }
  await Promise.all(Array.from({length: Number(atOnce)}, one))
}

// Until the code is compiled and the connection open.
await atOnceFor(Number(pairs) / 4)

const loop = loopTime()
const cpu = process.cpuUsage()
const begun = performance.now()
await atOnceFor(Number(pairs))
const seconds = (performance.now() - begun) / 1_000
const {user, system} = process.cpuUsage(cpu)
const loopUs = (loopTime() - loop) / 1_000

const latencies = []
for (let i = 0; i < Number(pairs) / 10; i++) {
  const asked = performance.now()
  await pair(`bench-${name}-alone`)
  latencies.push(performance.now() - asked)
}
latencies.sort((a, b) => a - b)

console.log(
  JSON.stringify({
    perSecond: Number(pairs) / seconds,
    loopUs: loopUs / Number(pairs),
    processUs: (user + system) / Number(pairs),
    latencyMs: latencies[Math.floor(latencies.length / 2)],
  }),
)
process.exit()
