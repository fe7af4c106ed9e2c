import {run} from '../../support/run.mjs'
import {goal, single} from '../figures.mjs'

/** @type {import('../figures.mjs').Row} */
export const mallocs = {
  name: 'mallocs',
  title: 'Memory asked for by a run',
  prepare: ['test', '--no-run', '--test', 'mallocs'],
  async measure(bench) {
    bench.say('cargo test --test mallocs')
    const said = await run('cargo', ['test', '--locked', '--test', 'mallocs', '--', '--nocapture'])
    const [, commands, ofRun] =
      /mallocs: ([\d.]+) for two commands, ([\d.]+) for a run/.exec(said) ?? []
    const figure = single(Number(ofRun))
    return {
      measures: [
        {
          what: 'mallocs a pair',
          unit: '',
          digits: 1,
          ours: figure,
          peers: [{name: 'others', figure: "in JavaScript's heap: not counted"}],
          goal: goal({most: 6}, figure),
          note: `counted by a test, without JavaScript; ${commands} of them in the store`,
        },
      ],
    }
  },
}
