// `npm run demo`: everything from a fresh machine to the verdict. Node's own modules only, since the
// others may not be installed yet.

import {explain, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const {REDIS_URL} = process.env
// An exit, where the default would be a death by the signal, so that no process is left behind.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => process.exit(1))
}
try {
  await setup({redis: !REDIS_URL})
  await step('npm run build', () => run('npm', ['run', 'build']))
  const {play} = await import('./play.mjs')
  process.exitCode = (await play(REDIS_URL)) ? 0 : 1
} catch (error) {
  explain(error)
  process.exitCode = 1
}
