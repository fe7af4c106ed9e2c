// Proves the tree: formatting, lints, types, the Rust tests, the generated files, Jest against real
// Redis and PostgreSQL servers, and the packed package. It reads the tracked files and writes none;
// what it makes lies in target/.

import {copyFile, readFile, rename, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {TYPES} from '../support/packed.mjs'
import {explain, Refusal, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'

const ADDON = 'target/addon'
const JEST_REPORT = 'target/jest.json'
/** An open handle keeps Jest from ending: that is a failure too, not a wait for ever. */
const JEST_TIMEOUT = 600_000
/** A seed whose minute has nearly every kind of fault in it. */
const CHAOS = ['--minutes', '1', '--seed', '7652']
const CHAOS_TIMEOUT = 180_000

let passed = 0
let failed = 0

async function test() {
  await setup({rust: ['rustfmt', 'clippy'], postgres: true, browser: true})
  await step('cargo fmt --check', () => run('cargo', ['fmt', '--check']))
  await step('cargo clippy', () =>
    run('cargo', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']),
  )
  await step('biome ci', () => run('npx', ['biome', 'ci', '--colors=off', '.']))
  await step('tsc', tsc)
  await step('cargo test', cargoTest)
  // The debug profile shares its dependencies with the step before: nothing is built twice.
  await step('addon', () =>
    run('npm', ['run', 'addon', '--', '--no-dts-cache', '--output-dir', ADDON]),
  )
  await step('index.mjs and addon.d.ts are up to date', checkGenerated)
  await step('jest', async () => {
    await placeAddon()
    // Not through npx: a timeout has to end Jest itself.
    await jest('node_modules/jest/bin/jest.js', JEST_TIMEOUT)
  })
  await step('a minute of faults', chaos)
  await step('the packed package', () => jest('package-tests/run.mjs'))
}

async function tsc() {
  await run('npx', ['tsc', '--noEmit'])
  // What runs in a browser knows another world.
  await run('npx', ['tsc', '--noEmit', '--project', 'support/page'])
}

async function cargoTest() {
  const output = await run('cargo', ['test', '--locked']).catch((error) => {
    countRust(error.output ?? '')
    throw error
  })
  countRust(output)
}

/** @param {string} output */
function countRust(output) {
  for (const [, ok, bad] of output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed/gm)) {
    passed += Number(ok)
    failed += Number(bad)
  }
}

async function checkGenerated() {
  for (const name of ['index.mjs', TYPES]) {
    const tracked = await readFile(join(root, name), 'utf8').catch(() => undefined)
    if (tracked !== (await readFile(join(root, ADDON, name), 'utf8'))) {
      throw new Refusal(`${name} is not what is generated: npm run fix, then commit it`)
    }
  }
}

/**
 * Puts what was just built beside index.js, which git ignores; `npm run build` puts the release
 * there.
 */
async function placeAddon() {
  // In one step: a process may be running the old one.
  await copyFile(join(root, ADDON, 'primary-lease.node'), join(root, 'new.node'))
  await rename(join(root, 'new.node'), join(root, 'primary-lease.node'))
}

async function chaos() {
  await run('node', ['chaos/run.mjs', '--no-build', ...CHAOS], {timeout: CHAOS_TIMEOUT})
  passed++
}

/**
 * @param {string} script Jest, or what passes its arguments on to Jest
 * @param {number} [timeout]
 */
async function jest(script, timeout) {
  await rm(join(root, JEST_REPORT), {force: true})
  try {
    const all = [script, '--ci', '--json', '--outputFile', join(root, JEST_REPORT)]
    await run(process.execPath, all, {show: true, timeout})
  } finally {
    const report = await readFile(join(root, JEST_REPORT), 'utf8').catch(() => '{}')
    const {numPassedTests = 0, numFailedTests = 0} = JSON.parse(report)
    passed += numPassedTests
    failed += numFailedTests
  }
}

try {
  await test()
} catch (error) {
  explain(error)
  // What failed need not have been a test: a lint, a hang.
  failed ||= 1
  process.exitCode = 1
}
console.log(`\n${passed} passed, ${failed} failed`)
