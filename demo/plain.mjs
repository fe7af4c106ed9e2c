// The demo on one Redis: how a primary goes, and what it bears.

import {Redis} from 'ioredis'
import {keyOf} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {NAMES} from './play.mjs'

/** @typedef {import('./play.mjs').Scene} Scene */

const CRASHES = 3
const ROUNDS = 5
/** @type {import('./record.mjs').Departure[]} */
const GENTLE = ['term', 'exit', 'throw']

/**
 * On this Redis, or on one of its own.
 *
 * @param {string | undefined} foreign the URL of somebody else's Redis
 * @returns {Promise<Scene>}
 */
export async function onOneRedis(foreign) {
  const own = foreign ? undefined : await RedisServer.start()
  const url = foreign ?? String(own?.url)
  const client = new Redis(url)
  return {
    url,
    where: describe(url, own),
    page: 'demo.html',
    client: async () => client,
    perform: (stage) =>
      // On a Redis of others the election's own key is all that may be lost.
      perform(stage, () => (own ? client.flushall() : client.del(keyOf(stage.election.prefix)))),
    close: async (prefix) => {
      await client.del(keyOf(prefix)).catch(() => {})
      client.disconnect()
      await own?.close()
    },
  }
}

/**
 * @param {string} url
 * @param {RedisServer | undefined} own
 */
function describe(url, own) {
  if (own) return `${own.program}, started for this on port ${own.port}`
  const {host} = new URL(url)
  return `the Redis at ${host} (REDIS_URL); only the key of this election is touched`
}

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {() => Promise<unknown>} lose
 */
async function perform(stage, lose) {
  const {ttl} = stage.election
  stage.act(
    'Four servers start. Nobody knows of an earlier primary, so they watch for a ttl first.',
  )
  await Promise.all(NAMES.map((name) => stage.start(name)))

  stage.act('Crashes: a standby has to watch the silence for longer than the ttl.')
  for (let crash = 0; crash < CRASHES; crash++) await stage.replace('kill')

  stage.act('Gentle ends: the place is released, and taken at once.')
  for (let round = 0; round < ROUNDS; round++) {
    for (const how of GENTLE) await stage.replace(how)
  }

  stage.act(
    `A blocked event loop: for ${(3 * ttl) / 1000} s no line of the primary's JavaScript runs.`,
  )
  await stage.block(3 * ttl)

  stage.act('A flushed Redis: the primary writes its record again, with the same token.')
  await stage.flush(lose)
}
