// `npm test`: proves the tree. Formatting, lints, types, the Rust tests, the generated files, Jest against
// real Redis and PostgreSQL servers, the fault run, and the packed package. It reads the tracked files and
// writes none; what it makes lies in target/.

import {spawn} from 'node:child_process'
import {copyFile, readFile, rename, rm} from 'node:fs/promises'
import {availableParallelism} from 'node:os'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {jest} from '../support/jest.mjs'
import {TYPES} from '../support/packed.mjs'
import {explain, Refusal, root, run, which} from '../support/run.mjs'
import {bringOtherServer, findOtherServer, OTHER_SERVERS} from '../support/servers.mjs'
import {setup} from '../support/setup.mjs'
import {Proof} from './proof.mjs'

const HELP = `npm test -- [options]

  --quick   while you work: the lints, the rules of the elections and of the runs, and Jest on what one
            Redis server shows of most of the exports
  --busy    Jest alone, on a machine that is busy: beside two processes for each processor that take all the
            time they get
`
const ADDON_DIR = 'target/addon'
const JEST_REPORT = 'target/jest.json'
/** What --quick has of Jest: many exports, on one server each, with little waiting. */
const QUICK = [
  'binary',
  'commands',
  'config',
  'errors',
  'folders',
  'leader-runner',
  'listeners',
  'names',
  'shown',
  'with-lease',
].map((name) => `__test__/${name}.test.ts`)
/** What has to hold on every server: the scripts, and the suites that each store passes. */
const STORES = ['scripts', 'run_scripts', 'stores', 'run_stores'].flatMap((name) => [
  '--test',
  name,
])
/** One of each: their code does not depend on the processor. */
const OTHER_SYSTEMS = ['x86_64-pc-windows-msvc', 'aarch64-apple-darwin']
/** A seed whose minute has nearly every kind of fault in it. */
const CHAOS = ['--minutes', '1', '--seed', '7652']
/** It says every few seconds how far it is. */
const CHAOS_SILENCE = 120_000

const proof = new Proof()

/** @param {{quick?: boolean, busy?: boolean}} options */
async function test({quick = false, busy = false}) {
  await setup({
    rust: ['rustfmt', 'clippy'],
    postgres: !quick,
    browser: !quick,
    promtool: !quick,
    terminal: !quick,
    bench: !busy,
  })
  if (!busy) await prove(quick)
  else {
    await addon()
    await besideLoad(() =>
      proof.step('jest on a busy machine', () => counted(jest), {needs: ['addon']}),
    )
  }
}

