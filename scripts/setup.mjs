// `npm run setup`: what `npm test` and `npm run fix` need, and nothing else.

import {explain} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

setup({
  rust: ['rustfmt', 'clippy'],
  postgres: true,
  browser: true,
  promtool: true,
  terminal: true,
  bench: true,
}).catch((error) => {
  explain(error)
  process.exitCode = 1
})
