// Builds the release binaries: of this machine, and with zig of others. What zig cannot link is type-checked.

import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {BINARIES, GLIBC, OUT, platforms} from '../support/packed.mjs'
import {root, run, step} from '../support/run.mjs'
import {requireTarget} from '../support/setup.mjs'
import {zigEnvironment, zigForWindows} from './zig.mjs'

/** What zig links for Windows is for the other C library there: it shows that it links, and is not packed. */
const WINDOWS = ['x86_64-pc-windows-gnu', 'aarch64-pc-windows-gnullvm']

/** The platforms of Linux. */
export const linux = () => targets().filter((target) => target.includes('-linux-'))

/** All platforms, those of Windows as far as zig can link them. */
export const linkable = () => [
  ...targets().filter((target) => !target.includes('-windows-')),
  ...WINDOWS,
]

export const targets = () => platforms().map(({target}) => target)

/** This machine's platform. */
export async function hostTarget() {
  return /^host: (.*)$/m.exec(await run('rustc', ['-vV']))?.[1] ?? ''
}

/**
 * Leaves the binaries of these platforms, and no others, in their directory. What cargo has compiled before
 * it does not compile again.
 *
 * @param {string[]} wanted
 */
export async function buildRelease(wanted) {
  await rm(BINARIES, {recursive: true, force: true})
  await mkdir(BINARIES, {recursive: true})
  for (const target of wanted) {
    await requireTarget(target)
    await step(`release build for ${target}`, () => build(target))
  }
}

/** @param {string} target */
async function build(target) {
  if (WINDOWS.includes(target)) return buildForWindows(target)
  const napi = ['napi', 'build', '--platform', '--release', '--no-js', '--no-const-enum']
  const where = ['--output-dir', BINARIES, '--', '--locked']
  // The machine's own linker, where it makes what the package promises anyway.
  const own = target === (await hostTarget()) && !target.endsWith('-linux-gnu')
  if (own) return run('npx', [...napi, '--target', target, ...where])
  const versioned = target.endsWith('-linux-gnu') ? `${target}.${GLIBC}` : target
  await run('npx', [...napi, '--cross-compile', '--target', versioned, ...where], {
    env: {...(await zigEnvironment()), CARGO_BUILD_RUSTFLAGS: await rustFlags()},
  })
}

/** Those of `.cargo/config.toml`: where napi's command has flags of its own, as for musl, cargo would not read them. */
async function rustFlags() {
  const config = await readFile(join(root, '.cargo/config.toml'), 'utf8')
  const [, flags = '[]'] = /^rustflags = (.*)$/m.exec(config) ?? []
  return /** @type {string[]} */ (JSON.parse(flags)).join(' ')
}

/**
 * napi's command builds for Microsoft's C library alone. For the other one its build script wants a library of
 * Node's; an empty one will do, since the addon looks up what Node has when it is loaded.
 *
 * @param {string} target
 */
async function buildForWindows(target) {
  const dir = join(OUT, 'libnode')
  await mkdir(dir, {recursive: true})
  await writeFile(join(dir, 'libnode.dll'), '')
  for (const name of ['libnode.a', 'libnode.dll.a']) await writeFile(join(dir, name), '!<arch>\n')
  const args = ['zigbuild', '--release', '--locked', '--lib', '--target', target]
  await run('cargo', args, {env: {...(await zigEnvironment()), LIBNODE_PATH: dir}})
}

/**
 * Has the compiler and clippy look at the code for these platforms, which takes a part of a build's time.
 *
 * @param {string[]} wanted
 */
export async function check(wanted) {
  for (const target of wanted) {
    await requireTarget(target)
    await step(`cargo clippy for ${target}`, () => checkOne(target))
  }
}

/** @param {string} target */
async function checkOne(target) {
  const args = ['clippy', '--locked', '--lib', '--target', target, '--', '-D', 'warnings']
  if (target === (await hostTarget())) return run('cargo', args)
  if (target.endsWith('-msvc')) return run('cargo', args, {env: await zigForWindows(target)})
  await run('cargo-zigbuild', args, {env: await zigEnvironment()})
}
