// What elections cost that nothing happens to, and what a busy machine does to them.

import {Redis} from 'ioredis'
import {RedisServer} from '../../support/redis.mjs'
import {sleep} from '../../support/time.mjs'
import {calls, connections, SCRIPTS} from '../counts.mjs'
import {goal, single} from '../figures.mjs'
import {BUSY_LOOPS, besideBusyLoops} from '../load.mjs'
import {Worker} from '../worker.mjs'

const COUNTS = [1, 100, 1_000, 10_000]
const QUICK_COUNTS = [1, 1_000, 10_000]
const PEER = 'redis-semaphore'
const NONE = 'no elections'
const TTL = 5_000
/** At most so many % of a core, by how many there are. */
const GOALS = new Map([
  [1_000, 1.5],
  [10_000, 12],
])

/**
 * @template T
 * @param {string} script
 * @param {string[]} args
 * @param {(worker: Worker, client: Redis, redis: RedisServer) => Promise<T>} use
 */
async function withWorker(script, args, use) {
  const redis = await RedisServer.start(['--appendonly', 'no'])
  const client = new Redis(redis.url)
  const worker = new Worker(script, ...args, redis.url)
  try {
    return await use(worker, client, redis)
  } finally {
    await worker.end()
    client.disconnect()
    await redis.close()
  }
}

/** @type {import('../figures.mjs').Row} */
export const rest = {
  name: 'rest',
  title: 'Elections at rest, ttl 5,000 ms',
  async measure(bench) {
    // As long as the peer needs to renew once, or five times: all of its locks renew in step.
    const ms = bench.quick ? 4_000 : 20_000
    // Side by side: at rest they leave each other enough, and it is the time of their threads that counts.
    const [ours, theirs] = await Promise.all([
      withWorker('elections.mjs', [], (worker, client) =>
        growing(bench, worker, client, ms, (from, to) => worker.ask('standIn', {from, to})),
      ),
      withWorker('locks.mjs', [PEER], (worker, client) =>
        growing(bench, worker, client, ms, (from, to) => worker.ask('hold', {from, to, ttl: TTL})),
      ),
    ])
    const measures = ours.map((own, at) => {
      const {count} = own
      const peer = theirs[at] ?? own
      const figure = single(own.share)
      const most = GOALS.get(count)
      return {
        what: `${count.toLocaleString('en')} of them`,
        unit: '% of a core',
        digits: 2,
        ours: figure,
        peers: [{name: `${PEER}, locks held`, figure: single(peer.share)}],
        ratio: single(own.share / peer.share),
        ratioTo: PEER,
        goal: most === undefined ? undefined : goal({most, unit: '%'}, figure),
        note: `${own.connections} connection, ${own.scripts.toFixed(2)} scripts/s each (peer: ${peer.scripts.toFixed(2)}), ${own.memory} MB`,
      }
    })
    return {
      measures,
      plots: [
        {
          title: 'Cost of elections at rest',
          x: 'elections, or locks held',
          y: '% of a core',
          logarithmicX: true,
          series: [
            {name: 'primary-lease', points: ours.map(({count, share}) => [count, share])},
            {
              name: `${PEER}, locks held`,
              points: theirs.map(({count, share}) => [count, share]),
            },
          ],
        },
      ],
    }
  },
}

/**
 * @param {import('../figures.mjs').Bench} bench
 * @param {Worker} worker
 * @param {Redis} client
 * @param {number} ms
 * @param {(from: number, to: number) => Promise<unknown>} grow
 */
async function growing(bench, worker, client, ms, grow) {
  const results = []
  let from = 0
  for (const count of bench.quick ? QUICK_COUNTS : COUNTS) {
    bench.say(`${count} at rest`)
    await grow(from, count)
    from = count
    // Until all have renewed once: from then on they are not in step.
    await sleep(TTL / 3)
    const before = await calls(client, SCRIPTS)
    const {seconds, processUs, rss} = await worker.ask('rest', {ms})
    const scripts = (await calls(client, SCRIPTS)) - before
    results.push({
      count,
      share: processUs / seconds / 1e4,
      scripts: scripts / seconds / count,
      connections: await connections(client),
      memory: Math.round(rss / 1e6),
    })
  }
  return results
}

