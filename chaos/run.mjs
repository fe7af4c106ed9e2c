// `npm run chaos`: everything from a fresh machine to the verdict. Node's own modules only, since
// the others may not be installed yet.

import {randomInt} from 'node:crypto'
import {mkdirSync, rmSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import {explain, Refusal, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const HELP = `Usage: npm run chaos [-- OPTIONS]

Servers as real processes elect a primary on a real Redis, and a seed decides what goes wrong. A
checker judges the record; a page shows it.

  --minutes M    for how long (default 2)
  --seed S       which faults, when and to whom (default: a new one, which is said)
  --servers N    how many servers, from 2 to 8 (default 5)
  --ttl MS       of the election, from 500 (default 1200)
  --out DIR      where the record and the page go (default target/chaos)
  --check FILE   judges an earlier record again, and draws its page
  --no-build     uses the addon that is there
  --help

Ends with 1 when a rule was broken.`

/** A scene may begin at the very end, and takes its time. */
const HANGS = 90_000

const values = options()

try {
  if (values.help) console.log(HELP)
  else process.exitCode = (await (values.check ? judge(values.check) : perform())) ? 0 : 1
} catch (error) {
  explain(error)
  process.exitCode = 1
}

async function perform() {
  const minutes = number('minutes', 0.1, 24 * 60)
  const ttl = number('ttl', 500, 60_000)
  const seed = values.seed === undefined ? randomInt(1, 1_000_000) : number('seed', 0, 2 ** 32 - 1)
  const names = [...'ABCDEFGH'].slice(0, number('servers', 2, 8))
  await setup()
  if (!values['no-build']) await step('npm run build', () => run('npm', ['run', 'build']))
  const {Journal} = await import('./journal.mjs')
  const {play} = await import('./play.mjs')
  const {progress} = await import('./progress.mjs')

  mkdirSync(values.out, {recursive: true})
  const path = join(resolve(values.out), `seed-${seed}.jsonl`)
  rmSync(path, {force: true})
  // An exit, where the default would be a death by the signal, so that no process is left behind.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(signal, () => {
      console.log(`\nstopped; the record until now: ${path}`)
      process.exit(1)
    })
  }
  console.log(`\n${names.length} servers, ttl ${ttl} ms, ${minutes} minutes, seed ${seed}\n`)
  // Whatever hangs, it ends, and leaves nothing behind.
  setTimeout(
    () => {
      console.error(`\nthe run hangs; the record until now: ${path}`)
      process.exit(1)
    },
    minutes * 60_000 + HANGS,
  ).unref()
  const journal = new Journal(path)
  const stop = progress(journal, minutes)
  await play(journal, {minutes, seed, ttl, names}, (text) => console.log(`  ${text}`))
  stop()
  journal.close()
  const kept = await judge(path)
  const options = [`--minutes ${minutes} --seed ${seed}`]
  if (names.length !== 5) options.push(`--servers ${names.length}`)
  if (ttl !== 1200) options.push(`--ttl ${ttl}`)
  console.log(`Again:    npm run chaos -- ${options.join(' ')}`)
  return kept
}

/** @param {string} file */
async function judge(file) {
  const {readRecord} = await import('./record.mjs')
  const {check} = await import('./checker.mjs')
  const {report} = await import('./report.mjs')
  const {pictureOf} = await import('./picture.mjs')
  const {draw} = await import('../support/timeline.mjs')
  const lines = readRecord(file)
  const judgements = check(lines)
  report(lines, judgements)
  const broken = judgements.reduce((sum, {violations}) => sum + violations.length, 0)
  console.log(broken ? `\n${broken} violation${broken === 1 ? '' : 's'}` : '\nNo violation.')
  const page = `${file.replace(/\.jsonl$/, '')}.html`
  writeFileSync(page, draw(pictureOf(lines, judgements)))
  console.log(`\nRecord:   ${file}\nTimeline: ${page}`)
  return broken === 0
}

function options() {
  try {
    return parseArgs({
      options: {
        minutes: {type: 'string', default: '2'},
        seed: {type: 'string'},
        servers: {type: 'string', default: '5'},
        ttl: {type: 'string', default: '1200'},
        out: {type: 'string', default: join(root, 'target/chaos')},
        check: {type: 'string'},
        'no-build': {type: 'boolean', default: false},
        help: {type: 'boolean', default: false},
      },
    }).values
  } catch (error) {
    console.error(`${/** @type {Error} */ (error).message}\n\n${HELP}`)
    process.exit(2)
  }
}

/**
 * @param {'minutes' | 'seed' | 'servers' | 'ttl'} name
 * @param {number} least
 * @param {number} most
 */
function number(name, least, most) {
  const value = Number(values[name])
  if (value >= least && value <= most) return value
  throw new Refusal(`--${name} must be from ${least} to ${most}: ${values[name]}`)
}
