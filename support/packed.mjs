// What a package is, for what makes it and for what tests it.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {root} from './run.mjs'

/** The oldest glibc that the binaries for Linux run on. */
export const GLIBC = '2.28'

/** Where `npm run package` leaves what it makes. */
export const OUT = join(root, 'target/package')
/** The binaries; that of a platform is `primary-lease.<platform>.node`. */
export const BINARIES = join(OUT, 'binary')
export const TARBALLS = join(OUT, 'tarballs')

/** The types of what the binary exports, which napi generates. */
export const TYPES = 'src/js/addon.d.ts'

/**
 * The names that exist when the program runs, as opposed to types.
 *
 * @param {string} declarations the text of an index.d.ts
 */
export function exportedValues(declarations) {
  const found = declarations.matchAll(
    /^export (?:declare )?(?:const|function|class|namespace) (\w+)/gm,
  )
  return [...new Set([...found].map(([, name]) => String(name)))].sort()
}

/**
 * A platform that has a package: in Rust's words, and in those of the names of packages.
 *
 * @typedef {{target: string, name: string}} Platform
 */

/** @returns {Platform[]} all of them */
export function platforms() {
  const {napi} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  /** @type {Record<string, string>} */
  const words = {x86_64: 'x64', aarch64: 'arm64', windows: 'win32'}
  return napi.targets.map((/** @type {string} */ target) => {
    const [arch = '', , system = '', abi] = target.split('-')
    const name = [words[system] ?? system, words[arch] ?? arch, abi].filter(Boolean).join('-')
    return {target, name}
  })
}

/** The name of the one that this machine needs. */
export const OWN_PLATFORM =
  process.platform === 'linux'
    ? `linux-${process.arch}-gnu`
    : process.platform === 'win32'
      ? `win32-${process.arch}-msvc`
      : `${process.platform}-${process.arch}`

/** What stands in a package for a binary that was built elsewhere: napi refuses a platform without one. */
export const ELSEWHERE = 'built elsewhere'
