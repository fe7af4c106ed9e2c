// What a caller is told of servers that are not quite Redis, that lack a command, or that say what a
// terminal would obey.

import {once} from 'node:events'
import {type AddressInfo, createServer, type Server as NetServer} from 'node:net'
import {
  establishPrimaryServer,
  onPrimaryChange,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {keyOf} from '../support/record.mjs'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()

beforeAll(() => setLogger(null))
afterAll(async () => {
  await resignPrimaryServer()
  // Native state outlives the test file.
  setLogger({...console, debug: () => {}, info: () => {}})
})

const servers: NetServer[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** The URL of a server that says this to everything. */
async function saying(words: string) {
  const server = createServer((socket) => {
    socket.on('error', () => {}).on('data', () => socket.write(words))
    socket.unref()
  })
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const error = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('nothing was refused')
    },
    (refusal: Error & {code?: string}) => refusal,
  )

const address = (url: string) => url.replace('redis://', '')
// biome-ignore lint/suspicious/noControlCharactersInRegex: what is looked for
const odd = /[\x00-\x1f\x7f-\x9f]/

test('what a server says is shown escaped, and with its address', async () => {
  const url = await saying('-WRONGPASS \x1b[2J\x1b[31mred\x07 \x9b0m\r\n')
  const refusals = [
    await error(establishPrimaryServer(url, newPrefix(), {ttl: TTL})),
    await error(withLease(url, newPrefix(), {ttl: TTL}, () => {})),
  ]
  for (const {code, message} of refusals) {
    expect(code).toBe('ERR_STORE_DENIED')
    expect(message).toContain('\\x1b[2J\\x1b[31mred\\x07')
    expect(message).toContain(address(url))
    expect(message).not.toMatch(odd)
  }
})

test('the name that another server has given itself is escaped in the log', async () => {
  const election = redis.election()
  const primary = await Server.stand(election)
  await primary.freeze()
  await redis.client.hset(keyOf(election.prefix), 'server', 'one\x1b[31m\r\nINFO two')
  const logged: unknown[] = []
  const note = (_: string, fields?: object) => logged.push(fields)
  setLogger({debug: note, info: note, warn: note, error: note})
  const stop = onPrimaryChange(election.prefix, () => {})
  establishPrimaryServer(election.url, election.prefix, election.options)
  const line = await until('the log tells who is primary', () =>
    logged.find((fields) => Object.keys(fields ?? {}).includes('serverId')),
  )
  expect(line).toMatchObject({serverId: 'one\\x1b[31m\\r\\nINFO two'})
  stop()
  await resignPrimaryServer(election.prefix)
  setLogger(null)
})

test('a server of another kind is told apart', async () => {
  const url = await saying('HTTP/1.1 400 Bad Request\r\n\r\n')
  const refusal = await error(
    withLease(url, newPrefix(), {ttl: TTL, acquireTimeout: 300}, () => {}),
  )
  expect(refusal.code).toBe('ERR_STORE_UNAVAILABLE')
  expect(refusal.message).toContain('not a Redis server?')
  expect(refusal.message).toContain(address(url))
})

describe.each([['TIME'], ['INFO'], ['EVAL']])('a user who may not call %s', (command) => {
  test('is denied that by name, at once', async () => {
    const user = `no-${command.toLowerCase()}`
    await redis.client.call(
      ...(['ACL', 'SETUSER', user, 'on', '>secret', '~*', '&*', '+@all', `-${command}`] as const),
    )
    const url = redis.url.replace('//', `//${user}:secret@`)
    const asks = [() => establishPrimaryServer(url, newPrefix(), {ttl: TTL})]
    // Runs trust Redis's clock and not what it is: they need no INFO.
    if (command !== 'INFO')
      asks.push(() => withLease(url, newPrefix(), {ttl: TTL}, () => undefined))
    for (const ask of asks) {
      const {code, message} = await error(ask())
      expect(code).toBe('ERR_STORE_DENIED')
      expect(message).toMatch(new RegExp(`${command}\\b.* is refused`))
    }
  })
})

test('callers who take turns with several sources find their connections open', async () => {
  const urls = [redis.url, `${redis.url}/1`, `${redis.url}/2`]
  const sources = [...urls, {port: redis.server.port, db: 3, host: '127.0.0.1'}]
  const name = newPrefix()
  const runs = async () => {
    for (const source of sources) await withLease(source, name, {ttl: TTL}, () => {})
  }
  const connections = async () =>
    Number(/total_connections_received:(\d+)/.exec(await redis.client.info('stats'))?.[1])
  await runs()
  const opened = await connections()
  for (let round = 0; round < 5; round++) await runs()
  expect(await connections()).toBe(opened)
})