/** @type {import('../figures.mjs').Row} */
export const busy = {
  name: 'busy',
  title: 'Elections on a busy machine',
  long: true,
  measure: (bench) =>
    withWorker('elections.mjs', [], async (worker) => {
      const count = 7_000
      bench.say(`${count} elections are established`)
      await worker.ask('standIn', {from: 0, to: count})
      await sleep(TTL)
      const {lost} = await besideBusyLoops(BUSY_LOOPS, () => {
        bench.say(`a minute beside ${BUSY_LOOPS} busy loops`)
        return worker.ask('rest', {ms: 60_000})
      })
      const figure = single(lost)
      return {
        measures: [
          {
            what: `lost of 7,000 in a minute beside ${BUSY_LOOPS} busy loops`,
            unit: '',
            digits: 0,
            ours: figure,
            peers: [{name: 'others', figure: NONE}],
            goal: goal({most: 0}, figure),
          },
        ],
      }
    }),
}

/** @type {import('../figures.mjs').Row} */
export const standby = {
  name: 'standby',
  title: 'Who waits',
  waits: true,
  measure: (bench) =>
    withWorker('elections.mjs', [], async (primary, client, redis) => {
      const [count, ms] = [100, bench.quick ? 4_000 : 30_000]
      await primary.ask('standIn', {from: 0, to: count})
      const second = new Worker('elections.mjs', redis.url)
      let polls = Number.NaN
      try {
        bench.say(`${count} standbys`)
        await second.ask('standIn', {from: 0, to: count})
        await sleep(TTL / 3)
        const [scripts, writes] = [await calls(client, SCRIPTS), await written(client, count)]
        await sleep(ms)
        // Only renewals write.
        const renewals = (await written(client, count)) - writes
        polls = (await calls(client, SCRIPTS)) - scripts - renewals
      } finally {
        await second.end()
      }
      const figure = single(polls / count / (ms / 1_000))
      const waits = async (/** @type {string} */ name, /** @type {string} */ command) => ({
        name,
        figure: single(await commandsOfWaiter(bench, client, redis, name, command)),
      })
      return {
        measures: [
          {
            what: 'commands/s of one who waits',
            unit: '',
            digits: 2,
            ours: figure,
            peers: [await waits('redis-semaphore', 'set'), await waits('redlock', 'evalsha')],
            goal: goal({most: 0.4}, figure),
          },
        ],
      }
    }),
}

/**
 * How often the records were written.
 *
 * @param {Redis} client
 * @param {number} count
 */
async function written(client, count) {
  const asked = Array.from({length: count}, (_, number) =>
    client.hget(`primary:{bench-${number}}`, 'seq'),
  )
  return (await Promise.all(asked)).reduce((sum, seq) => sum + Number(seq), 0)
}

/**
 * @param {import('../figures.mjs').Bench} bench
 * @param {Redis} client
 * @param {RedisServer} redis
 * @param {string} name
 * @param {string} command that it asks with
 */
async function commandsOfWaiter(bench, client, redis, name, command) {
  const count = 5
  // Of somebody else: as each library names it.
  for (const key of ['held', 'mutex:held']) await client.set(key, 'another', 'PX', 600_000)
  const worker = new Worker('locks.mjs', name, redis.url)
  try {
    bench.say(`${count} waiters of ${name}`)
    await worker.ask('wait', {key: 'held', count})
    await sleep(500)
    const begun = performance.now()
    const before = await calls(client, [command])
    await sleep(1_500)
    const asked = (await calls(client, [command])) - before
    return asked / ((performance.now() - begun) / 1_000) / count
  } finally {
    await worker.end()
  }
}
