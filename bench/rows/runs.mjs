// Runs under a lease, beside the libraries that give a run a lease in JavaScript.

import {median, percentile} from '../../support/record.mjs'
import {RedisServer} from '../../support/redis.mjs'
import {figureOf, goal, ratioOf} from '../figures.mjs'
import {Worker} from '../worker.mjs'

const OURS = 'primary-lease'
const SENT = 'primary-lease, release sent'
const REFERENCE = 'redis-semaphore'
const PEERS = [REFERENCE, 'redlock', 'redlock-universal']
const NOT_THERE = 'not there'

const AT_ONCE = 32
const LEVELS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
const QUICK_LEVELS = [1, 8, 64, 1024]
/** How many of each library, and of how many ms. */
const SLICES = /** @type {const} */ ([11, 2_000])
const QUICK_SLICES = /** @type {const} */ ([4, 300])
const PERCENTILES = [50, 75, 90, 95, 99, 99.9]

/** @typedef {Map<string, Worker>} Libraries */

/** @type {import('../figures.mjs').Row} */
export const pairs = {
  name: 'pairs',
  title: 'Runs, 32 at once',
  measure: (bench) =>
    withLibraries(async (libraries) => {
      const [rounds, ms] = bench.quick ? QUICK_SLICES : SLICES
      const slices = await takeTurns(bench, libraries, rounds, 'slice', {atOnce: AT_ONCE, ms})
      const perSecond = mapped(slices, ({pairs, seconds}) => pairs / seconds)
      const loop = mapped(slices, ({pairs, loopUs}) => loopUs / pairs)
      const all = mapped(slices, ({pairs, processUs}) => processUs / pairs)
      const fastest = PEERS.reduce((best, name) =>
        median(of(perSecond, name)) > median(of(perSecond, best)) ? name : best,
      )
      return {
        measures: [
          {...row(perSecond, OURS, fastest, {least: 1.2}), what: 'pairs/s, release confirmed'},
          {...row(perSecond, SENT, fastest, {least: 1.4}), what: 'pairs/s, release sent'},
          {...row(loop, OURS, REFERENCE, {most: 0.2}), what: 'event loop a pair'},
          {...row(loop, SENT, REFERENCE), what: 'event loop a pair, release sent'},
          {...row(all, OURS, REFERENCE), what: 'all threads a pair'},
        ].map((measure, at) =>
          at < 2 ? {...measure, unit: '', digits: 0} : {...measure, unit: 'us', digits: 1},
        ),
        plots: [await overConcurrency(bench, libraries)],
      }
    }),
}

/** @type {import('../figures.mjs').Row} */
export const latency = {
  name: 'latency',
  title: 'Runs, one at a time',
  measure: (bench) =>
    withLibraries(async (libraries) => {
      const [rounds, ms] = bench.quick ? QUICK_SLICES : SLICES
      const slices = await takeTurns(bench, libraries, rounds, 'latencies', {ms})
      const medians = mapped(slices, median)
      const measures = [
        {...row(medians, OURS, REFERENCE, {most: 1.3}), what: 'latency, release confirmed'},
        {...row(medians, SENT, REFERENCE, {most: 1}), what: 'latency, release sent'},
      ]
      const series = [...slices].map(([name, latencies]) => {
        const sorted = latencies.flat().sort((a, b) => a - b)
        const at = (/** @type {number} */ share) => percentile(sorted, share / 100)
        return {name, points: PERCENTILES.map((share) => point(`p${share}`, at(share)))}
      })
      return {
        measures: measures.map((measure) => ({...measure, unit: 'ms', digits: 3})),
        plots: [
          {title: 'Latency of a run, one at a time', x: '', y: 'ms', logarithmicX: false, series},
        ],
      }
    }),
}

/**
 * Each library in a process of its own, on one Redis.
 *
 * @template T
 * @param {(libraries: Libraries) => Promise<T>} use
 */
async function withLibraries(use) {
  const redis = await RedisServer.start(['--appendonly', 'no'])
  /** @type {Libraries} */
  const libraries = new Map()
  try {
    for (const name of [OURS, SENT, ...PEERS]) {
      const worker = new Worker('runs.mjs', name, redis.url)
      libraries.set(name, worker)
      const refused = await worker.ask('probe')
      if (!refused) continue
      if (!refused.includes('awaitRelease')) throw new Error(`${name}: ${refused}`)
      await worker.end()
      libraries.delete(name)
    }
    return await use(libraries)
  } finally {
    for (const worker of libraries.values()) await worker.end()
    await redis.close()
  }
}

/**
 * Slices of all libraries, which take turns; the first of each warms it up.
 *
 * @param {import('../figures.mjs').Bench} bench
 * @param {Libraries} libraries
 * @param {number} rounds
 * @param {string} order
 * @param {object} argument
 */
async function takeTurns(bench, libraries, rounds, order, argument) {
  /** @type {Map<string, any[]>} */
  const slices = new Map([...libraries.keys()].map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, worker] of libraries) {
      bench.say(`${order} ${round} of ${rounds}, ${name}`)
      const slice = await worker.ask(order, argument)
      if (round > 0) slices.get(name)?.push(slice)
    }
  }
  return slices
}

/**
 * @param {import('../figures.mjs').Bench} bench
 * @param {Libraries} libraries
 */
async function overConcurrency(bench, libraries) {
  const [levels, rounds, ms] = bench.quick ? [QUICK_LEVELS, 1, 150] : [LEVELS, 3, 700]
  const series = [...libraries.keys()].map((name) => ({
    name,
    points: /** @type {[number, number][]} */ ([]),
  }))
  for (const atOnce of levels) {
    const slices = await takeTurns(bench, libraries, rounds, 'slice', {atOnce, ms})
    for (const {name, points} of series) {
      const perSecond = of(slices, name).map(({pairs, seconds}) => pairs / seconds)
      points.push([atOnce, median(perSecond)])
    }
  }
  return {
    title: 'Runs a second over how many at once',
    x: 'runs at once',
    y: 'runs a second',
    logarithmicX: true,
    series,
  }
}

/**
 * @param {Map<string, number[]>} values
 * @param {string} name which of ours
 * @param {string} to the peer that it is compared with
 * @param {{least?: number, most?: number}} [bound]
 */
function row(values, name, to, bound) {
  const there = values.has(name)
  const ratio = there ? ratioOf(of(values, name), of(values, to)) : undefined
  return {
    what: '',
    unit: '',
    digits: 0,
    ours: there ? figureOf(of(values, name)) : NOT_THERE,
    peers: PEERS.map((peer) => ({name: peer, figure: figureOf(of(values, peer))})),
    ratio,
    ratioTo: to,
    goal: bound && goal({...bound, times: true}, ratio),
  }
}

/**
 * @template A, B
 * @param {Map<string, A[]>} values
 * @param {(value: A) => B} change
 */
const mapped = (values, change) =>
  new Map([...values].map(([name, list]) => [name, list.map(change)]))

/**
 * @template T
 * @param {Map<string, T[]>} values
 * @param {string} name
 */
const of = (values, name) => values.get(name) ?? []

/**
 * @param {string} x
 * @param {number} y
 * @returns {[string, number]}
 */
const point = (x, y) => [x, y]
