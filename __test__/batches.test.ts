// What is done together costs one call into JavaScript, and one write to Redis.

import {execFileSync} from 'node:child_process'
import {setLogger, withLease} from '../index.js'
import {until} from '../support/until'
import {lock} from './support/lock'
import {useRedis} from './support/redis'

/** What the layer of JavaScript calls. */
const {verbs} = require('../src/js/core.js') as typeof import('../src/js/core.js')
const redis = useRedis(['--appendonly', 'no'])
/** Fewer than fill what Redis reads at once, and what one call into JavaScript brings. */
const TOGETHER = 40

beforeAll(() => setLogger(null))

/** Begins as many runs in one turn. */
const begin = (name: string, run: () => unknown) =>
  Array.from({length: TOGETHER}, (_, at) =>
    withLease(redis.url, `${name} ${at}`, {ttl: 30_000}, run),
  )

/** Stands still until Redis has so many keys. */
function standStillUntilKeys(count: number) {
  const script = `
    const client = new (require('ioredis').Redis)('${redis.url}')
    const look = async () => ((await client.dbsize()) < ${count} ? setTimeout(look, 5) : process.exit())
    look()`
  execFileSync(process.execPath, ['-e', script])
}

test('what happens in one turn of the event loop is brought in one call', async () => {
  // The connection is open, and the code compiled.
  await Promise.all(begin('before', () => {}))
  await redis.client.flushall()
  // The layer calls this once for each batch that it is brought, and twice for what one turn asks for.
  const batches = jest.spyOn(verbs, 'handOverRuns')
  const {open, opened} = lock()
  let running = 0
  const runs = begin('granted', () => {
    running++
    return opened
  })
  await new Promise(process.nextTick)
  standStillUntilKeys(TOGETHER)
  await until('all run', () => running === TOGETHER)
  // More than one where the answers were read in pieces, or the loop was asked whether it turns.
  expect(batches.mock.calls.length).toBeLessThan(2 + 6)
  batches.mockRestore()
  open()
  await Promise.all(runs)
})

test('what is asked for in one turn of the event loop is written at once', async () => {
  /** How often Redis has read something from somebody. */
  const reads = async () => {
    const stats = await redis.client.info('stats')
    return Number(/total_reads_processed:(\d+)/.exec(stats)?.[1])
  }
  await Promise.all(begin('before', () => {}))
  const rounds = 20
  const before = await reads()
  for (let round = 1; round <= rounds; round++) await Promise.all(begin(`${round}`, () => {}))
  const ofRound = ((await reads()) - before - 1) / rounds
  process.stdout.write(`${2 * TOGETHER} commands reached Redis in ${ofRound} pieces\n`)
  // A write for each of its commands would be five times as many.
  expect(ofRound).toBeLessThan((2 * TOGETHER) / 5)
})
