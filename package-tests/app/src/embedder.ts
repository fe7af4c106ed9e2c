import {establishPrimaryServer} from 'primary-lease'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

/** What one server of all does at its start, and the interval that it keeps. */
export async function startEmbedder() {
  const redis = new RedisInstance('embedder')
  const [primaryLock] = await Promise.all([establishPrimaryServer(redis, 'embedder'), redis.ping()])
  if (primaryLock) {
    tell('embedder is primary')
    setInterval(() => redis.incr('stalled jobs were reset'), 100)
  } else tell('embedder is not primary')

  return () => {
    primaryLock?.release().catch(() => {})
  }
}
