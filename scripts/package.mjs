// `npm run package`: the packages as the registry would get them, in target/package, for the tests. What is
// published is built by the release workflow.

import {cp, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {constants, setPriority} from 'node:os'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {BINARIES, ELSEWHERE, OUT, platforms, TARBALLS} from '../support/packed.mjs'
import {explain, Refusal, root, run, step} from '../support/run.mjs'
import {setup} from '../support/setup.mjs'
import {buildRelease, check, hostTarget, linkable, linux, targets} from './build.mjs'

const HELP = `npm run package -- [options]

Builds the release binary of this machine, and packs all packages; those of other platforms have none.

  --target <one>  the binary of this platform instead, in Rust's words; several times for several
  --all-linux     those of Linux: glibc and musl, x64 and arm64
  --all           these, and all else that zig can link: macOS, and Windows in the form of MinGW, which
                  is not packed
  --check         builds and packs nothing: has clippy check the code for every platform, or each --target
  --built         builds nothing: packs what is in target/package/binary

Zig, which links for others, comes from PyPI, and Rust's libraries for them by rustup. Each build takes some
minutes; what was compiled is kept.
`

/** What the registry gets: the package and, under npm/, those of the platforms. */
const STAGE = join(OUT, 'stage')

/** @param {{target?: string[], 'all-linux'?: boolean, all?: boolean, check?: boolean}} options */
async function wanted({target, 'all-linux': allLinux, all, check}) {
  for (const one of target ?? []) {
    if (!targets().includes(one)) throw new Refusal(`${one} is none of: ${targets().join(', ')}`)
  }
  if (target) return target
  if (check) return targets()
  if (all) return linkable()
  return allLinux ? linux() : [await hostTarget()]
}

/** Packs all packages, with the binaries that were built. */
async function pack() {
  await step('npm pack', async () => {
    await stage()
    await packStage()
  })
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
  const built = await readdir(BINARIES)
  for (const {name} of platforms()) {
    const binary = `primary-lease.${name}.node`
    const staged = join(STAGE, 'npm', name, binary)
    if (built.includes(binary)) await cp(join(BINARIES, binary), staged)
    else await writeFile(staged, ELSEWHERE)
    await cp(join(root, 'LICENSE'), join(STAGE, 'npm', name, 'LICENSE'))
  }
  // Names the packages of the platforms as optional dependencies. Not in the repository's own
  // package.json: `npm install` there would ask a registry that does not have this version yet.
  const publish = ['napi', 'pre-publish', '--tag-style', 'npm', '--no-gh-release']
  await run('npx', [...publish, '--skip-optional-publish', '--cwd', STAGE])
}

async function packStage() {
  await rm(TARBALLS, {recursive: true, force: true})
  await mkdir(TARBALLS, {recursive: true})
  const dirs = platforms().map(({name}) => join(STAGE, 'npm', name))
  await run('npm', ['pack', '--silent', '--pack-destination', TARBALLS, STAGE, ...dirs])
}

// Behind what else runs: `npm test` has Jest wait for leases meanwhile.
setPriority(constants.priority.PRIORITY_LOW)
try {
  const {values} = parseArgs({
    options: {
      target: {type: 'string', multiple: true},
      'all-linux': {type: 'boolean'},
      all: {type: 'boolean'},
      check: {type: 'boolean'},
      built: {type: 'boolean'},
      help: {type: 'boolean', short: 'h'},
    },
  })
  if (values.help) console.log(HELP)
  else {
    if (!values.built) await setup({redis: false, rust: values.check ? ['clippy'] : []})
    if (values.check) await check(await wanted(values))
    else {
      if (!values.built) await buildRelease(await wanted(values))
      await pack()
      console.log(TARBALLS)
    }
  }
} catch (error) {
  explain(error)
  process.exitCode = 1
}
