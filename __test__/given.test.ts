// What may be given as options and as a source: what is meant by it, and nothing that only looks so.

import Redis from 'ioredis'
import {establishPrimaryServer, LeaderRunner, withLease} from 'primary-lease'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()
const establish = establishPrimaryServer as (...args: unknown[]) => Promise<unknown>

const refused = (message: RegExp) => ({
  name: 'PrimaryLeaseError',
  code: 'ERR_INVALID_CONFIG',
  message: expect.stringMatching(message),
})

class Config {
  host = '127.0.0.1'
}

const looksLikeOptions: [unknown, RegExp][] = [
  [Promise.resolve({host: '127.0.0.1'}), /a promise: await it first/],
  [new Map(), /a Map/],
  [new Date(), /a Date/],
  [new Config(), /a Config/],
  [Object.create({host: '127.0.0.1'}), /an object of a class|an Object/],
  [new AbortController(), /an AbortController/],
]

test.each(looksLikeOptions)('%p is no source', async (given, shown) => {
  await expect(establish(given, newPrefix())).rejects.toMatchObject(refused(shown))
  expect(() => new LeaderRunner(given as never, 'p', 1000)).toThrow(shown)
})

test.each(looksLikeOptions)('%p is no options object', async (given, shown) => {
  await expect(establish(redis.url, newPrefix(), given)).rejects.toMatchObject(refused(shown))
  await expect(withLease(redis.url, 'r', given as never, () => {})).rejects.toMatchObject(
    refused(shown),
  )
})

test('a URL object is as good as its text', async () => {
  const lease = await establish(new URL(redis.url), newPrefix(), {ttl: 500})
  expect(lease).toMatchObject({isHeld: true})
  await (lease as {release(): Promise<void>}).release()
  expect(await withLease(new URL(redis.url), newPrefix(), {}, () => 'ran')).toBe('ran')
})

test('an object without a prototype is an options object', async () => {
  const source = Object.assign(Object.create(null), {host: '127.0.0.1', port: redis.server.port})
  const options = Object.assign(Object.create(null), {ttl: 500})
  expect(await withLease(source, newPrefix(), options, () => 'ran')).toBe('ran')
})

test.each([5, 30])('a ttl of %p asks whether seconds were meant', async (ttl) => {
  const asks = refused(new RegExp(`ttl .*got ${ttl} ms \\(seconds\\? That would be ${ttl}000\\)`))
  await expect(establish(redis.url, newPrefix(), {ttl})).rejects.toMatchObject(asks)
  await expect(withLease(redis.url, 'r', {ttl}, () => {})).rejects.toMatchObject(asks)
})

test('a client is read again when its options have changed', async () => {
  const client = new Redis({port: redis.server.port, lazyConnect: true})
  const run = () => {
    const resource = newPrefix()
    return withLease(client, resource, {}, () => redis.client.exists(`lease:{${resource}}`))
  }
  expect(await run()).toBe(1)
  expect(await run()).toBe(1)
  client.options.db = 4
  expect(await run()).toBe(0)
  Object.assign(client.options, {tls: {pfx: 'x'}})
  await expect(run()).rejects.toMatchObject(refused(/tls/))
})
