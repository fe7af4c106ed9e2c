// How soon there is another primary when one goes.

import {Redis} from 'ioredis'
import {keyOf, lastWrite, now, percentile, ripeWatch} from '../../support/record.mjs'
import {RedisServer} from '../../support/redis.mjs'
import {figureOf, goal, number, single} from '../figures.mjs'
import {Worker} from '../worker.mjs'

const PREFIX = 'handed-over'
const TTL = 5_000
const QUICK_TTL = 1_000
const NONE = 'no elections: a lock stays for its ttl'

/** What a primary is told, and what that is called. */
const ENDS = [
  ['SIGTERM', 'SIGTERM, and its handler'],
  ['exit', 'process.exit'],
  ['throw', 'an uncaught exception'],
]

/** @type {import('../figures.mjs').Row} */
export const handOver = {
  name: 'hand-over',
  title: 'From the end of a primary to the next',
  waits: true,
  async measure(bench) {
    const ttl = bench.quick ? QUICK_TTL : TTL
    const redis = await RedisServer.start(['--appendonly', 'no'])
    const client = new Redis(redis.url)
    /** @type {Worker[]} */
    const workers = []
    const candidate = async () => {
      const worker = new Worker('elections.mjs', redis.url)
      workers.push(worker)
      await worker.ask('stand', {prefix: PREFIX, ttl})
      return worker
    }
    try {
      let primary = await candidate()
      let last = (await primary.ask('next', {above: 0})).token
      /**
       * @param {string} end
       * @param {number} rounds
       * @param {(elected: number, ended: number, renewed: number) => number} since
       */
      const measured = async (end, rounds, since) => {
        const times = []
        for (let round = 1; round <= rounds; round++) {
          bench.say(`${end}, ${round} of ${rounds}`)
          const standby = await candidate()
          const elected = standby.ask('next', {above: last})
          const ended = now()
          await primary.perish(end)
          const renewed = Number(await lastWrite(client, keyOf(PREFIX)))
          const {at, token} = await elected
          times.push(since(at, ended, renewed))
          last = token
          primary = standby
        }
        return times
      }
      const crashes = await measured(
        'SIGKILL',
        bench.quick ? 2 : 15,
        (elected, _, renewed) => elected - renewed - ripeWatch(ttl),
      )
      const measures = [
        measureOf(
          `SIGKILL, beyond a ripe watch of ${number(ripeWatch(ttl), 0)} ms`,
          crashes,
          50,
          50,
        ),
      ]
      for (const [end, what] of /** @type {[string, string][]} */ (ENDS)) {
        const times = await measured(end, bench.quick ? 4 : 15, (elected, ended) => elected - ended)
        measures.push(measureOf(what, times, 5, 20))
      }
      return {measures}
    } finally {
      for (const worker of workers) await worker.end()
      client.disconnect()
      await redis.close()
    }
  },
}

/**
 * @param {string} what
 * @param {number[]} times
 * @param {number} most of the median
 * @param {number} worst of the 99th percentile
 */
function measureOf(what, times, most, worst) {
  const figure = figureOf(times)
  const p99 = percentile(
    [...times].sort((a, b) => a - b),
    0.99,
  )
  const {text, reached} = goal({most, unit: 'ms'}, figure)
  const late = goal({most: worst}, single(p99))
  return {
    what,
    unit: 'ms',
    digits: 1,
    ours: figure,
    peers: [{name: 'others', figure: NONE}],
    goal: {text, reached: reached && late.reached},
    note: `p99 ${number(p99, 1)} ms, to be ${late.text} ms`,
  }
}
