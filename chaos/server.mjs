// One server of the fault run. It stands for election, looks at its lease every few milliseconds,
// writes to the fenced resource while it is primary, and appends all of that to the record. Its
// standard input tells it what to suffer.

import {openSync, writeSync} from 'node:fs'
import {createInterface} from 'node:readline'
import {Redis} from 'ioredis'
import {
  establishPrimaryServer,
  onPrimaryChange,
  resignPrimaryServer,
  setLogger,
  withLease,
} from '../index.mjs'
import {ENDS, PLANTED} from '../support/kinds.mjs'
import {now} from '../support/record.mjs'
import {write} from '../support/resource.mjs'

/**
 * @typedef {{record: string, url: string, resource: string, prefix: string, name: string, ttl: number,
 *   exitTimeout: number, stallTimeout: number}} Orders
 */
const {record, url, resource, prefix, name, ...timeouts} = /** @type {Orders} */ (
  JSON.parse(String(process.argv[2]))
)
const SAMPLE_EVERY = 5
const WRITE_EVERY = 6
/** A loop that has not turned for so long has slept: blocked, frozen, or on a very busy machine. */
const SLEPT = 100

const file = openSync(record, 'a')
const say = (/** @type {string} */ type, /** @type {object} */ rest = {}) =>
  writeSync(file, `${JSON.stringify({at: now(), server: name, type, ...rest})}\n`)

const client = new Redis(resource)
client.on('error', (error) =>
  say('log', {level: 'error', message: `the resource: ${error.message}`}),
)

/** @type {import('../index.mjs').PrimaryLease | undefined} */
let lease
/** Whether `isHeld` was true when it was last asked. */
let held = false
/** When this JavaScript last ran. */
let ran = now()
let samples = 0

/** Asked first by all that can run first after a sleep. */
function notice() {
  const at = now()
  const slept = at - ran
  ran = at
  if (slept < SLEPT) return
  say('woke', {at, slept, token: lease?.token, held: lease?.isHeld ?? false})
  // A primary that has not noticed yet: its write is what the token has to stop.
  if (lease) attempt(true)
}

function sample() {
  notice()
  const at = now()
  const is = lease?.isHeld ?? false
  if (is) say('held', {at, token: lease?.token})
  else if (held) say('unheld', {at, token: lease?.token})
  held = is
  if (is && samples++ % WRITE_EVERY === 0) attempt(false)
}

/** @param {boolean} woken */
function attempt(woken) {
  if (!lease) return
  const {token} = lease
  write(client, {token, server: name, at: now(), woken}).catch((error) =>
    say('log', {level: 'error', message: `the resource: ${error.message}`}),
  )
}

onPrimaryChange(prefix, (change) => {
  const quiet = ran
  notice()
  if (change.type === 'elected') {
    lease = change.lease
    const at = now()
    held = lease.isHeld
    say('elected', {at, quiet, token: lease.token, held})
  } else if (change.type === 'lost' || change.type === 'resigned') {
    sample()
    const {token, reason} = change
    say('ended', {token, reason, held: lease?.isHeld ?? false})
  }
})
setInterval(sample, SAMPLE_EVERY)

/** @param {string} level */
const log =
  (level) =>
  (/** @type {unknown[]} */ ...message) =>
    say('log', {level, message: message.map(shown).join(' ')})
const shown = (/** @type {unknown} */ part) =>
  typeof part === 'string' ? part : JSON.stringify(part)
setLogger({debug() {}, info() {}, warn: log('warn'), error: log('error')})

async function stand() {
  say('standing')
  await establishPrimaryServer(url, prefix, {...timeouts, serverId: name}).catch((error) => {
    // A campaign may be resigned before it has an answer.
    if (error.code !== 'ERR_CLOSED') throw error
  })
}

async function resign() {
  say('resigning')
  await resignPrimaryServer(prefix)
}

/**
 * Asks for the leases of so many runs at once, and says how they were answered.
 *
 * @param {number} count
 */
async function burst(count) {
  const {ttl} = timeouts
  const begun = now()
  const answers = {ran: 0, refused: 0, lost: 0, other: 0}
  let longest = 0
  const note = () => {
    longest = Math.max(longest, now() - begun)
  }
  const one = async (/** @type {number} */ number) => {
    try {
      const options = {ttl, acquireTimeout: ttl, awaitRelease: false}
      await withLease(url, `burst-${name}-${number}`, options, note)
      answers.ran++
    } catch (error) {
      const {code} = /** @type {{code?: string}} */ (error)
      // It ran.
      if (code === 'ERR_LEASE_LOST') return answers.lost++
      note()
      answers[code === 'ERR_STORE_UNAVAILABLE' ? 'refused' : 'other']++
    }
  }
  await Promise.all(Array.from({length: count}, (_, number) => one(number)))
  say('burst', {...answers, longest})
}

process.on('SIGTERM', async () => {
  await resign()
  process.exit(ENDS.term.code)
})

/** @type {Record<string, (argument: number) => unknown>} */
const commands = {
  block: (ms) => {
    const end = now() + ms
    while (now() < end);
  },
  burst,
  resign: async (pause) => {
    await resign()
    setTimeout(stand, pause)
  },
  exit: () => process.exit(ENDS.exit.code),
  throw: () => {
    throw new Error(PLANTED)
  },
}

createInterface({input: process.stdin})
  .on('line', (line) => {
    notice()
    const [command, argument] = line.split(' ')
    commands[String(command)]?.(Number(argument))
  })
  // The run is gone, so nobody is left to end this server.
  .on('close', () => process.exit(0))

await stand()
