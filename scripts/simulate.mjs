// `npm run simulate`: whole clusters on a virtual clock, as many seeds as one likes, or one of them as
// a story.

import {parseArgs} from 'node:util'
import {explain, Refusal, run} from '../support/run.mjs'

const HELP = `npm run simulate -- [options]

  --seeds N       how many seeds (default 10000), from --seed on (default 0)
  --seed S        without --seeds: this one, with all that happens in it
  --family F      only runs of this family of faults
  --planted P     with this mistake in the rules, which is to be found
  --runs          the leases of runs instead of elections: knows --seeds (default 8000) and --seed

What a failing seed prints to be run again also uses:
  --candidates N --without KINDS --skip FAULTS --until MILLISECONDS

It prints what happened how often, faults by their kinds among it, and the seed that shows each planted
mistake; for elections seeds a second, steps and every transition of the machine that was taken, too: from
10000 seeds on, one that was not is a failure.
`

/** @type {Record<string, {type: 'string'}>} */
const options = Object.fromEntries(
  ['seeds', 'seed', 'family', 'planted', 'candidates', 'without', 'skip', 'until'].map((name) => [
    name,
    {type: 'string'},
  ]),
)

try {
  const {
    values: {help, runs, ...values},
  } = parseArgs({
    options: {...options, runs: {type: 'boolean'}, help: {type: 'boolean', short: 'h'}},
  })
  const unknown = runs && Object.keys(values).find((name) => !['seeds', 'seed'].includes(name))
  if (help) {
    console.log(HELP)
  } else if (unknown) {
    throw new Refusal(`--${unknown} is not for --runs`)
  } else {
    const given = Object.entries(values).map(([name, value]) => [
      `SIMULATE_${name.toUpperCase()}`,
      String(value),
    ])
    const name = runs ? 'tests::run::simulation::simulate' : 'tests::simulation::simulate::simulate'
    const test = [name, '--ignored', '--nocapture']
    await run('cargo', ['test', '--quiet', '--lib', '--', ...test], {
      env: {...Object.fromEntries(given), RUST_BACKTRACE: '0'},
      show: true,
    })
  }
} catch (error) {
  explain(error)
  process.exitCode = 1
}
