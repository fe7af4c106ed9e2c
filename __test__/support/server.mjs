// One server for the tests: it does what the lines on its standard input say and tells what happens
// in lines on its standard output. Written synchronously, so that nothing is lost as it dies.

import {execFileSync} from 'node:child_process'
import {closeSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs'
import {open, stat} from 'node:fs/promises'
import {createServer} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import {Worker} from 'node:worker_threads'
import {Redis} from 'ioredis'
import pg from 'pg'
import {Registry} from 'prom-client'
import * as addon from '../../index.mjs'
import {write} from '../../support/resource.mjs'

/** Milliseconds on the clock that all processes of one machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6

/** @param {object} line */
const say = (line) => writeSync(1, `${JSON.stringify({at: now(), ...line})}\n`)

/** @type {addon.PrimaryLease | undefined} */
let lease
/** @type {pg.Client | undefined} */
let database
/** @type {Map<string, Worker>} */
const workers = new Map()
/** @type {(() => void)[]} */
const unsubscribe = []

/** @param {unknown} error */
const described = (error) => {
  const {name, code, message} = /** @type {{name: string, code?: string, message: string}} */ (
    error
  )
  return {name, code, message}
}

/** @param {addon.PrimaryChange} change */
const heard = (change) => {
  if (change.type === 'elected') lease = change.lease
  const {lease: granted, ...rest} = /** @type {{lease?: addon.PrimaryLease}} */ (change)
  const aborted = lease?.signal.aborted
  const token = granted?.token ?? lease?.token
  say({...rest, change: change.type, token, held: lease?.isHeld, aborted})
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const commands = {
  async establish(redis, prefix, options) {
    const answer = await addon.establishPrimaryServer(redis, prefix, options)
    lease = answer ?? lease
    return answer ? {token: answer.token, serverId: answer.serverId, prefix: answer.prefix} : null
  },
  listen: (prefix) => {
    unsubscribe.push(addon.onPrimaryChange(prefix, heard))
  },
  /** Work that never ends by itself, and says what happens to it. */
  guard: (prefix) => {
    const stop = addon.whilePrimary(prefix, (granted) => {
      lease = granted
      say({work: 'begun', token: granted.token})
      granted.signal.addEventListener('abort', () => say({work: 'aborted', held: granted.isHeld}))
      return new Promise(() => {})
    })
    unsubscribe.push(stop)
  },
  unlisten: () => {
    for (const stop of unsubscribe.splice(0)) stop()
  },
  log: () => {
    const log =
      (/** @type {string} */ level) =>
      (/** @type {string} */ message, /** @type {object} */ fields) =>
        say({log: level, message, fields})
    addon.setLogger({
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    })
  },
  /** Lets itself be scraped by Prometheus; resolves with the port. */
  serveMetrics: async () => {
    const registry = new Registry()
    addon.registerMetrics(registry)
    const server = createServer(async (_, response) => {
      response.setHeader('content-type', registry.contentType)
      response.end(await registry.metrics())
    })
    await new Promise((listening) => server.listen(0, '127.0.0.1', () => listening(undefined)))
    return Object(server.address()).port
  },
  /** So many runs at once, none of which may wait for longer than so many ms. */
  crowd: async (redis, count, acquireTimeout) => {
    const runner = new addon.LeaderRunner(redis, 'crowd', 2_000, {minHold: 0, acquireTimeout})
    const asked = Array.from({length: count}, (_, at) => runner.runLocked(`job-${at}`, () => {}))
    const outcomes = await Promise.all(asked)
    return outcomes.filter((run) => run?.outcome === 'unavailable').length
  },
  fence: (resource) => lease?.fence(resource),
  isHeld: () => lease?.isHeld ?? false,
  /** Writes with the token of the lease, the primary by now, to a resource that checks it. */
  write: async (url) => {
    const client = new Redis(url)
    const token = Number(lease?.token)
    const accepted = await write(client, {token, server: 'test', at: now(), woken: false})
    client.disconnect()
    return accepted
  },
  status: (prefix) => addon.primaryStatus(prefix),
  /** Says when `isHeld` turns false and when the signal aborts, as seen every millisecond. */
  watch: () => {
    const watched = /** @type {addon.PrimaryLease} */ (lease)
    watched.signal.addEventListener('abort', () => say({seen: 'aborted', held: watched.isHeld}))
    const timer = setInterval(() => {
      if (watched.isHeld) return
      clearInterval(timer)
      say({seen: 'not-held', remainingMs: watched.remainingMs})
    }, 1)
  },
  /** Keeps the event loop busy for so many milliseconds. */
  block: (ms) => {
    say({doing: 'block'})
    const end = now() + ms
    while (now() < end);
    return lease?.isHeld ?? false
  },
  /** Allocates for so many milliseconds, and lets the garbage collector do the rest (--expose-gc). */
  collect: (ms) => {
    const end = now() + ms
    const heap = Array.from({length: 100_000}, (_, i) => ({i, text: [String(i)]}))
    while (now() < end) globalThis.gc?.()
    return heap.length > 0 && (lease?.isHeld ?? false)
  },
  /**
   * Occupies every thread of libuv's pool, and more, and the event loop too. Opening a pipe that
   * nobody writes to holds a thread without taking the processor from anybody.
   */
  pool: async (ms) => {
    const dir = mkdtempSync(join(tmpdir(), 'primary-lease-pool-'))
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    const readers = Array.from({length: 16}, () => open(pipe))
    let full = true
    const waiting = stat(dir).then(() => {
      full = false
    })
    await sleep(100)
    if (!full) throw new Error('a thread of the pool was free')
    const held = commands.block?.(ms)
    const writer = openSync(pipe, 'r+')
    for (const reader of await Promise.all(readers)) await reader.close()
    await waiting
    closeSync(writer)
    rmSync(dir, {recursive: true})
    return held
  },
  /**
   * Looks at the lease, at every turn of the loop, until it is lost: `seen: 'thawed'` tells what the
   * first line of JavaScript saw that ran after a pause of so many milliseconds.
   */
  thaw: (ms) => {
    let last = now()
    const timer = setInterval(() => {
      if (now() - last > ms) {
        say({seen: 'thawed', held: lease?.isHeld})
        clearInterval(timer)
      }
      last = now()
    }, 1)
  },
  async release() {
    say({doing: 'release'})
    await lease?.release()
  },
  async dispose() {
    say({doing: 'release'})
    await lease?.[Symbol.asyncDispose]()
  },
  async resign(prefix, options) {
    say({doing: 'release'})
    await addon.resignPrimaryServer(prefix, options)
  },
  /** A candidate of its own in a worker thread; resolves when it has been answered. */
  spawn: (name, election) => {
    const worker = new Worker(new URL('worker.mjs', import.meta.url), {
      workerData: {name, ...election},
    })
    worker.on('error', (error) => say({worker: name, message: error.message}))
    worker.on('exit', () => say({worker: name, doing: 'gone'}))
    workers.set(name, worker)
  },
  endWorker: async (name, how) => {
    const worker = workers.get(name)
    if (how !== 'terminate') worker?.postMessage(how)
    else {
      say({worker: name, doing: 'terminate'})
      await worker?.terminate()
    }
  },
  /**
   * Over one connection to PostgreSQL, so that a transaction can span calls. Says when the statement
   * has been written, as far as the connection takes it. A value `{long: n}` stands for n letters.
   */
  async sql(url, text, values) {
    if (!database) {
      database = new pg.Client(url)
      // The end of the connection is told by the statement that finds it ended.
      database.on('error', () => {})
      await database.connect()
    }
    const answer = database.query(
      text,
      values?.map((/** @type {any} */ value) => (value?.long ? 'x'.repeat(value.long) : value)),
    )
    setImmediate(() => say({doing: 'sql'}))
    const {command, rows} = await answer
    return {command, rows}
  },
  exit: () => {
    say({doing: 'exit'})
    process.exit(0)
  },
  reject: () => {
    setImmediate(() => {
      say({doing: 'reject'})
      Promise.reject(new Error('rejected on purpose'))
    })
  },
  abort: () => {
    say({doing: 'abort'})
    process.abort()
  },
  throw: () => {
    setImmediate(() => {
      say({doing: 'throw'})
      throw new Error('thrown on purpose')
    })
  },
  /** Lets go of the last thing that keeps Node alive, beside what the addon may hold. */
  end: () => {
    say({doing: 'end'})
    input.close()
    process.stdin.destroy()
  },
}

const input = createInterface({input: process.stdin})
input.on('line', async (line) => {
  const {id, call, args} = JSON.parse(line)
  try {
    const command = commands[call]
    if (!command) throw new Error(`no command ${call}`)
    say({id, result: (await command(...args)) ?? null})
  } catch (error) {
    say({id, error: described(error)})
  }
})
