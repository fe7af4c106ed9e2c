// Zig as a linker, which can link against an older glibc than this machine's.

import {access, rename, rm} from 'node:fs/promises'
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
