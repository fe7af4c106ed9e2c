import {randomUUID} from 'node:crypto'
import type Redis from 'ioredis'
import {__APP_VERSION__} from './environment'

/** It is never renewed. */
const LOCK_MS = 30_000

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/** Behaves as the lock that such a server has today: one for each version, and looked at once. */
export async function establishPrimaryServer(redis: Redis, prefix: string) {
  const key = `${prefix}_isPrimary_${__APP_VERSION__}`
  const mine = randomUUID()
  const taken = await redis.set(key, mine, 'PX', LOCK_MS, 'NX').catch(() => null)
  if (!taken) return undefined
  return {release: () => redis.eval(RELEASE, 1, key, mine)}
}
