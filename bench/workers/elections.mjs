// A server with elections: node elections.mjs <redis url>

import Redis from 'ioredis'
import * as primaryLease from '../../index.mjs'
import {now} from '../../support/record.mjs'
import {serve} from './serve.mjs'
import {spending} from './time.mjs'

const {establishPrimaryServer, onPrimaryChange, resignPrimaryServer, setLogger} = primaryLease
const client = new Redis(String(process.argv[2]), {lazyConnect: true})

/**
 * What was heard of who is primary.
 *
 * @typedef {{type: 'elected' | 'primary-changed', token: number, at: number}} Heard
 */
/** @type {Heard[]} */
const heard = []
/** @type {((heard: Heard) => void)[]} */
let listeners = []
/** @type {Map<string, primaryLease.PrimaryLease>} */
const leases = new Map()
let lost = 0

setLogger(null)

/** @param {primaryLease.PrimaryChange} change */
function hear(change) {
  const at = now()
  if (change.type === 'lost') lost++
  if (change.type === 'elected') {
    leases.set(change.prefix, change.lease)
    note({type: change.type, token: change.lease.token, at})
  } else if (change.type === 'primary-changed' && change.primary) {
    note({type: change.type, token: change.primary.token, at})
  }
}

/** @param {Heard} what */
function note(what) {
  heard.push(what)
  for (const listener of listeners) listener(what)
}

/** @param {{prefix: string, ttl?: number}} election */
async function stand({prefix, ttl}) {
  onPrimaryChange(prefix, hear)
  const lease = await establishPrimaryServer(client, prefix, {ttl, eagerStart: true})
  return lease?.token
}

serve({
  stand,
  /**
   * Stands in so many elections in all, and resolves when all have been answered.
   *
   * @param {{from: number, to: number}} numbers
   */
  standIn: ({from, to}) =>
    Promise.all(
      Array.from({length: to - from}, (_, number) => stand({prefix: `bench-${from + number}`})),
    ).then((tokens) => tokens.filter(Boolean).length),
  /**
   * What so many ms cost.
   *
   * @param {{ms: number}} time
   */
  rest: async ({ms}) => {
    const spent = spending()
    await new Promise((resolve) => setTimeout(resolve, ms))
    return {...spent(), rss: process.memoryUsage.rss(), lost}
  },
  isHeld: (prefix) => leases.get(prefix)?.isHeld ?? false,
  lost: () => lost,
  /**
   * The first that is heard of a primary with a higher token.
   *
   * @param {{above: number}} wanted
   * @returns {Promise<Heard>}
   */
  next: ({above}) => {
    const found = heard.find(({token}) => token > above)
    if (found) return Promise.resolve(found)
    return new Promise((resolve) => {
      const listener = (/** @type {Heard} */ what) => {
        if (what.token <= above) return
        listeners = listeners.filter((other) => other !== listener)
        resolve(what)
      }
      listeners.push(listener)
    })
  },
  resign: (prefix) => resignPrimaryServer(prefix),
  exit: () => process.exit(),
  throw: () => {
    setImmediate(() => {
      throw new Error('on purpose')
    })
  },
  /**
   * Blocks the event loop, and says whether the lease outlived that.
   *
   * @param {{prefix: string, ms: number}} block
   */
  block: async ({prefix, ms}) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    const held = leases.get(prefix)?.isHeld ?? false
    // What was lost is told in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 100))
    return held && lost === 0
  },
  /**
   * Microseconds that one look takes.
   *
   * @param {{prefix: string, looks: number}} order
   */
  look: ({prefix, looks}) => {
    const lease = leases.get(prefix)
    const begun = performance.now()
    let held = 0
    for (let look = 0; look < looks; look++) held += lease?.isHeld ? 1 : 0
    const us = ((performance.now() - begun) * 1_000) / looks
    if (held !== looks) throw new Error('the lease was lost')
    return us
  },
})

process.on('SIGTERM', () => void resignPrimaryServer().finally(() => process.exit()))
