// `npm run bench`: run leases against the libraries that give a run a lease in JavaScript, on one
// Redis, in turns, so that what else the machine does falls on all of them.

import {access} from 'node:fs/promises'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {median} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {explain, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const HELP = `npm run bench -- [options]

  --rounds N   how often each library has its turn (default 5)
  --pairs N    leases taken and given back in a turn (default 20000)
  --no-build   with the addon as it is; else a release is built first
`
const OURS = 'primary-lease'
const PEERS = ['redis-semaphore', 'redlock', 'redlock-universal']
const AT_ONCE = '32'

/** What is measured: its name, the unit, how it is shown, whether more is better, and the goal. */
const MEASURES = [
  {key: 'perSecond', title: 'pairs a second, 32 at once', digits: 0, more: true, goal: 1.5},
  {key: 'loopUs', title: 'us of the event loop a pair', digits: 1, more: false, goal: 0.5},
  {key: 'processUs', title: 'us of processor a pair', digits: 1, more: false, goal: undefined},
  {key: 'latencyMs', title: 'ms one at a time, median', digits: 3, more: false, goal: 1},
]

/** @typedef {Record<string, number>} Figures */

async function bench() {
  const {values} = parseArgs({
    options: {
      rounds: {type: 'string', default: '5'},
      pairs: {type: 'string', default: '20000'},
      'no-build': {type: 'boolean'},
      help: {type: 'boolean', short: 'h'},
    },
  })
  if (values.help) return console.log(HELP)
  await setup()
  const installed = await access(join(root, 'bench/node_modules')).then(
    () => true,
    () => false,
  )
  if (!installed)
    await step('npm install, bench', () => run('npm', ['install', '--prefix', 'bench']))
  if (!values['no-build']) await step('npm run build', () => run('npm', ['run', 'build']))

  const redis = await RedisServer.start(['--appendonly', 'no'])
  /** @type {Record<string, Figures[]>} */
  const figures = Object.fromEntries([OURS, ...PEERS].map((name) => [name, []]))
  try {
    for (let round = 1; round <= Number(values.rounds); round++) {
      await step(`round ${round} of ${values.rounds}`, async () => {
        for (const [name, turns] of Object.entries(figures)) {
          const script = join(root, 'bench/library.mjs')
          const args = [script, name, redis.url, values.pairs, AT_ONCE]
          turns.push(JSON.parse(await run(process.execPath, args)))
        }
      })
    }
  } finally {
    await redis.close()
  }
  report(figures)
}

/** @param {Record<string, Figures[]>} figures */
function report(figures) {
  for (const {key, title, digits, more, goal} of MEASURES) {
    console.log(`\n${title}`)
    const of = (/** @type {string} */ name) =>
      median((figures[name] ?? []).map((turn) => Number(turn[key])))
    for (const name of Object.keys(figures)) {
      const all = (figures[name] ?? []).map((turn) => Number(turn[key]).toFixed(digits))
      console.log(
        `  ${name.padEnd(20)}${of(name).toFixed(digits).padStart(9)}   of ${all.join(', ')}`,
      )
    }
    const best = (more ? Math.max : Math.min)(...PEERS.map(of))
    const ratio = of(OURS) / best
    const wanted = goal && `, the goal is ${more ? '>=' : '<='} ${goal}`
    console.log(`  ${OURS} / the best of the others: ${ratio.toFixed(2)}${wanted ?? ''}`)
  }
}

bench().catch((error) => {
  explain(error)
  process.exitCode = 1
})
