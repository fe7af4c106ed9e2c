// What a package is, for what makes it and for what tests it.

import {join} from 'node:path'
import {root} from './run.mjs'

/** The oldest glibc that the binaries for Linux run on. */
export const GLIBC = '2.28'

/** Where `npm run package` leaves what it makes. */
export const OUT = join(root, 'target/package')
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
