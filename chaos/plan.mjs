// What happens in a run, from its seed alone. Who is primary at that moment is not known here: a
// fault says `primary` or `standby`, and the stage finds the server.

import {KINDS, kindOf} from '../support/kinds.mjs'
import {Random} from './random.mjs'

/**
 * @typedef {import('../support/kinds.mjs').Kind} Kind
 * @typedef {{
 *   kind: Kind, after: number, lasts: number, whom: 'primary' | 'standby' | 'all', pick: number,
 * }} PlannedFault `after` the scene began and `lasts` are in ttls; `pick` from 0 to 1 chooses among
 *   several
 * @typedef {{calm: number, faults: PlannedFault[]}} Scene faults that overlap, after a calm time of
 *   so many ttls
 */

/** How often a channel takes part in a scene. */
const CHANCES = {server: 0.75, redis: 0.5, network: 0.45}
/** How often a fault comes alone: then what it costs can be measured. */
const ALONE = 0.4

/**
 * Scenes without end.
 *
 * @param {number} seed
 * @param {readonly Kind[]} [without] kinds that cannot be played on this machine
 * @returns {Generator<Scene, never>}
 */
export function* plan(seed, without = []) {
  const random = new Random(seed)
  const kinds = /** @type {Kind[]} */ (Object.keys(KINDS)).filter((kind) => !without.includes(kind))
  const channels = /** @type {const} */ (['server', 'redis', 'network'])
  /** @type {Record<string, Kind[]>} */
  const bags = {}
  /** Each kind once before any comes again: a short run misses few of them. */
  const draw = (/** @type {import('../support/kinds.mjs').Channel} */ channel) => {
    if (!bags[channel]?.length) {
      bags[channel] = random.shuffled(kinds.filter((kind) => kindOf(kind)?.channel === channel))
    }
    return /** @type {Kind} */ (bags[channel].pop())
  }
  while (true) {
    const calm = 0.3 + random.next()
    const alone = random.happens(ALONE)
    const drawn = channels.filter((channel) => random.happens(CHANCES[channel]))
    const [first] = random.shuffled(channels)
    const present = alone || !drawn.length ? [/** @type {'server'} */ (first)] : drawn
    const faults = present.map((channel) => planned(draw(channel), random))
    yield {calm, faults}
  }
}

/**
 * @param {Kind} kind
 * @param {Random} random
 * @returns {PlannedFault}
 */
function planned(kind, random) {
  const {
    lasts: [least, most] = [0, 0],
    whom,
    channel,
  } = /** @type {import('../support/kinds.mjs').KindOfFault} */ (kindOf(kind))
  const after = random.next()
  // Short ones more often: half of them stay below the step-down deadline.
  const lasts = least + (most - least) * random.next() ** 2
  const drawn = random.next()
  const pick = random.next()
  if (whom !== 'any') return {kind, after, lasts, whom: whom ?? 'all', pick}
  const primary = channel === 'network' ? 0.45 : 0.8
  const standby = channel === 'network' ? 0.65 : 1
  return {
    kind,
    after,
    lasts,
    whom: drawn < primary ? 'primary' : drawn < standby ? 'standby' : 'all',
    pick,
  }
}
