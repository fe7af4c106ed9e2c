// What a fresh machine needs before anything else here runs. Node's own modules only: this is what
// installs the others.

import {access, rm, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {findBrowser} from './browser.mjs'
import {findPostgres} from './postgres.mjs'
import {findRedisServer} from './redis.mjs'
import {explain, Refusal, root, run, step, which} from './run.mjs'
import {findTmux} from './tmux.mjs'

/**
 * Brings the machine to where the addon can be built and tested.
 *
 * @param {{
 *   rust?: string[], redis?: boolean, postgres?: boolean, browser?: boolean, promtool?: boolean, terminal?: boolean,
 *   bench?: boolean,
 * }} [options] the rustup components that are needed besides the compiler, whether a Redis server
 *   program and PostgreSQL's are, whether a browser, promtool and a terminal are wanted, without which the pages, the
 *   alerts and the command are not tested with them, and whether the packages of the bench are, which draw its page too
 */
export async function setup({
  rust = [],
  redis = true,
  postgres = false,
  browser = false,
  promtool = false,
  terminal = false,
  bench = false,
} = {}) {
  checkNode()
  await installPackages(root, 'npm install')
  if (bench) await installPackages(join(root, 'bench'), 'npm install, bench')
  await checkRust(rust)
  if (redis && !(await findRedisServer())) await installRedis()
  if (postgres && !(await findPostgres())) await installPostgres()
  if (browser && !(await findBrowser())) await installBrowser()
  if (promtool && !(await which('promtool'))) await installPromtool()
  if (terminal && !(await findTmux())) await installTmux()
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) throw new Refusal(`Node 20 or newer is needed, this is ${process.versions.node}.`)
}

/**
 * Installs the versions of the directory's lock file, which is not written to, unless they are there.
 * Not `npm ci`: that refuses a lock file without the optional packages of other platforms, which a
 * registry need not have.
 *
 * @param {string} dir
 * @param {string} title
 */
export async function installPackages(dir, title) {
  // npm writes its own copy of the lock file last, so its age is that of the installation.
  const installed = await modified(join(dir, 'node_modules/.package-lock.json'))
  const wanted = (await modified(join(dir, 'package-lock.json'))) ?? 0
  if (installed !== undefined && installed >= wanted) return
  const quick = ['--prefer-offline', '--no-audit', '--no-fund']
  await step(title, () => run('npm', ['install', '--no-save', ...quick], {cwd: dir}))
}

/** @param {string} path */
async function modified(path) {
  return stat(path).then(
    ({mtimeMs}) => mtimeMs,
    () => undefined,
  )
}

/** @param {string[]} components */
async function checkRust(components) {
  if (!(await which('cargo'))) {
    throw new Refusal('Rust is needed to build the addon: see https://rustup.rs')
  }
  /** @type {Record<string, string>} */
  const programs = {rustfmt: 'cargo-fmt', clippy: 'cargo-clippy'}
  for (const component of components) {
    // rustup puts a stub on the path also for a component that is not installed: ask it.
    const works = await run(programs[component] ?? component, ['--version']).catch(() => undefined)
    if (works !== undefined) continue
    if (!(await which('rustup'))) {
      throw new Refusal(`${component} is needed: install it beside your cargo, or use rustup`)
    }
    await step(`rustup component add ${component}`, () =>
      run('rustup', ['component', 'add', component]),
    )
  }
}

/**
 * Rust's library for another platform, or for this one, where it has that already.
 *
 * @param {string} target
 */
export async function requireTarget(target) {
  const library = await run('rustc', ['--print', 'target-libdir', '--target', target])
  const there = await access(library.trim()).then(
    () => true,
    () => false,
  )
  if (there) return
  if (!(await which('rustup'))) {
    throw new Refusal(
      `Rust's library for ${target} is needed: install it beside your cargo, or use rustup`,
    )
  }
  await step(`rustup target add ${target}`, () => run('rustup', ['target', 'add', target]))
}

async function installRedis() {
  if (!(await canInstall())) {
    throw new Refusal(
      'A redis-server or valkey-server is needed on the PATH. ' +
        'Debian, Ubuntu: sudo apt-get install redis-server. macOS: brew install redis.',
    )
  }
  console.log("No redis-server or valkey-server on the PATH: installing Debian's redis-server.")
  await install('redis-server')
  if (!(await findRedisServer())) throw new Refusal('redis-server was installed but is not found')
}

async function installPostgres() {
  if (!(await canInstall())) {
    throw new Refusal(
      'A PostgreSQL server is needed. ' +
        'Debian, Ubuntu: sudo apt-get install postgresql. macOS: brew install postgresql.',
    )
  }
  console.log("No PostgreSQL on this machine: installing Debian's.")
  await install('postgresql')
  if (!(await findPostgres())) throw new Refusal('postgresql was installed but is not found')
}

async function installBrowser() {
  // A help and no need: the tests of the pages say that they were skipped.
  if (await canInstall()) await install('chromium').catch(explain)
  else console.log('No Chromium or Chrome on the PATH: the pages will not be tested.')
}

async function installPromtool() {
  // As the browser.
  if (await canInstall()) await install('prometheus').catch(explain)
  else console.log('No promtool on the PATH: the metrics and the alerts will not be checked by it.')
}

async function installTmux() {
  // As the browser.
  if (await canInstall()) await install('tmux').catch(explain)
  else console.log('No tmux on the PATH: the command will not be tested in a terminal.')
}

/** Whether packages of the system can be installed without asking anybody. */
export async function canInstall() {
  return process.getuid?.() === 0 && (await which('apt-get')) !== undefined
}

/** @param {string} name a package of Debian's */
export async function install(name) {
  await step('apt-get update', () => run('apt-get', ['update']))
  await step(`apt-get install ${name}`, () =>
    withoutStartingServices(() =>
      run('apt-get', ['install', '-y', '--no-install-recommends', name], {
        env: {DEBIAN_FRONTEND: 'noninteractive'},
      }),
    ),
  )
}

/**
 * Debian starts a service as it installs it, unless this file forbids it: nobody asked for a
 * server on port 6379 or 5432.
 *
 * @param {() => Promise<unknown>} install
 */
async function withoutStartingServices(install) {
  const policy = '/usr/sbin/policy-rc.d'
  const exists = await access(policy).then(
    () => true,
    () => false,
  )
  if (exists) return install()
  await writeFile(policy, '#!/bin/sh\nexit 101\n', {mode: 0o755})
  try {
    await install()
  } finally {
    await rm(policy)
  }
}
