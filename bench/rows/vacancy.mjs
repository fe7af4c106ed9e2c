import {RedisServer} from '../../support/redis.mjs'
import {run} from '../../support/run.mjs'
import {figureOf, goal} from '../figures.mjs'

const CROWDS = [1, 10, 100, 1_000]
const QUICK_CROWDS = [1, 100, 1_000]
const NONE = 'no elections: all who wait ask'
const PROGRAM = 'target/debug/examples/standbys'

/** @type {import('../figures.mjs').Row} */
export const vacancy = {
  name: 'vacancy',
  title: 'One vacancy among many standbys',
  prepare: ['build', '--example', 'standbys'],
  async measure(bench) {
    const redis = await RedisServer.start(['--appendonly', 'no'])
    try {
      const crowds = []
      for (const standbys of bench.quick ? QUICK_CROWDS : CROWDS) {
        bench.say(`${standbys} standbys`)
        const said = await run(PROGRAM, [redis.url, bench.quick ? '1' : '5', String(standbys)])
        const {scripts, filledUs} = JSON.parse(said)
        crowds.push({
          standbys,
          scripts: figureOf(scripts),
          ms: figureOf(filledUs.map((/** @type {number} */ us) => us / 1_000)),
        })
      }
      return {measures: crowds.slice(-2).flatMap(measuresOf), plots: [plotOf(crowds)]}
    } finally {
      await redis.close()
    }
  },
}

/**
 * @typedef {import('../figures.mjs').Figure} Figure
 * @typedef {{standbys: number, scripts: Figure, ms: Figure}} Crowd
 */

/** @param {Crowd} crowd */
function measuresOf({standbys, scripts, ms}) {
  const among = `among ${standbys.toLocaleString('en')}`
  const judged = standbys === 1_000
  const peers = [{name: 'others', figure: NONE}]
  return [
    {
      what: `scripts for one vacancy ${among}`,
      unit: '',
      digits: 0,
      ours: scripts,
      peers,
      goal: judged ? goal({most: 50}, scripts) : undefined,
      note: 'beyond the polls; all candidates on this one machine',
    },
    {
      what: `from the release to the next primary ${among}`,
      unit: 'ms',
      digits: 1,
      ours: ms,
      peers,
      goal: judged ? goal({most: 50, unit: 'ms'}, ms) : undefined,
    },
  ]
}

/**
 * @param {Crowd[]} crowds
 * @returns {import('../figures.mjs').Plot}
 */
function plotOf(crowds) {
  return {
    title: 'Scripts for one vacancy over standbys',
    x: 'standbys',
    y: 'scripts',
    logarithmicX: true,
    series: [
      {
        name: 'primary-lease',
        points: crowds.map(({standbys, scripts}) => [standbys, scripts.median]),
      },
      {name: 'if all asked', points: crowds.map(({standbys}) => [standbys, standbys])},
    ],
  }
}
