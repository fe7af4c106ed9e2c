// What each kind of fault does. An act resolves when it has been healed.

import {mkdtemp, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {BURST} from '../support/kinds.mjs'
import {now} from '../support/record.mjs'
import {sleep} from '../support/time.mjs'

/**
 * @typedef {import('./stage.mjs').Stage} Stage
 * @typedef {{names: string[], ms: number, ttl: number, random: import('./random.mjs').Random}} Part
 *   for whom, and for how long
 * @typedef {(stage: Stage, part: Part) => Promise<unknown>} Act
 */

/** @type {(how: 'kill' | 'term' | 'exit' | 'throw') => Act} */
const ends =
  (how) =>
  async ({fleet}, {names, ms}) => {
    await Promise.all(names.map((name) => fleet.end(name, how)))
    await sleep(ms)
    await Promise.all(names.map((name) => fleet.start(name)))
  }

/** @type {Act} */
const freezes = async ({fleet}, {names, ms}) => {
  await Promise.all(names.map((name) => fleet.freeze(name)))
  await sleep(ms)
  for (const name of names) fleet.thaw(name)
}

/** @type {Act} */
const blocks = async ({fleet, journal}, {names, ms}) => {
  await Promise.all(
    names.map((name) => {
      const woke = journal.next(
        (line) => line.type === 'woke' && line.server === name && line.slept > ms * 0.9,
        ms + 10_000,
      )
      fleet.tell(name, 'block', ms)
      return woke
    }),
  )
}

/** @type {Act} */
const bursts = async ({fleet, journal}, {names, ms, ttl}) => {
  await Promise.all(
    names.map((name) => {
      const over = journal.next(
        (line) => line.type === 'burst' && line.server === name,
        3 * ttl + 10_000,
      )
      fleet.tell(name, 'burst', BURST)
      return over
    }),
  )
  await sleep(ms)
}

/** @type {(mode: import('./detour.mjs').Mode) => Act} */
const becomes =
  (mode) =>
  async (stage, {names, ms}) => {
    for (const detour of stage.detoursOf(names)) detour.set(mode)
    await sleep(ms)
    for (const detour of stage.detoursOf(names)) detour.heal()
  }

/** @type {(least: number, most: number) => Act} */
const slows =
  (least, most) =>
  async (stage, {names, ms, ttl, random}) => {
    const delay = () => ttl * (least + random.next() * (most - least))
    for (const detour of stage.detoursOf(names)) detour.slow(delay)
    await sleep(ms)
    for (const detour of stage.detoursOf(names)) detour.heal()
  }

/** @type {(change: 'drop' | 'halfClose' | 'bury') => Act} */
const suffers =
  (change) =>
  async (stage, {names}) => {
    for (const detour of stage.detoursOf(names)) detour[change]()
  }

/** @type {(keepData: boolean) => Act} */
const restarts =
  (keepData) =>
  async ({redis}, {ms}) => {
    await redis.stop({keepData})
    await sleep(ms)
    await redis.start()
  }

/** @type {(...command: [string, ...string[]]) => Act} */
const commands =
  (...command) =>
  (stage) =>
    stage.ask(...command)

/**
 * Has Redis save its data, and resolves when that has ended so.
 *
 * @param {Stage} stage
 * @param {'ok' | 'err'} how
 */
async function saves(stage, how) {
  const end = now() + 5000
  while (!String(await stage.ask('INFO', 'persistence')).includes(`bgsave_status:${how}`)) {
    if (now() > end) throw new Error(`no save ended with '${how}'`)
    // Refused while one is under way.
    await stage.ask('BGSAVE').catch(() => {})
    await sleep(10)
  }
}

/** @satisfies {Record<import('../support/kinds.mjs').Kind, Act>} */
export const ACTS = {
  kill: ends('kill'),
  term: ends('term'),
  exit: ends('exit'),
  throw: ends('throw'),
  'kill-all': ends('kill'),
  doze: freezes,
  freeze: freezes,
  async resign({fleet, journal}, {names, ms, ttl}) {
    await Promise.all(
      names.map((name) => {
        const again = journal.next(
          (line) => line.type === 'standing' && line.server === name,
          3 * ttl + ms + 5000,
        )
        fleet.tell(name, 'resign', ms)
        return again
      }),
    )
  },
  async 'late-riser'({fleet, journal}, {names: [name], ms, ttl}) {
    if (name === undefined) return
    await fleet.freeze(name)
    const next = await journal.next(
      (line) => line.type === 'held' && line.server !== name,
      3 * ttl + 2000,
    )
    const successor = next?.type === 'held' ? next.server : undefined
    if (successor) await fleet.end(successor, 'kill')
    fleet.thaw(name)
    await sleep(ms)
    if (successor) await fleet.start(successor)
  },
  block: blocks,
  hang: blocks,
  burst: bursts,
  'burst-all': bursts,

  restart: restarts(true),
  wipe: restarts(false),
  async stop({redis}, {ms}) {
    redis.freeze()
    await sleep(ms)
    redis.thaw()
  },
  async pause(stage, {ms}) {
    await stage.ask('CLIENT', 'PAUSE', String(Math.round(ms)), 'ALL')
    await sleep(ms)
  },
  sleep: (stage, {ms}) => stage.ask('DEBUG', 'SLEEP', String(ms / 1000)),
  async busy(stage, {ms}) {
    const endless = stage.ask('EVAL', 'while true do end', '0').catch(() => {})
    await sleep(ms)
    await stage.ask('SCRIPT', 'KILL').catch(() => {})
    await endless
  },
  async full(stage, {ms}) {
    await stage.ask('CONFIG', 'SET', 'maxmemory', '1')
    await sleep(ms)
    await stage.ask('CONFIG', 'SET', 'maxmemory', '0')
  },
  async misconf(stage, {ms}) {
    // The directory that it would save to is gone, as on a disk that has failed. What it appends to
    // its log goes on: that file is open.
    const doomed = await mkdtemp(join(stage.redis.dir, 'doomed-'))
    await stage.ask('CONFIG', 'SET', 'dir', doomed)
    await rm(doomed, {recursive: true})
    await stage.ask('CONFIG', 'SET', 'save', '3600 1')
    await saves(stage, 'err')
    await sleep(ms)
    await stage.ask('CONFIG', 'SET', 'dir', stage.redis.dir)
    await saves(stage, 'ok')
    await stage.ask('CONFIG', 'SET', 'save', '')
    // A restart finds what the log says, and nothing that was saved besides.
    await rm(join(stage.redis.dir, 'dump.rdb'), {force: true})
  },
  async replica(stage, {ms}) {
    // Of nobody: the port is one of ours on which no Redis listens.
    await stage.ask('REPLICAOF', '127.0.0.1', '1')
    await sleep(ms)
    await stage.ask('REPLICAOF', 'NO', 'ONE')
  },
  clients: (stage, {ms}) =>
    // We are the one client: who is connected stays so until it is killed.
    stage.session(async (client) => {
      await client.config('SET', 'maxclients', 1)
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal')
      await sleep(ms)
      await client.config('SET', 'maxclients', 10_000)
    }),
  flush: commands('FLUSHALL'),
  delete: (stage) => stage.ask('DEL', stage.key),
  scripts: commands('SCRIPT', 'FLUSH'),
  async 'client-kill'(stage) {
    await stage.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await stage.ask('CLIENT', 'KILL', 'TYPE', 'normal')
  },
  // For good. A step back is made good again below: data that are lost while the clock is behind
  // are outside of what the protocol promises for tokens.
  async forward({clock}) {
    clock?.step(600_000)
  },
  async back({clock}, {ms}) {
    clock?.step(-3_600_000)
    await sleep(ms)
    clock?.step(3_600_000)
  },

  slow: slows(0.002, 0.02),
  late: slows(0.05, 0.5),
  refuse: becomes('refuse'),
  hole: becomes('hole'),
  deaf: becomes('deaf'),
  hold: becomes('hold'),
  drop: suffers('drop'),
  'half-close': suffers('halfClose'),
  dead: suffers('bury'),
  async 'cut-reply'(stage, {names, ttl}) {
    for (const detour of stage.detoursOf(names)) detour.cutReply()
    // A reply comes to everybody within that: a renewal's or a poll's.
    await sleep(ttl / 2)
  },
}
