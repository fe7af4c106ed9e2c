// Many runs begun at once, beside an election in the same process.

import {RedisServer} from '../../support/redis.mjs'
import {figureOf, goal, number, ratioOf} from '../figures.mjs'
import {BUSY_LOOPS, besideBusyLoops} from '../load.mjs'
import {Worker} from '../worker.mjs'

const OURS = 'primary-lease'
const NAIVE = 'SET and DEL'
const LIBRARIES = [OURS, NAIVE, 'redis-semaphore']

/**
 * @typedef {{count: number, ttl: number, acquireTimeout?: number}} Burst
 * @typedef {{seconds: number, failed: Record<string, number>, slowest: number, lost: number}} Burnt
 */

/** @type {import('../figures.mjs').Row} */
export const burst = {
  name: 'burst',
  title: 'A burst of runs beside an election, ttl 5,000 ms',
  async measure(bench) {
    const count = bench.quick ? 10_000 : 60_000
    const many = `${number(count, 0)} at once`
    const idle = await bursts(bench, {count, ttl: 5_000}, 0, bench.quick ? 1 : 3)
    const loaded = await bursts(bench, {count, ttl: 5_000}, BUSY_LOOPS, 1)
    return {
      measures: [
        times(`${many}: seconds`, idle, {most: 2}),
        failures(`${many}: refused`, idle, {most: 0}),
        losses(`${many}: elections lost`, idle),
        times(`${many}, ${BUSY_LOOPS} busy loops: seconds`, loaded),
        failures(`${many}, ${BUSY_LOOPS} busy loops: refused`, loaded),
        lostRuns(`${many}, ${BUSY_LOOPS} busy loops: begun, and lost`, loaded),
        losses(`${many}, ${BUSY_LOOPS} busy loops: elections lost`, loaded),
      ],
    }
  },
}

/** @type {import('../figures.mjs').Row} */
export const short = {
  name: 'short',
  title: 'A burst of runs with a short ttl, 500 ms, acquireTimeout 5,000 ms',
  async measure(bench) {
    const order = {count: 5_000, ttl: 500, acquireTimeout: 5_000}
    const loaded = await bursts(bench, order, BUSY_LOOPS, bench.quick ? 1 : 3)
    const what = `5,000 at once, ${BUSY_LOOPS} busy loops`
    return {
      measures: [
        failures(`${what}: refused`, loaded, {most: 0}),
        times(`${what}: seconds`, loaded),
      ],
    }
  },
}

/**
 * @param {import('../figures.mjs').Bench} bench
 * @param {Burst} order
 * @param {number} loops
 * @param {number} rounds
 */
async function bursts(bench, order, loops, rounds) {
  const redis = await RedisServer.start(['--appendonly', 'no'])
  /** @type {Map<string, {worker: Worker, bursts: Burnt[]}>} */
  const libraries = new Map()
  try {
    for (const name of LIBRARIES) {
      const worker = new Worker('burst.mjs', name, redis.url)
      libraries.set(name, {worker, bursts: []})
      if (name === OURS) await worker.ask('stand')
      // Until the code is compiled and the connection open.
      await worker.ask('burst', {...order, count: 500})
    }
    await besideBusyLoops(loops, async () => {
      for (let round = 1; round <= rounds; round++) {
        for (const [name, {worker, bursts}] of libraries) {
          bench.say(`${order.count} at once beside ${loops} busy loops, ${name}`)
          bursts.push(await worker.ask('burst', order))
        }
      }
    })
  } finally {
    for (const {worker} of libraries.values()) await worker.end()
    await redis.close()
  }
  return new Map([...libraries].map(([name, {bursts}]) => [name, bursts]))
}

/**
 * @param {string} what
 * @param {Map<string, Burnt[]>} bursts
 * @param {{most: number}} [bound] of the ratio
 */
function times(what, bursts, bound) {
  const seconds = (/** @type {string} */ name) => of(bursts, name).map(({seconds}) => seconds)
  const ratio = ratioOf(seconds(OURS), seconds(NAIVE))
  const peers = LIBRARIES.filter((name) => name !== OURS)
  return {
    what,
    unit: 's',
    digits: 2,
    ours: figureOf(seconds(OURS)),
    peers: peers.map((name) => ({name, figure: figureOf(seconds(name))})),
    ratio,
    ratioTo: NAIVE,
    goal: bound && goal({...bound, times: true}, ratio),
  }
}

/**
 * @param {string} what
 * @param {Map<string, Burnt[]>} bursts
 * @param {{most: number}} [bound]
 */
function failures(what, bursts, bound) {
  const failed = (/** @type {string} */ name) =>
    of(bursts, name).map(({failed}) => Object.values(failed).reduce((sum, count) => sum + count, 0))
  const peers = LIBRARIES.filter((name) => name !== OURS)
  const figure = figureOf(failed(OURS))
  const slowest = Math.max(...of(bursts, OURS).map(({slowest}) => slowest))
  const codes = new Set(of(bursts, OURS).flatMap(({failed}) => Object.keys(failed)))
  return {
    what,
    unit: '',
    digits: 0,
    ours: figure,
    peers: peers.map((name) => ({name, figure: figureOf(failed(name))})),
    goal: bound && goal(bound, figure),
    note: codes.size
      ? `${[...codes].join(', ')}; the last after ${number(slowest / 1_000, 1)} s`
      : undefined,
  }
}

/**
 * Those that are neither run nor refused.
 *
 * @param {string} what
 * @param {Map<string, Burnt[]>} bursts
 */
function lostRuns(what, bursts) {
  const figure = figureOf(of(bursts, OURS).map(({failed}) => failed.ERR_LEASE_LOST ?? 0))
  const peers = [{name: 'others', figure: 'run on without a lease'}]
  return {what, unit: '', digits: 0, ours: figure, peers, goal: goal({most: 0}, figure)}
}

/**
 * @param {string} what
 * @param {Map<string, Burnt[]>} bursts
 */
function losses(what, bursts) {
  const figure = figureOf(of(bursts, OURS).map(({lost}) => lost))
  return {
    what,
    unit: '',
    digits: 0,
    ours: figure,
    peers: [{name: 'others', figure: 'no elections'}],
    goal: goal({most: 0}, figure),
  }
}

/**
 * @param {Map<string, Burnt[]>} bursts
 * @param {string} name
 */
const of = (bursts, name) => bursts.get(name) ?? []
