import {Redis} from 'ioredis'
import {RedisServer} from '../../support/redis.mjs'
import {sleep} from '../../support/time.mjs'
import {goal, single} from '../figures.mjs'
import {Worker} from '../worker.mjs'

const TTL = 5_000
/** As short as redlock lets one be that it renews. */
const QUICK_TTL = 600
const SURVIVED = 10
const OF_PEERS = 1.5
/** The peers, and how each names the key of the lock. */
const PEERS = [
  {name: 'redis-semaphore', key: 'mutex:lock-0'},
  {name: 'redlock', key: 'lock-0'},
  {name: 'redlock-universal', key: 'lock-0'},
]

/** @type {import('../figures.mjs').Row} */
export const stall = {
  name: 'stall',
  title: 'An event loop that stands still',
  waits: true,
  async measure(bench) {
    const ttl = bench.quick ? QUICK_TTL : TTL
    const redis = await RedisServer.start(['--appendonly', 'no'])
    const client = new Redis(redis.url)
    const ours = new Worker('elections.mjs', redis.url)
    try {
      const prefix = 'stalled'
      await ours.ask('stand', {prefix, ttl})
      await ours.ask('next', {above: 0})
      bench.say(`${SURVIVED} ttl of ${ttl} ms`)
      const survived = ours.ask('block', {prefix, ms: SURVIVED * ttl})
      const peers = []
      for (const {name, key} of PEERS) {
        const worker = new Worker('locks.mjs', name, redis.url)
        try {
          await client.del(key)
          await worker.ask('hold', {from: 0, to: 1, ttl})
          const block = worker.ask('block', {ms: OF_PEERS * ttl})
          // Just before it can renew again.
          await sleep((OF_PEERS - 0.1) * ttl)
          const held = await client.exists(key)
          await block
          peers.push({name, figure: held ? `${OF_PEERS} and more` : `lost at ${OF_PEERS}`})
        } finally {
          await worker.end()
        }
      }
      const figure = (await survived) ? single(SURVIVED) : 'lost'
      return {
        measures: [
          {
            what: 'survived, in ttl',
            unit: '',
            digits: 0,
            ours: figure,
            peers,
            goal:
              typeof figure === 'string'
                ? {text: `≥ ${SURVIVED}`, reached: false}
                : goal({least: SURVIVED}, figure),
            note: `ttl ${ttl} ms`,
          },
        ],
      }
    } finally {
      await ours.end()
      client.disconnect()
      await redis.close()
    }
  },
}
