// `npm run package`: the packages as the registry would get them, in target/package, for the tests. Only
// that of this machine's platform has its binary: what is published is built by the release workflow.
// `--built` packs the binary that is in target/package/binary.

import {cp, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {constants, setPriority} from 'node:os'
import {join} from 'node:path'
import {GLIBC, OUT, TARBALLS} from '../support/packed.mjs'
import {explain, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'
import {zigEnvironment} from './zig.mjs'

/** What napi builds, and nothing else. */
const BINARY = join(OUT, 'binary')
/** What the registry gets: the package and, under npm/, those of the platforms. */
const STAGE = join(OUT, 'stage')

/** Builds the release binary of this machine. */
async function buildRelease() {
  const host = /^host: (.*)$/m.exec(await run('rustc', ['-vV']))?.[1] ?? ''
  const zig = host.endsWith('-linux-gnu') && (await zigEnvironment())
  await step('release build', () =>
    zig ? build(['--cross-compile', '--target', `${host}.${GLIBC}`], zig) : build([], {}),
  )
}

/** Packs all packages, with the binary that was built. */
async function pack() {
  await step('npm pack', async () => {
    await stage()
    await packStage()
  })
}

/**
 * @param {string[]} args
 * @param {Record<string, string>} env
 */
async function build(args, env) {
  await rm(BINARY, {recursive: true, force: true})
  const napi = ['napi', 'build', '--platform', '--release', '--no-js', '--no-const-enum']
  await run('npx', [...napi, ...args, '--output-dir', BINARY, '--', '--locked'], {env})
}

/** A copy of all that is published: `napi pre-publish` writes into the package.json. */
async function stage() {
  await rm(STAGE, {recursive: true, force: true})
  await mkdir(STAGE, {recursive: true})
  const {files} = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const others = ['package.json', 'README.md', 'LICENSE', 'npm']
  for (const path of [...files, ...others]) {
    await cp(join(root, path), join(STAGE, path), {recursive: true})
  }
  const built = (await readdir(BINARY)).filter((name) => name.endsWith('.node'))
  for (const platform of await readdir(join(STAGE, 'npm'))) {
    const name = `primary-lease.${platform}.node`
    const staged = join(STAGE, 'npm', platform, name)
    if (built.includes(name)) await cp(join(BINARY, name), staged)
    // napi refuses a platform without a binary.
    else await writeFile(staged, 'built elsewhere')
    await cp(join(root, 'LICENSE'), join(STAGE, 'npm', platform, 'LICENSE'))
  }
  // Names the packages of the platforms as optional dependencies. Not in the repository's own
  // package.json: `npm install` there would ask a registry that does not have this version yet.
  const publish = ['napi', 'pre-publish', '--tag-style', 'npm', '--no-gh-release']
  await run('npx', [...publish, '--skip-optional-publish', '--cwd', STAGE])
}

async function packStage() {
  await rm(TARBALLS, {recursive: true, force: true})
  await mkdir(TARBALLS, {recursive: true})
  const platforms = (await readdir(join(STAGE, 'npm'))).map((name) => join(STAGE, 'npm', name))
  await run('npm', ['pack', '--silent', '--pack-destination', TARBALLS, STAGE, ...platforms])
}

// Behind what else runs: `npm test` has Jest wait for leases meanwhile.
setPriority(constants.priority.PRIORITY_LOW)
try {
  if (!process.argv.includes('--built')) {
    await setup({redis: false})
    await buildRelease()
  }
  await pack()
  console.log(TARBALLS)
} catch (error) {
  explain(error)
  process.exitCode = 1
}
