// Mends what `npm test` would complain of and a program can fix.

import {explain, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

try {
  await setup({rust: ['rustfmt', 'clippy'], redis: false})
  await step('cargo clippy --fix', () =>
    run('cargo', ['clippy', '--fix', '--allow-dirty', '--allow-staged', '--all-targets']),
  )
  await step('cargo fmt', () => run('cargo', ['fmt']))
  await step('biome check --write', () => run('npx', ['biome', 'check', '--write', '.']))
  await step('index.mjs, browser.mjs, addon.d.ts', () =>
    run('npm', ['run', 'addon', '--', '--no-dts-cache']),
  )
} catch (error) {
  explain(error)
  process.exitCode = 1
}
