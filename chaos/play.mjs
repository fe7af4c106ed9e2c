import {STALL} from '../support/kinds.mjs'
import {now} from '../support/record.mjs'
import {sleep} from '../support/time.mjs'
import {plan} from './plan.mjs'
import {Stage} from './stage.mjs'

/** @typedef {import('./journal.mjs').Journal} Journal */

const EXIT_TIMEOUT = 500
/** How late a timer of ours may be before the machine is to blame for what was late meanwhile. */
const LAG = 30
const TICK = 10
/** Time for the last lines and the last writes to arrive. */
const AFTERMATH = 300

/**
 * Plays the faults that a seed decides, and writes the record of it all.
 *
 * @param {Journal} journal
 * @param {{minutes: number, seed: number, ttl: number, names: string[]}} options
 * @param {(text: string) => void} say
 */
export async function play(journal, {minutes, seed, ttl, names}, say) {
  const timeouts = {exitTimeout: EXIT_TIMEOUT, stallTimeout: STALL * ttl}
  const stage = await Stage.build(journal, {names, ttl, ...timeouts})
  const lag = watchLag(journal)
  try {
    if (!stage.clock) say('no C compiler: the clock of Redis is left alone')
    const redis = stage.redis.program
    journal.note('begin', {seed, ttl, minutes, names, ...timeouts, redis})
    const end = now() + minutes * 60_000
    await Promise.all(names.map((name) => stage.fleet.start(name)))
    for (const scene of plan(seed, stage.clock ? [] : ['forward', 'back'])) {
      await calm(stage, scene.calm * ttl)
      if (now() >= end) break
      await Promise.all(
        scene.faults.map(async (fault) => {
          await sleep(fault.after * ttl)
          await stage.play(fault)
        }),
      )
      await stage.collectWrites()
    }
    journal.note('finish', {})
    await Promise.all(names.map((name) => stage.fleet.end(name, 'term')))
    await sleep(AFTERMATH)
    await stage.collectWrites()
  } finally {
    clearInterval(lag)
    await stage.close()
  }
}

/**
 * Waits for a primary, but not without end: that there is none is the checker's to say.
 *
 * @param {Stage} stage
 * @param {number} ms
 */
async function calm({fleet, cast}, ms) {
  const end = now() + 5 * cast.ttl
  while (!fleet.primary && now() < end) await sleep(10)
  await sleep(ms)
}

/**
 * Notes when this machine let even a timer of ours wait.
 *
 * @param {Journal} journal
 */
function watchLag(journal) {
  let last = now()
  return setInterval(() => {
    const at = now()
    const ms = at - last - TICK
    last = at
    if (ms > LAG) journal.note('lag', {ms})
  }, TICK)
}
