// `npm run package`: the packages of this machine as the registry would get them, in target/package.

import {cp, mkdir, readdir, readFile, rm} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {explain, isMain, root, run, step} from './run.mjs'
import {setup} from './setup.mjs'
import {zigEnvironment} from './zig.mjs'

/** The oldest glibc that the binaries for Linux run on. */
export const GLIBC = '2.28'

const OUT = join(root, 'target/package')
/** What napi builds, and nothing else. */
const BINARY = join(OUT, 'binary')
/** What the registry gets: the package and, under npm/, those of the platforms. */
const STAGE = join(OUT, 'stage')
export const TARBALLS = join(OUT, 'tarballs')

/** Builds the release binary and packs all packages. */
export async function pack() {
  const host = /^host: (.*)$/m.exec(await run('rustc', ['-vV']))?.[1] ?? ''
  const zig = host.endsWith('-linux-gnu') && (await zigEnvironment())
  await step('release build', () =>
    zig ? build(['--cross-compile', '--target', `${host}.${GLIBC}`], zig) : build([], {}),
  )
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
  for (const name of await readdir(BINARY)) {
    if (!name.endsWith('.node')) continue
    const [, platform] = basename(name, '.node').split(/\.(.*)/)
    await cp(join(BINARY, name), join(STAGE, 'npm', String(platform), name))
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
  for (const platform of platforms) await cp(join(root, 'LICENSE'), join(platform, 'LICENSE'))
  await run('npm', ['pack', '--silent', '--pack-destination', TARBALLS, STAGE, ...platforms])
}

if (isMain(import.meta.url)) {
  setup({redis: false})
    .then(pack)
    .then(
      () => console.log(TARBALLS),
      (error) => {
        explain(error)
        process.exitCode = 1
      },
    )
}
