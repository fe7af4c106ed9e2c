// Who imports whom, beside src/: each folder knows support/ and itself, and support/ itself alone.

import {readdir, readFile} from 'node:fs/promises'
import {dirname, join, relative} from 'node:path'

const root = join(__dirname, '..')

/** The folders, and what else of the repository each may import. */
const FOLDERS: Record<string, RegExp> = {
  support: /^$/,
  scripts: /^support\//,
  demo: /^(support\/|index\.)/,
  chaos: /^(support\/|index\.)/,
  bench: /^(support\/|index\.)/,
  __test__: /^(support\/|index\.|src\/js\/|primary-lease\.node$)/,
  'package-tests': /^(support\/|jest\.config\.js$)/,
}

/** Imports, `require`s and their types, by their relative paths. */
const imports = (source: string) =>
  [
    ...source.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\(|\bresolve\()\s*['"](\.[^'"]*)/g),
  ].map(([, path]) => String(path))

/** `file: path` for each import that a file's folder must not have. */
function violations(file: string, source: string) {
  const folder = file.slice(0, file.indexOf('/'))
  return imports(source)
    .map((path) => relative(root, join(root, dirname(file), path)))
    .filter((path) => !path.startsWith(`${folder}/`) && !FOLDERS[folder]?.test(path))
    .map((path) => `${file}: ${path}`)
}

test('each folder imports support/ and itself, and support/ itself alone', async () => {
  const found: string[] = []
  let files = 0
  for (const folder of Object.keys(FOLDERS)) {
    for (const entry of await readdir(join(root, folder), {recursive: true})) {
      if (!/\.[cm]?[jt]s$/.test(entry) || /(^|\/)node_modules\//.test(entry)) continue
      const file = `${folder}/${entry}`
      found.push(...violations(file, await readFile(join(root, file), 'utf8')))
      files++
    }
  }
  expect(found).toEqual([])
  expect(files).toBeGreaterThan(100)
})

/** Each way to import a path. */
const WAYS: ((path: string) => string)[] = [
  (path) => `import {b} from '${path}'`,
  (path) => `import {\n  b,\n  type C,\n} from '${path}'`,
  (path) => `import '${path}'`,
  (path) => `export * from '${path}'`,
  (path) => `await import('${path}')`,
  (path) => `const {b} = require("${path}")`,
  (path) => `/** @type {import('${path}').B} */`,
]

test.each([
  ['support/a.mjs', '../scripts/b.mjs'],
  ['support/page/a.js', '../../chaos/b.mjs'],
  ['scripts/a.mjs', '../package-tests/b.mjs'],
  ['scripts/a.mjs', '../index.mjs'],
  ['demo/a.mjs', '../chaos/b.mjs'],
  ['chaos/a.mjs', '../scripts/b.mjs'],
  ['__test__/support/a.ts', '../../chaos/b.mjs'],
  ['__test__/a.test.ts', '../demo/b.mjs'],
  ['package-tests/a.test.ts', '../__test__/support/b'],
])('%s must not import %s', (file, path) => {
  for (const way of WAYS) expect(violations(file, way(path))).toHaveLength(1)
})

test.each([
  ['support/a.mjs', './b.mjs'],
  ['scripts/a.mjs', '../support/b.mjs'],
  ['__test__/examples/a.test.ts', '../../support/b'],
  ['__test__/examples/a.test.ts', '../support/b'],
  ['__test__/a.test.ts', '../index.js'],
  ['chaos/a.mjs', 'node:fs'],
])('%s may import %s', (file, path) => {
  for (const way of WAYS) expect(violations(file, way(path))).toEqual([])
})
