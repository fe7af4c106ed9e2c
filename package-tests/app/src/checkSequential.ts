import {type PrimaryLeaseError, withLease} from 'primary-lease'
import {RedisInstance} from './RedisInstance'

const redis = new RedisInstance('sequential')

/** Lets one server at a time into a resolver; the others are told so. */
export function checkSequential<Result>(name: string, resolve: () => Promise<Result>) {
  return async (): Promise<Result | {error: {message: string}}> => {
    try {
      return await withLease(redis, `sequential:${name}`, {ttl: 10_000}, resolve)
    } catch (error) {
      const {code} = error as PrimaryLeaseError
      if (code === 'ERR_LEASE_HELD') return {error: {message: 'Already running'}}
      throw error
    }
  }
}
