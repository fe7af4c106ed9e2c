// `npm run test:package`: packs the package, installs it outside the repository as its user would, and
// runs the tests in this directory there. `--built` takes the binary that is in target/package/binary,
// `--packed` the packages that are in target/package/tarballs; other arguments go to Jest.

import {cp, mkdir, mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {jest} from '../support/jest.mjs'
import {ELSEWHERE, OUT, OWN_PLATFORM, platforms, TARBALLS} from '../support/packed.mjs'
import {explain, reason, root, run, skip, step} from '../support/run.mjs'
import {installPackages, setup} from '../support/setup.mjs'
import {bringForeignNode} from './foreign.mjs'
import {startRegistry} from './registry.mjs'

const HERE = join(root, 'package-tests')
const TOOLS = join(OUT, 'tools')

/**
 * Installs what was packed in an app outside the repository, and in a folder of apps under what servers run under, calls `use` with the environment that
 * the tests want, and removes everything.
 *
 * @template T
 * @param {(env: Record<string, string>) => Promise<T>} use
 */
async function withInstalled(use) {
  await installTools()
  const registry = await startRegistry(TARBALLS)
  const dir = await mkdtemp(join(tmpdir(), 'primary-lease-package-'))
  try {
    const [app, apps] = [join(dir, 'app'), join(dir, 'apps')]
    for (const folder of [app, apps])
      await cp(join(HERE, basename(folder)), folder, {recursive: true})
    await Promise.all([
      installPackages(app, 'npm install in a new app'),
      installPackages(apps, 'npm install of the frameworks'),
    ])
    await step('npm install primary-lease', () => addPackage(app, registry.url))
    await step('npm install primary-lease, frameworks', () => addPackage(apps, registry.url))
    await bringPlatforms(join(dir, 'platforms'))
    return await use({
      PACKAGE_TESTS_DIR: dir,
      PACKAGE_TESTS_REGISTRY: registry.url,
      PACKAGE_TESTS_TARBALLS: TARBALLS,
      PACKAGE_TESTS_TOOLS: TOOLS,
    })
  } finally {
    registry.close()
    await rm(dir, {recursive: true, force: true})
  }
}

/** They are kept from run to run: several hundred megabytes. */
async function installTools() {
  await cp(join(HERE, 'tools'), TOOLS, {recursive: true, preserveTimestamps: true})
  await installPackages(TOOLS, 'npm install of the tools')
}

/**
 * @param {string} app
 * @param {string} registry
 */
async function addPackage(app, registry) {
  // A cache of its own: every run packs another primary-lease of the same version.
  const from = ['--registry', registry, '--cache', join(app, '../npm-cache')]
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', ...from, 'primary-lease'], {
    cwd: app,
  })
}

/**
 * A second app, with the packages of all platforms whose binaries were built: what an installer would not
 * leave together. And, where it can be had, a Node for each.
 *
 * @param {string} dir
 */
async function bringPlatforms(dir) {
  await unpack('primary-lease', dir)
  await cp(join(HERE, 'app/load'), join(dir, 'load'), {recursive: true})
  /** @type {string[]} */
  const absent = []
  for (const {name} of platforms()) {
    const unpacked = await unpack(`primary-lease-${name}`, dir)
    const binary = await readFile(join(unpacked, `primary-lease.${name}.node`))
    if (binary.equals(Buffer.from(ELSEWHERE))) {
      absent.push(name)
      await rm(unpacked, {recursive: true})
    } else if (name !== OWN_PLATFORM) {
      await bringForeignNode(name).catch((error) => skip(`run on ${name}`, reason(error)))
    }
  }
  if (absent.length) skip(absent.join(', '), 'not built: npm run package -- --help says how')
}

/**
 * @param {string} name of a package
 * @param {string} app
 */
async function unpack(name, app) {
  const {version} = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const [from, to] = [join(TARBALLS, `${name}-${version}.tgz`), join(app, 'node_modules', name)]
  await mkdir(to, {recursive: true})
  await run('tar', ['-xzf', from, '-C', to, '--strip-components=1'])
  return to
}

try {
  const args = process.argv.slice(2)
  const [built, packed] = [args.includes('--built'), args.includes('--packed')]
  if (!built && !packed) await setup()
  const script = [join(root, 'scripts/package.mjs'), ...(built ? ['--built'] : [])]
  if (!packed) await run(process.execPath, script, {show: true})
  const own = args.filter((arg) => arg !== '--built' && arg !== '--packed')
  await withInstalled((env) => jest(['--config', join(HERE, 'jest.config.js'), ...own], env))
} catch (error) {
  explain(error)
  process.exitCode = 1
}
