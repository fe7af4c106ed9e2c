import type Redis from 'ioredis'
import {keyOf} from '../../support/record.mjs'

/** What stands in the record of an election, where it is not what is written here. */
export type Recorded = {[field: string]: string | number}

const HEX = '0123456789abcdef'

/**
 * Redis's clock, in microseconds.
 *
 * @param client of that server
 */
export async function micros(client: Redis) {
  const [seconds, rest] = await client.time()
  return Number(seconds) * 1_000_000 + Number(rest)
}

/** Writes the record of an election as a primary does that has just renewed it, with other fields where given. */
export async function writeRecord(client: Redis, prefix: string, fields: Recorded = {}) {
  const at = await micros(client)
  const record = {
    v: 1,
    token: at - 60_000_000,
    identity: HEX + HEX,
    seq: 7,
    nonce: HEX,
    epoch: HEX,
    run: 'ab:cd',
    released: 0,
    ttl: 5_000,
    at,
    since: at - 60_000_000,
    server: 'web-1',
    ...fields,
  }
  await client.hset(keyOf(prefix), record)
  return record
}

/** Enters standbys into the roster as their scripts do: `[priority, version, server id, ms since the last sight]`. */
export async function writeRoster(
  client: Redis,
  prefix: string,
  standbys: [number, string, string, number][],
) {
  const now = await micros(client)
  const members = standbys.flatMap(([priority, version, server, ago], at) => [
    Math.round(now / 1_000) - ago,
    `${now - 180_000_000 + at} ${priority} ${version} ${server}`,
  ])
  await client.zadd(`${keyOf(prefix)}:standbys`, ...(members as [number, string]))
}
