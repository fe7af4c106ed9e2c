// `npm run bench`: what the package costs and what it reaches, beside the libraries that give a run a lease in
// JavaScript, each in a process of its own. Node's own modules only, since the others may not be installed yet.

import {mkdirSync, writeFileSync} from 'node:fs'
import {access} from 'node:fs/promises'
import {cpus, loadavg} from 'node:os'
import {dirname, join} from 'node:path'
import {parseArgs} from 'node:util'
import {findRedisServer} from '../support/redis.mjs'
import {explain, Refusal, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'
import {progress} from './progress.mjs'

const HELP = `Usage: npm run bench [-- OPTIONS]

Measures every row of the table and says what is to be reached. On a busy machine only the ratios say
anything.

  --quick       fewer and shorter slices: under three minutes, without what takes longer
  --row NAME    this row alone; may be given several times
  --out DIR     where the page goes (default target/bench)
  --no-build    with the addon that is there; else a release is built first
  --help`

/** What a run of all rows that was not hurried writes, for the repository. */
const RESULTS = 'bench/results.md'

async function bench() {
  const values = options()
  if (values.help) return console.log(HELP)
  await setup({bench: true})
  if (!values['no-build']) await step('npm run build', () => run('npm', ['run', 'build']))
  await access(join(root, 'primary-lease.node')).catch(() => {
    throw new Refusal('there is no addon yet: leave --no-build out')
  })
  const rows = await rowsOf(values)
  for (const {prepare} of rows) if (prepare) await cargo(prepare)
  const facts = await factsOf(values.quick)
  const told = progress(rows.length)
  /** @type {import('./table.mjs').Result[]} */
  const results = []
  const measured = async (/** @type {import('./figures.mjs').Row} */ {name, title, measure}) => {
    told.begin(title)
    const outcome = await measure({quick: values.quick, say: told.say}).then(
      (outcome) => ({outcome}),
      (error) => ({failed: error instanceof Error ? error.message : String(error)}),
    )
    results.push({name, title, ...outcome})
  }
  // Those that do nothing but wait leave each other in peace.
  const together = values.quick ? rows.filter(({waits}) => waits) : []
  await Promise.all(together.map(measured))
  for (const row of rows) if (!together.includes(row)) await measured(row)
  told.end()
  await report({facts, results}, values)
  if (results.some(({failed}) => failed)) process.exitCode = 1
}

/** @param {string[]} args */
const cargo = (args) => step(`cargo ${args.join(' ')}`, () => run('cargo', [...args, '--locked']))

/** @param {{row?: string[], quick: boolean}} values */
async function rowsOf({row: names = [], quick}) {
  const {ROWS} = await import('./rows.mjs')
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name))
  if (unknown) {
    throw new Refusal(`there is no row ${unknown}, but ${ROWS.map(({name}) => name).join(', ')}`)
  }
  if (names.length) return ROWS.filter(({name}) => names.includes(name))
  return ROWS.filter(({long}) => !(quick && long))
}

/**
 * What the figures were taken on, and beside what.
 *
 * @param {boolean} quick
 */
async function factsOf(quick) {
  const [load = 0] = loadavg()
  const redis = await run(String(await findRedisServer()), ['--version'])
  const version = /v=([\d.]+)/.exec(redis)?.[1]
  const {length} = cpus()
  const model = cpus()[0]?.model.trim()
  const commit = await run('git', ['describe', '--always', '--dirty']).catch(() => 'no commit')
  const facts = [
    `${new Date().toISOString().slice(0, 10)}, ${commit.trim()}, Node ${process.versions.node}, Redis ${version}`,
    `${length} x ${model}; load before it began: ${load.toFixed(1)}`,
  ]
  if (load > length / 4) facts.push('Measured beside other work: only ratios say anything.')
  if (quick) facts.push('A quick run: few and short slices.')
  return facts
}

/**
 * @param {import('./table.mjs').Report} report
 * @param {{quick: boolean, row?: string[], out: string}} values
 */
async function report(report, {quick, row, out}) {
  const {markdown, terminalTable} = await import('./table.mjs')
  const {page} = await import('./page.mjs')
  console.log(`\n${terminalTable(report)}\n`)
  const whole = !quick && !row
  const text = whole ? join(root, RESULTS) : join(out, 'results.md')
  const drawn = join(out, 'results.html')
  for (const [file, content] of [
    [text, markdown(report)],
    [drawn, page(report)],
  ]) {
    mkdirSync(dirname(String(file)), {recursive: true})
    writeFileSync(String(file), String(content))
    console.log(file)
  }
}

function options() {
  try {
    return parseArgs({
      options: {
        quick: {type: 'boolean', default: false},
        row: {type: 'string', multiple: true},
        out: {type: 'string', default: join(root, 'target/bench')},
        'no-build': {type: 'boolean', default: false},
        help: {type: 'boolean', short: 'h', default: false},
      },
    }).values
  } catch (error) {
    console.error(`${/** @type {Error} */ (error).message}\n\n${HELP}`)
    process.exit(2)
  }
}

bench().catch((error) => {
  explain(error)
  process.exitCode = 1
})
