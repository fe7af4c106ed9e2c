// What gives a run a lease, each as its users have it: a client that they have anyway, renewing as by
// default.

import Redis from 'ioredis'

const TTL = 10_000
const nothing = async () => {}

/**
 * Each gives a function that runs nothing under the lease of a key.
 *
 * @type {Record<string, (url: string) => Promise<(key: string) => Promise<unknown>>>}
 */
const libraries = {
  'primary-lease': (url) => ours(url, {}),
  'primary-lease, release sent': (url) => ours(url, {awaitRelease: false}),
  'redis-semaphore': async (url) => {
    const {Mutex} = await import('redis-semaphore')
    const client = new Redis(url)
    return async (key) => {
      const mutex = new Mutex(client, key, {lockTimeout: TTL})
      await mutex.acquire()
      try {
        await nothing()
      } finally {
        await mutex.release()
      }
    }
  },
  redlock: async (url) => {
    const {Redlock} = await import('@sesamecare-oss/redlock')
    const redlock = new Redlock([new Redis(url)])
    return (key) => redlock.using([key], TTL, nothing)
  },
  'redlock-universal': async (url) => {
    const {createLock, IoredisAdapter} = await import('redlock-universal')
    const adapter = new IoredisAdapter(new Redis(url))
    return (key) => createLock({adapter, key, ttl: TTL}).using(nothing)
  },
}

/**
 * @param {string} url
 * @param {object} options
 */
async function ours(url, options) {
  const {withLease} = await import('../../index.mjs')
  const client = new Redis(url, {lazyConnect: true})
  return (/** @type {string} */ key) => withLease(client, key, {ttl: TTL, ...options}, nothing)
}

/**
 * @param {string} name
 * @param {string} url
 */
export function open(name, url) {
  const library = libraries[name]
  if (!library) throw new Error(`no library ${name}`)
  return library(url)
}
