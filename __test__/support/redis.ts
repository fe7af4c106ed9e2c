import Redis, {type RedisOptions} from 'ioredis'
import {type ElectionOptions, establishPrimaryServer, resignPrimaryServer} from '../../index.js'
import {keyOf, now} from '../../support/record.mjs'
import {RedisServer} from '../../support/redis.mjs'
import {until} from '../../support/until'
import {Server} from './servers'

/** The ttl of the tests: short, so that they wait little, and long against a busy machine. */
export const TTL = 2000

let elections = 0
// Jest runs several files in one process, each with a counter of its own.
const file = process.hrtime.bigint().toString(36)

/** A name that no other test uses: the elections of one process live on in it. */
export const newPrefix = () => `test-${process.pid}-${file}-${++elections}`

/**
 * Leaves the record of an election released, which whoever stands next takes at once: a missing one would be watched
 * for a ttl, also by who is eager where Redis has not been up for longer.
 */
export async function vacate(url: string, prefix: string, options: ElectionOptions = {}) {
  const eager = {...options, ttl: 1000, eagerStart: true}
  const lease = await establishPrimaryServer(url, prefix, eager)
  await lease?.release()
}

/**
 * A Redis server of this test file's own, and a client to look into it. Whatever servers a test
 * started are killed after it.
 *
 * @param program instead of the server on the PATH
 */
export function useRedis(args: string[] = [], program?: string) {
  let server: RedisServer | undefined
  let client: Redis | undefined
  const clients: Redis[] = []

  const connect = (options: RedisOptions = {}) => {
    // Of a connection that has closed already, the timer of a disconnect would outlive the last test.
    const quiet = {lazyConnect: true, disconnectTimeout: 0}
    const opened = new Redis({port: server?.port, ...quiet, ...options})
    // A test may well stop the server.
    opened.on('error', () => {})
    clients.push(opened)
    return opened
  }

  beforeAll(async () => {
    server = await RedisServer.start(args, program)
    client = connect()
  })
  afterEach(async () => {
    server?.thaw()
    await Server.killAll()
  })
  afterAll(async () => {
    // A lease that is left on a server that is gone keeps the process for its `exitTimeout`, and Jest ends a
    // worker by force after as long.
    await resignPrimaryServer()
    for (const opened of clients) opened.disconnect()
    await server?.close()
  })

  return {
    /** Another client of this server, which is closed after the last test. */
    connect,
    get server() {
      if (!server) throw new Error('the server starts before the first test')
      return server
    },
    get client() {
      if (!client) throw new Error('the server starts before the first test')
      return client
    },
    get url() {
      return this.server.url
    },
    /** The record of an election, as Redis keeps it. */
    async record(prefix: string) {
      const {token, seq} = await this.client.hgetall(keyOf(prefix))
      return token === undefined ? undefined : {token: Number(token), seq: Number(seq)}
    },
    /** What is published of an election from here on: a list that grows. */
    async changes(prefix: string) {
      const heard: {at: number; change: string; token: number}[] = []
      const subscriber = connect()
      subscriber.on('message', (_, text: string) => {
        const [, change, , , , , token] = text.split(' ')
        heard.push({at: now(), change: String(change), token: Number(token)})
      })
      await subscriber.subscribe(`${keyOf(prefix)}:changes:0`)
      return heard
    },
    /** Waits until the primary has renewed so often; three renewals take a ttl. */
    async renewals(prefix: string, count: number) {
      const from = (await this.record(prefix))?.seq ?? 0
      await until(`${count} renewals`, async () => {
        const record = await this.record(prefix)
        return record && record.seq >= from + count
      })
    },
    /** A new election on this server, whose first primary does not wait. */
    election(options: ElectionOptions = {}) {
      return {url: this.url, prefix: newPrefix(), options: {ttl: TTL, eagerStart: true, ...options}}
    },
    /** One in which whoever stands next is elected at once, however long its ttl. */
    async vacant(options: ElectionOptions = {}) {
      const election = this.election(options)
      await vacate(election.url, election.prefix, options)
      return election
    },
  }
}
