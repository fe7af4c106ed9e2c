// `npm run simulate`: whole clusters on a virtual clock, as many seeds as one likes, or one of them as
// a story.

import {parseArgs} from 'node:util'
import {explain, run} from './run.mjs'

const HELP = `npm run simulate -- [options]

  --seeds N       how many seeds (default 10000), from --seed on (default 0)
  --seed S        without --seeds: this one, with all that happens in it
  --family F      only runs of this family of faults
  --planted P     with this mistake in the rules, which is to be found

What a failing seed prints to be run again also uses:
  --candidates N --without KINDS --skip FAULTS --until MILLISECONDS

It prints seeds a second, steps, what happened how often, and every transition of the machine that
was taken; from 10000 seeds on, one that was not is a failure.
`

/** @type {Record<string, {type: 'string'}>} */
const options = Object.fromEntries(
  ['seeds', 'seed', 'family', 'planted', 'candidates', 'without', 'skip', 'until'].map((name) => [
    name,
    {type: 'string'},
  ]),
)

try {
  const {values} = parseArgs({options: {...options, help: {type: 'boolean', short: 'h'}}})
  if (values.help) {
    console.log(HELP)
  } else {
    const given = Object.entries(values).map(([name, value]) => [
      `SIMULATE_${name.toUpperCase()}`,
      String(value),
    ])
    const test = ['simulation::simulate::simulate', '--ignored', '--nocapture']
    await run('cargo', ['test', '--quiet', '--lib', '--', ...test], {
      env: {...Object.fromEntries(given), RUST_BACKTRACE: '0'},
      show: true,
    })
  }
} catch (error) {
  // All that it printed has been shown.
  if (error instanceof Error && 'output' in error) console.error(`\n${error.message}`)
  else explain(error)
  process.exitCode = 1
}
