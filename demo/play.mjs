import {randomBytes} from 'node:crypto'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {Redis} from 'ioredis'
import {painter, shown} from '../support/paint.mjs'
import {keyOf, median, now} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {root} from '../support/run.mjs'
import {sleep} from '../support/time.mjs'
import {draw} from '../support/timeline.mjs'
import {pictureOf} from './picture.mjs'
import {Stage} from './stage.mjs'
import {Timeline} from './timeline.mjs'
import {figures, judge} from './verdict.mjs'

const NAMES = ['A', 'B', 'C', 'D']
const TTL = 2000
const CRASHES = 3
const ROUNDS = 5
const PAGE = join(root, 'target/demo.html')
/** @type {import('./record.mjs').Departure[]} */
const GENTLE = ['term', 'exit', 'throw']

/**
 * Plays it all on this Redis, or on one of its own, and judges the record.
 *
 * @param {string | undefined} foreign the URL of somebody else's Redis
 * @returns whether every promise was kept
 */
export async function play(foreign) {
  const own = foreign ? undefined : await RedisServer.start()
  const url = foreign ?? String(own?.url)
  const client = new Redis(url)
  const prefix = `demo-${randomBytes(4).toString('hex')}`
  console.log(`\nFour servers elect one primary on ${describe(url, own)}. The ttl is ${TTL} ms.\n`)
  const timeline = new Timeline(NAMES, now())
  const stage = new Stage({url, prefix, ttl: TTL}, client, timeline)
  try {
    // On a Redis of others the election's own key is all that may be lost.
    const lose = () => (own ? client.flushall() : client.del(keyOf(prefix)))
    await perform(stage, lose)
    timeline.end()
    const record = {ttl: TTL, entries: stage.entries}
    const kept = announce(record, stage.complaints)
    mkdirSync(join(root, 'target'), {recursive: true})
    writeFileSync(PAGE, draw(pictureOf(record, NAMES)))
    console.log(`\nTimeline: ${PAGE}`)
    return kept
  } finally {
    timeline.end()
    stage.killAll()
    await client.del(keyOf(prefix)).catch(() => {})
    client.disconnect()
    await own?.close()
  }
}

/**
 * @param {string} url
 * @param {RedisServer | undefined} own
 */
function describe(url, own) {
  if (own) return `${own.program}, started for this on port ${own.port}`
  const {host} = new URL(url)
  return `the Redis at ${host} (REDIS_URL); only the key of this election is touched`
}

/**
 * @param {Stage} stage
 * @param {() => Promise<unknown>} lose
 */
async function perform(stage, lose) {
  const act = (/** @type {string} */ title) =>
    stage.timeline.add({at: now(), server: '', type: 'act', title})

  act('Four servers start. Nobody knows of an earlier primary, so they watch for a ttl first.')
  await Promise.all(NAMES.map((name) => stage.start(name)))

  act('Crashes: a standby has to watch the silence for longer than the ttl.')
  for (let crash = 0; crash < CRASHES; crash++) await replace(stage, 'kill')

  act('Gentle ends: the place is released, and taken at once.')
  for (let round = 0; round < ROUNDS; round++) {
    for (const how of GENTLE) await replace(stage, how)
  }

  act(`A blocked event loop: for ${(3 * TTL) / 1000} s no line of the primary's JavaScript runs.`)
  await stage.block(3 * TTL)

  act('A flushed Redis: the primary writes its record again, with the same token.')
  await stage.flush(lose)
}

/**
 * @param {Stage} stage
 * @param {import('./record.mjs').Departure} how
 */
async function replace(stage, how) {
  // Not always at the same moment between two renewals.
  await sleep(150 + Math.random() * 200)
  const name = await stage.depart(how)
  if (name !== undefined) await stage.start(name)
}

/**
 * @param {import('./record.mjs').DemoRecord} record
 * @param {string} complaints
 */
function announce(record, complaints) {
  const paint = painter(process.stdout)
  console.log(`\n${paint('bold', 'Hand-overs')}`)
  for (const {what, times, goal, reached} of figures(record)) {
    const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
    const [middle, most] = [shown(median(times)), shown(Math.max(...times))]
    const values = `median ${middle.padStart(8)}  mean ${shown(mean).padStart(8)}  max ${most.padStart(8)}`
    const mark = reached ? paint('green', 'reached') : paint('yellow', 'missed')
    console.log(
      `  ${what.padEnd(30)}${String(times.length).padStart(2)} x  ${values}  ${paint('dim', `goal: ${goal},`)} ${mark}`,
    )
  }
  console.log(`\n${paint('bold', 'Verdict, from the record alone')}`)
  const judgements = judge(record)
  for (const {promise, broken} of judgements) {
    const mark = broken.length ? paint('red', 'BROKEN') : paint('green', 'kept  ')
    console.log(`  ${mark}  ${promise}`)
    for (const how of broken) console.log(`          ${how}`)
  }
  const kept = judgements.every(({broken}) => broken.length === 0)
  if (!kept && complaints) console.log(`\nThe servers' standard error:\n${complaints}`)
  return kept
}
