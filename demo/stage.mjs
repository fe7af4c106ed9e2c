import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {keyOf, lastWrite, now} from '../support/record.mjs'
import {sleep} from '../support/time.mjs'

const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url))

/**
 * @typedef {import('./record.mjs').Entry} Entry
 * @typedef {import('./record.mjs').Departure} Departure
 * @typedef {{type: string, server: string, at: number, isHeld?: boolean}} Line
 */

/** The server processes, and the record of what happens to them. */
export class Stage {
  /** @type {Entry[]} */
  entries = []
  /** What the processes wrote to their standard error, for when something is wrong. */
  complaints = ''
  /** @type {Map<string, import('node:child_process').ChildProcessWithoutNullStreams>} */
  #servers = new Map()
  /** @type {Set<(line: Line) => void>} */
  #watchers = new Set()

  /**
   * @param {{url: string, prefix: string, ttl: number}} election
   * @param {() => Promise<import('ioredis').Redis>} client of the present master
   * @param {import('./timeline.mjs').Timeline} timeline
   */
  constructor(election, client, timeline) {
    this.election = election
    this.client = client
    this.timeline = timeline
    process.once('exit', () => this.killAll())
  }

  killAll() {
    for (const server of this.#servers.values()) server.kill('SIGKILL')
  }

  /**
   * Starts a server and resolves when it is primary or knows who is.
   *
   * @param {string} name
   */
  async start(name) {
    const {url, prefix, ttl} = this.election
    const server = spawn(process.execPath, [SERVER, url, prefix, name, String(ttl)])
    this.#servers.set(name, server)
    this.add({at: now(), server: name, type: 'started'})
    server.stdin.on('error', () => {})
    server.stderr.setEncoding('utf8').on('data', (text) => {
      this.complaints += text
    })
    createInterface({input: server.stdout}).on('line', (line) => this.#heard(JSON.parse(line)))
    await this.#next(({type, server}) => server === name && /elected|follows/.test(type))
  }

  /** The server that was elected last. */
  get primary() {
    return this.entries.findLast(({type}) => type === 'elected')?.server
  }

  /**
   * Lets the primary go in one of the ways a process can; resolves when another has its place, or
   * when none had it in three ttls.
   *
   * @param {Departure} how
   */
  async depart(how) {
    const name = this.primary
    const server = name === undefined ? undefined : this.#servers.get(name)
    if (name === undefined || !server) return
    const elected = this.#next(({type, server}) => type === 'elected' && server !== name)
    const gone = once(server, 'exit')
    const leaving = this.#next(({type, server}) => type === 'leaving' && server === name)
    let at = now()
    let lastRenewal
    if (how === 'kill') {
      server.kill('SIGKILL')
      await gone
      lastRenewal = await lastWrite(await this.client(), keyOf(this.election.prefix))
    } else if (how === 'term') {
      server.kill('SIGTERM')
    } else {
      server.stdin.write(`${how}\n`)
      at = (await leaving)?.at ?? at
    }
    this.add({at, server: name, type: 'departed', how, lastRenewal})
    await Promise.all([elected, gone])
    return name
  }

  /** @param {string} title what comes next, for people */
  act(title) {
    this.timeline.add({at: now(), server: '', type: 'act', title})
  }

  /**
   * Lets the primary go, and starts it again when another has its place.
   *
   * @param {Departure} how
   */
  async replace(how) {
    // Not always at the same moment between two renewals.
    await sleep(150 + Math.random() * 200)
    const name = await this.depart(how)
    if (name !== undefined) await this.start(name)
  }

  /**
   * Makes the sentinels put another in the place of the master; resolves with the old one when a primary has
   * renewed its lease at the new one.
   *
   * @param {import('./record.mjs').FailoverKind} how
   * @param {import('../support/sentinel.mjs').SentinelGroup} group
   */
  async failover(how, group) {
    const old = await group.master()
    const at = now()
    this.add({at, server: 'Redis', type: 'failover', how})
    await group.replaceMaster(how)
    const client = await this.client()
    const seq = async () => Number(await client.hget(keyOf(this.election.prefix), 'seq'))
    const before = await seq()
    while ((await seq()) < before + 2) await sleep(20)
    const elected = this.entries.find((entry) => entry.type === 'elected' && entry.at > at)
    const [server, since] = [this.primary ?? '', elected?.at ?? now()]
    this.add({at: since, server, type: 'followed', kept: elected === undefined})
    return old
  }

  /**
   * Keeps the primary's event loop busy.
   *
   * @param {number} ms
   */
  async block(ms) {
    const name = this.primary
    if (name === undefined) return
    const turns = this.#next(({type}) => type === 'unblocked', ms + 3 * this.election.ttl)
    this.#servers.get(name)?.stdin.write(`block ${ms}\n`)
    this.add({at: now(), server: name, type: 'began', trial: 'block'})
    const line = await turns
    // What was held up in the loop has to come out before the trial is over.
    await sleep(200)
    const found = line?.isHeld ? 'still primary' : 'no longer primary'
    this.add({at: now(), server: name, type: 'over', trial: 'block', found})
  }

  /**
   * Lets Redis lose the record, and waits for long enough that somebody would take over.
   *
   * @param {() => Promise<unknown>} lose
   */
  async flush(lose) {
    this.add({at: now(), server: 'Redis', type: 'began', trial: 'flush'})
    await lose()
    await sleep(1.5 * this.election.ttl)
    const client = await this.client()
    const token = await client.hget(keyOf(this.election.prefix), 'token')
    const found = token === null ? 'no record' : `the record, with token ${token}`
    this.add({at: now(), server: 'Redis', type: 'over', trial: 'flush', found})
  }

  /** @param {Entry} entry */
  add(entry) {
    this.entries.push(entry)
    this.timeline.add(entry)
  }

  /** @param {any} line */
  #heard(line) {
    for (const watch of this.#watchers) watch(line)
    if (line.type === 'held') this.entries.push(line)
    else if (line.type === 'elected' || line.type === 'ended') this.add(line)
    else if (line.type === 'log') this.timeline.add(line)
  }

  /**
   * @param {(line: Line) => boolean} matches
   * @returns {Promise<Line | undefined>} undefined when none came in time
   */
  #next(matches, timeout = 3 * this.election.ttl) {
    return new Promise((resolve) => {
      const watch = (/** @type {Line} */ line) => {
        if (matches(line)) done(line)
      }
      const done = (/** @type {Line | undefined} */ line) => {
        this.#watchers.delete(watch)
        clearTimeout(timer)
        resolve(line)
      }
      const timer = setTimeout(() => done(undefined), timeout)
      this.#watchers.add(watch)
    })
  }
}
