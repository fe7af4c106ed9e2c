import {type PrimaryLeaseError, withLease} from 'primary-lease'
import {RedisInstance} from './RedisInstance'

type Resolver<Result> = () => Promise<Result>

/** Lets one server at a time into a resolver; the others are told so. */
export function checkSequential<Result>(name: string, resolver: Resolver<Result>) {
  const redis = new RedisInstance('sequential')
  return async (): Promise<Result | {error: string}> => {
    try {
      return await withLease(redis, `sequential:${name}`, {ttl: 10_000}, resolver)
    } catch (error) {
      if ((error as PrimaryLeaseError).code === 'ERR_LEASE_HELD') return {error: 'already running'}
      throw error
    }
  }
}
