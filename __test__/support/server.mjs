// One server for the tests: it does what the lines on its standard input say and tells what happens
// in lines on its standard output. Written synchronously, so that nothing is lost as it dies.

import {writeSync} from 'node:fs'
import {createInterface} from 'node:readline'
import * as addon from '../../index.js'

/** Milliseconds on the clock that all processes of one machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6

/** @param {object} line */
const say = (line) => writeSync(1, `${JSON.stringify({at: now(), ...line})}\n`)

/** @type {addon.PrimaryLease | undefined} */
let lease
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
  say({...rest, change: change.type, token: granted?.token ?? lease?.token, held: lease?.isHeld})
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
  unlisten: () => {
    for (const stop of unsubscribe.splice(0)) stop()
  },
  log: () => {
    const log =
      (/** @type {string} */ level) =>
      (/** @type {unknown[]} */ ...message) =>
        say({log: level, message: message.map(String).join(' ')})
    addon.setLogger({
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    })
  },
  isHeld: () => lease?.isHeld ?? false,
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
    const end = now() + ms
    while (now() < end);
    return lease?.isHeld ?? false
  },
  async release() {
    say({doing: 'release'})
    await lease?.release()
  },
  async dispose() {
    say({doing: 'release'})
    await lease?.[Symbol.asyncDispose]()
  },
  async resign(prefix) {
    say({doing: 'release'})
    await addon.resignPrimaryServer(prefix)
  },
  exit: () => {
    say({doing: 'exit'})
    process.exit(0)
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
