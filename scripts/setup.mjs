// `npm run setup`: what `npm test` and `npm run fix` need, and nothing else.

import {explain} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const all = {postgres: true, browser: true, terminal: true, bench: true}
setup({rust: ['rustfmt', 'clippy'], ...all}).catch((error) => {
  explain(error)
  process.exitCode = 1
})
