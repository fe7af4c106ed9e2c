// Zig as a C compiler and a linker: for other platforms, and for an older glibc than this machine's.

import {access, mkdir, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Refusal, root, run, step} from '../support/run.mjs'
import {canInstall, install as installPackage} from '../support/setup.mjs'

const VERSIONS = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']
/** One directory per set of versions: a new one is installed beside the old. */
const DIR = join(root, 'target/zig', VERSIONS.join('-'))

/**
 * The environment in which `cargo zigbuild` works; installs it from PyPI where it is missing.
 *
 * @returns {Promise<Record<string, string>>}
 */
export async function zigEnvironment() {
  const env = {
    PATH: `${join(DIR, 'bin')}:${join(DIR, 'ziglang')}:${process.env.PATH}`,
    PYTHONPATH: DIR,
  }
  const installed = await access(join(DIR, 'bin/cargo-zigbuild')).then(
    () => true,
    () => false,
  )
  if (!installed) await install()
  return env
}

/**
 * The environment in which plain `cargo clippy` works for Windows with Microsoft's C library, whose headers
 * and linker are not to be had: crates that contain C are compiled with the other library's. Nothing is linked.
 *
 * @param {string} target
 */
export async function zigForWindows(target) {
  const env = await zigEnvironment()
  const [arch] = target.split('-')
  const dir = join(DIR, target)
  const [cc, ar] = [join(dir, 'cc'), join(dir, 'ar')]
  await mkdir(dir, {recursive: true})
  const withoutTarget =
    'for argument do shift; case "$argument" in --target=*) ;; *) set -- "$@" "$argument";; esac; done'
  await writeFile(cc, script(withoutTarget, `exec zig cc -target ${arch}-windows-gnu "$@"`), MODE)
  await writeFile(ar, script('exec zig lib "$@"'), MODE)
  const name = target.replaceAll('-', '_')
  return {...env, [`CC_${name}`]: cc, [`AR_${name}`]: ar}
}

/** @param {string[]} lines */
const script = (...lines) => ['#!/bin/sh', ...lines, ''].join('\n')
const MODE = {mode: 0o755}

async function install() {
  if (!(await hasPip())) {
    if (!(await canInstall())) {
      throw new Refusal(
        'Python 3 with pip is needed, for zig, which links against the glibc that the package ' +
          'promises. Debian, Ubuntu: sudo apt-get install python3-pip.',
      )
    }
    await installPackage('python3-pip')
  }
  // Not a virtual environment: Debian has that module in a package of its own. And not in place: what
  // was interrupted must not look installed.
  const unfinished = `${DIR}.unfinished`
  await rm(unfinished, {recursive: true, force: true})
  await step('pip install ziglang cargo-zigbuild', () =>
    run('python3', ['-m', 'pip', 'install', '--quiet', '--target', unfinished, ...VERSIONS]),
  )
  await rename(unfinished, DIR)
}

function hasPip() {
  return run('python3', ['-m', 'pip', '--version']).then(
    () => true,
    () => false,
  )
}