/** @param {boolean} quick */
async function prove(quick) {
  await proof.step('cargo fmt --check', () => run('cargo', ['fmt', '--check']))
  await proof.step('cargo clippy', () =>
    run('cargo', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']),
  )
  await proof.step('biome ci', () => run('npx', ['biome', 'ci', '--colors=off', '.']))
  await proof.step('tsc', tsc)
  await proof.step('cargo test', () =>
    cargoTest(quick ? ['--lib', '--test', 'rooms', '--test', 'references'] : []),
  )
  // Jest holds an election on those that were brought.
  if (!quick) await otherServers()
  await addon()
  const needs = ['addon']
  await proof.step('index.mjs, browser.mjs, addon.d.ts up to date', checkGenerated, {needs})
  const files = quick ? ['--runTestsByPath', ...QUICK] : []
  // Most of the time Jest waits for leases to run out: meanwhile the release is built.
  const packing = !quick && packAndCheck()
  await proof.step('jest', () => counted((args) => jest([...args, ...files])), {needs})
  await packing
  if (quick) return
  await proof.step('a minute of faults', chaos, {needs})
  const packed = ['package-tests/run.mjs', '--packed']
  await proof.step(
    'the packed package',
    () => counted((args) => run(process.execPath, [...packed, ...args], {show: true})),
    {needs: ['npm run package']},
  )
}

/** What a user gets, and whether the code that only other systems compile still does. */
async function packAndCheck() {
  const program = ['scripts/package.mjs']
  await proof.step('npm run package', () => run(process.execPath, program))
  const title = 'the code for Windows and macOS'
  if (!(await which('rustup'))) return proof.skip(title, 'rustup would bring what it needs')
  const targets = OTHER_SYSTEMS.flatMap((target) => ['--target', target])
  await proof.step(title, () => run(process.execPath, [...program, '--check', ...targets]))
}

/** Built, and beside index.js, which git ignores; `npm run build` puts the release there. */
async function addon() {
  // napi names the target, so its dependencies are built beside those of the Rust tests.
  await proof.step('addon', async () => {
    await run('npm', ['run', 'addon', '--', '--no-dts-cache', '--output-dir', ADDON_DIR])
    // In one step: a process may be running the old one.
    await copyFile(join(root, ADDON_DIR, 'primary-lease.node'), join(root, 'new.node'))
    await rename(join(root, 'new.node'), join(root, 'primary-lease.node'))
  })
}

/**
 * Does something while the processor has other work.
 *
 * @param {() => Promise<unknown>} work
 */
async function besideLoad(work) {
  // Ends with this process, however that ends.
  const loop = 'const parent = process.ppid; while (process.ppid === parent);'
  const loops = Array.from({length: 2 * availableParallelism()}, () =>
    spawn(process.execPath, ['-e', loop], {stdio: 'ignore'}),
  )
  try {
    await work()
  } finally {
    for (const child of loops) child.kill('SIGKILL')
  }
}

async function tsc() {
  await run('npx', ['tsc', '--noEmit'])
  // What runs in a browser knows another world.
  await run('npx', ['tsc', '--noEmit', '--project', 'support/page'])
  await run('npx', ['tsc', '--noEmit', '--project', 'bench/page'])
}

/** On servers of other versions, where they can be had. */
async function otherServers() {
  const brought = OTHER_SERVERS.map((server) => bringOtherServer(server).catch((error) => error))
  for (const [index, failure] of (await Promise.all(brought)).entries()) {
    const server = OTHER_SERVERS[index]
    const title = `the stores on ${server?.name}`
    const program = server && findOtherServer(server)
    if (program) await proof.step(title, () => cargoTest(STORES, {REDIS_SERVER: program}))
    else proof.skip(title, failure.message)
  }
}

/**
 * @param {string[]} which
 * @param {Record<string, string>} [env]
 */
async function cargoTest(which, env) {
  // One that fails keeps no other from being run.
  const args = ['test', '--locked', '--no-fail-fast', ...which]
  const output = await run('cargo', args, {env}).catch((error) => {
    countRust(error.output ?? '')
    throw error
  })
  countRust(output)
}

/** @param {string} output */
function countRust(output) {
  for (const [, ok, bad] of output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed/gm)) {
    proof.passed += Number(ok)
    proof.failed += Number(bad)
  }
}

async function checkGenerated() {
  for (const name of ['index.mjs', 'browser.mjs', TYPES]) {
    const tracked = await readFile(join(root, name), 'utf8').catch(() => undefined)
    if (tracked !== (await readFile(join(root, ADDON_DIR, name), 'utf8'))) {
      throw new Refusal(`${name} is not what is generated: npm run fix, then commit it`)
    }
  }
}

async function chaos() {
  const args = ['chaos/run.mjs', '--no-build', ...CHAOS]
  await run(process.execPath, args, {silence: CHAOS_SILENCE})
  proof.passed++
}

/**
 * Adds up what a run of Jest reports.
 *
 * @param {(args: string[]) => Promise<unknown>} run
 */
async function counted(run) {
  await rm(join(root, JEST_REPORT), {force: true})
  try {
    await run(['--ci', '--json', '--outputFile', join(root, JEST_REPORT)])
  } finally {
    const report = await readFile(join(root, JEST_REPORT), 'utf8').catch(() => '{}')
    const {numPassedTests = 0, numFailedTests = 0} = JSON.parse(report)
    proof.passed += numPassedTests
    proof.failed += numFailedTests
  }
}

try {
  const {values} = parseArgs({
    options: {
      quick: {type: 'boolean'},
      busy: {type: 'boolean'},
      help: {type: 'boolean', short: 'h'},
    },
  })
  if (values.help) console.log(HELP)
  else {
    await test(values)
    console.log(`\n${proof.summary}`)
  }
} catch (error) {
  // The machine lacks something, or the arguments were wrong: no step could be taken.
  explain(error)
  process.exitCode = 1
}
if (!proof.holds) process.exitCode = 1
