// One server of the demo. It stands for election, looks at its lease every few milliseconds, and
// writes all that happens as lines of JSON. Its standard input tells it what to suffer.

import {writeSync} from 'node:fs'
import {createInterface} from 'node:readline'
import {establishPrimaryServer, onPrimaryChange, setLogger} from '../index.mjs'
import {now} from '../support/record.mjs'

const [url, prefix, name, ttl] = /** @type {[string, string, string, string]} */ (
  process.argv.slice(2)
)
const SAMPLE_EVERY = 5

/** Written at once and not through a stream: a server that dies has said all that it knew. */
const say = (/** @type {string} */ type, /** @type {object} */ rest = {}) =>
  writeSync(1, `${JSON.stringify({at: now(), server: name, type, ...rest})}\n`)

/** @type {import('../index.mjs').PrimaryLease | undefined} */
let lease

onPrimaryChange(prefix, (change) => {
  if (change.type === 'elected') {
    lease = change.lease
    say('elected', {token: lease.token})
  } else if (change.type === 'lost' || change.type === 'resigned') {
    say('ended', {token: lease?.token, reason: change.reason})
  } else if (change.type === 'primary-changed') {
    say('follows')
  }
})

setInterval(() => {
  // The clock first: at that moment it was certainly still held.
  const at = now()
  if (lease?.isHeld) say('held', {at, token: lease.token})
}, SAMPLE_EVERY)

/** @param {string} level */
const log = (level) => (/** @type {string} */ message) => say('log', {level, message})
setLogger({debug() {}, info() {}, warn: log('warn'), error: log('error')})

// What a server does that wants to hand over as it is ended: the library installs no handler.
process.on('SIGTERM', async () => {
  await lease?.release()
  process.exit(0)
})

createInterface({input: process.stdin})
  .on('line', (line) => {
    const [command, argument] = line.split(' ')
    if (command === 'block') {
      say('blocked')
      const end = now() + Number(argument)
      while (now() < end);
      say('unblocked', {token: lease?.token, isHeld: lease?.isHeld ?? false})
    } else if (command === 'exit') {
      say('leaving')
      process.exit(0)
    } else if (command === 'throw') {
      say('leaving')
      throw new Error('thrown by the demo on purpose')
    }
  })
  // The demo is gone, so nobody is left to end this server.
  .on('close', () => process.exit(0))

await establishPrimaryServer(url, prefix, {ttl: Number(ttl), serverId: name})
