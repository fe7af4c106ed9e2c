import {randomBytes} from 'node:crypto'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {painter, shown} from '../support/paint.mjs'
import {median, now} from '../support/record.mjs'
import {root} from '../support/run.mjs'
import {draw} from '../support/timeline.mjs'
import {pictureOf} from './picture.mjs'
import {Stage} from './stage.mjs'
import {Timeline} from './timeline.mjs'
import {figures, judge} from './verdict.mjs'

export const NAMES = ['A', 'B', 'C', 'D']
const TTL = 2000

/**
 * Where the demo plays, and what happens there.
 *
 * @typedef {object} Scene
 * @property {string} url
 * @property {string} where for people
 * @property {string} page the name of the file with the timeline
 * @property {number} [downAfter] after how many ms sentinels hold a master for down, where there are any
 * @property {() => Promise<import('ioredis').Redis>} client of the present master
 * @property {(stage: Stage) => Promise<void>} perform
 * @property {(prefix: string) => Promise<void>} close
 */

/**
 * Plays it all and judges the record.
 *
 * @param {Scene} scene
 * @returns whether every promise was kept
 */
export async function play(scene) {
  const {url, where, page, downAfter} = scene
  const prefix = `demo-${randomBytes(4).toString('hex')}`
  console.log(`\nFour servers elect one primary on ${where}. The ttl is ${TTL} ms.\n`)
  const timeline = new Timeline(NAMES, now())
  const stage = new Stage({url, prefix, ttl: TTL}, scene.client, timeline)
  try {
    await scene.perform(stage)
    timeline.end()
    const record = {ttl: TTL, downAfter, entries: stage.entries}
    const kept = announce(record, stage.complaints)
    const path = join(root, 'target', page)
    mkdirSync(join(root, 'target'), {recursive: true})
    writeFileSync(path, draw(pictureOf(record, NAMES)))
    console.log(`\nTimeline: ${path}`)
    return kept
  } finally {
    timeline.end()
    stage.killAll()
    await scene.close(prefix)
  }
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
