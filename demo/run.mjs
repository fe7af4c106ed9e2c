// `npm run demo`: everything from a fresh machine to the verdict. Node's own modules only, since the
// others may not be installed yet.

import {parseArgs} from 'node:util'
import {explain, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const HELP = `Four servers elect one primary; what happens to them, a verdict, a timeline.

  npm run demo                  on a Redis of its own, or on that of REDIS_URL
  npm run demo -- --sentinel    on a master with replicas and sentinels of its own: failovers`

const {REDIS_URL} = process.env
const {sentinel} = options()
// An exit, where the default would be a death by the signal, so that no process is left behind.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => process.exit(1))
}
try {
  await setup({redis: sentinel || !REDIS_URL})
  await step('npm run build', () => run('npm', ['run', 'build']))
  const {play} = await import('./play.mjs')
  const {onOneRedis} = await import('./plain.mjs')
  const {underSentinel} = await import('./sentinel.mjs')
  process.exitCode = (await play(await (sentinel ? underSentinel() : onOneRedis(REDIS_URL))))
    ? 0
    : 1
} catch (error) {
  explain(error)
  process.exitCode = 1
}

function options() {
  try {
    const {values} = parseArgs({
      options: {
        sentinel: {type: 'boolean', default: false},
        help: {type: 'boolean', default: false},
      },
    })
    if (!values.help) return values
    console.log(HELP)
    process.exit(0)
  } catch (error) {
    console.error(`${/** @type {Error} */ (error).message}\n\n${HELP}`)
    process.exit(2)
  }
}
