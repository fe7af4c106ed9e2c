// Compiled and never run: the options of the published clients are those whose treatment is listed. One
// that a new version has shows up here, as an error that names it.

import type {RedisOptions as Ioredis5} from 'ioredis'
import type {RedisOptions as Ioredis6} from 'ioredis-6'
import type {RedisOptions as Iovalkey} from 'iovalkey'
import type {RedisClientOptions as NodeRedis5} from 'redis-5'
import type {RedisClientOptions as NodeRedis6} from 'redis-6'
import type {IOREDIS, NODE_REDIS, NODE_REDIS_SOCKET} from '../src/js/client-options.js'

interface Lists {
  readonly honoured: readonly string[]
  readonly refused: object
  readonly ignored: readonly string[]
}

type Listed<L extends Lists> = L['honoured'][number] | keyof L['refused'] | L['ignored'][number]
/** Of all members of a union, not only those that they have in common. */
type KeysOf<T> = T extends unknown ? keyof T : never
/** `'none'`, or else the names: then `'none'` is not assignable. */
type NoneOf<Names> = [Names] extends [never] ? 'none' : Names

type OfIoredis = KeysOf<Ioredis5 | Ioredis6 | Iovalkey>
export const unlistedOfIoredis: NoneOf<Exclude<OfIoredis, Listed<typeof IOREDIS>>> = 'none'
export const goneFromIoredis: NoneOf<Exclude<Listed<typeof IOREDIS>, OfIoredis>> = 'none'

type OfNodeRedis = KeysOf<NodeRedis5 | NodeRedis6>
export const unlistedOfNodeRedis: NoneOf<Exclude<OfNodeRedis, Listed<typeof NODE_REDIS>>> = 'none'
export const goneFromNodeRedis: NoneOf<Exclude<Listed<typeof NODE_REDIS>, OfNodeRedis>> = 'none'

/** Without what belongs to TLS. */
type PlainSocket = Extract<NodeRedis5['socket'] | NodeRedis6['socket'], {tls?: false}>
type OfSocket = KeysOf<PlainSocket>
export const unlistedOfSocket: NoneOf<Exclude<OfSocket, Listed<typeof NODE_REDIS_SOCKET>>> = 'none'
export const goneFromSocket: NoneOf<Exclude<Listed<typeof NODE_REDIS_SOCKET>, OfSocket>> = 'none'
