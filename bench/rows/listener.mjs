import {Redis} from 'ioredis'
import {keyOf, now} from '../../support/record.mjs'
import {RedisServer} from '../../support/redis.mjs'
import {sleep} from '../../support/time.mjs'
import {figureOf, goal, ratioOf} from '../figures.mjs'
import {Worker} from '../worker.mjs'

const PREFIX = 'heard'
const TTL = 1_000
/** A standby obeys only a few messages between two polls. */
const PAUSE = TTL / 4

/** @type {import('../figures.mjs').Row} */
export const listener = {
  name: 'listener',
  title: 'From a grant in Redis to the listener',
  async measure(bench) {
    const redis = await RedisServer.start(['--appendonly', 'no'])
    const client = new Redis(redis.url)
    const candidates = Array.from({length: 3}, () => new Worker('elections.mjs', redis.url))
    const subscriber = new Worker('subscriber.mjs', redis.url, `${keyOf(PREFIX)}:changes:0`)
    try {
      const rounds = bench.quick ? 8 : 60
      const offset = await clockOffset(client)
      const grants = []
      let last = 0
      for (const candidate of candidates) {
        await candidate.ask('stand', {prefix: PREFIX, ttl: TTL})
        if (!last) last = (await candidate.ask('next', {above: 0})).token
      }
      let primary = candidates[0]
      for (let round = 1; round <= rounds; round++) {
        bench.say(`hand-over ${round} of ${rounds}`)
        await sleep(PAUSE)
        const left = primary
        const others = candidates.filter((candidate) => candidate !== left)
        const heard = Promise.all(
          others.map(async (candidate) => ({
            candidate,
            ...(await candidate.ask('next', {above: last})),
          })),
        )
        await left?.ask('resign', PREFIX)
        const all = await heard
        const elected = all.find(({type}) => type === 'elected')
        const told = all.find(({type}) => type === 'primary-changed')
        primary = elected?.candidate ?? primary
        last = Math.max(...all.map(({token}) => token))
        if (elected && told) grants.push({token: last, elected: elected.at, told: told.at})
        await left?.ask('stand', {prefix: PREFIX, ttl: TTL})
      }
      const bare = await subscriber.ask(
        'heard',
        grants.map(({token}) => token),
      )
      // A token is Redis's clock at the grant, in microseconds.
      const after = (/** @type {number} */ token, /** @type {number} */ at) =>
        at - (token / 1_000 + offset)
      const told = grants.map(({token, told}) => after(token, told))
      const elected = grants.map(({token, elected}) => after(token, elected))
      const heard = grants.map(({token}, at) => after(token, bare[at]))
      const figure = figureOf(told)
      const peers = [{name: 'a bare subscriber', figure: figureOf(heard)}]
      const same = {unit: 'ms', digits: 2, peers, ratioTo: 'a bare subscriber'}
      return {
        measures: [
          {
            ...same,
            what: 'to a standby: primary-changed',
            ours: figure,
            ratio: ratioOf(told, heard),
            goal: goal({most: 0.25, unit: 'ms'}, figure),
          },
          {
            ...same,
            what: 'to the new primary: elected',
            ours: figureOf(elected),
            ratio: ratioOf(elected, heard),
          },
        ],
      }
    } finally {
      for (const worker of [...candidates, subscriber]) await worker.end()
      client.disconnect()
      await redis.close()
    }
  },
}

/**
 * What is added to the milliseconds of Redis's clock to have those of the clock that all processes of this
 * machine share; by the quickest of several answers.
 *
 * @param {Redis} client
 */
async function clockOffset(client) {
  let best = {took: Number.POSITIVE_INFINITY, offset: Number.NaN}
  for (let asked = 0; asked < 200; asked++) {
    const before = now()
    const [seconds, us] = await client.time()
    const after = now()
    const took = after - before
    const offset = (before + after) / 2 - (Number(seconds) * 1_000 + Number(us) / 1_000)
    if (took < best.took) best = {took, offset}
  }
  return best.offset
}
