// The examples of the documents are code that runs: each is found in a file of `examples/`, which is
// a test of its own and which TypeScript reads, in the model of Parabol's servers, or in the apps of
// `package-tests/`, which tests run.

import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

const root = join(__dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const list = (folder: string, ending: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)

/** How deep a line is indented says nothing about what it does. */
const lines = (code: string) => `\n${code.replace(/^[ \t]+/gm, '').trim()}\n`

/** Whether each paragraph of the example stands in the file, in the same order. */
function stands(example: string, file: string) {
  let from = 0
  return example.split(/\n{2,}/).every((paragraph) => {
    const found = lines(file).indexOf(lines(paragraph), from)
    // The line break that ends one paragraph may begin the next.
    from = found + lines(paragraph).length - 1
    return found >= 0
  })
}

const documents = ['README.md', ...list('docs', '.md')]
const tests = list('__test__/examples', '.ts')
const apps = ['', '/next', '/nest'].flatMap((folder) =>
  ['.ts', '.mjs', '.cjs'].flatMap((ending) => list(`package-tests/apps${folder}`, ending)),
)
const files = [...tests, ...list('package-tests/app/src', '.ts'), ...apps]
const blocks = documents.flatMap((document) =>
  [...read(document).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    document,
    language,
    code: code ?? '',
  })),
)
const examples = blocks.filter(({language}) => language === 'ts')

test('every example of the documents is part of a test that runs', () => {
  const missing = examples.filter(({code}) => !files.some((file) => stands(code, read(file))))
  expect(missing).toEqual([])
  expect(examples.length).toBeGreaterThan(0)
})

test('every file of examples is a test, and is shown', () => {
  for (const file of tests) {
    expect(file).toMatch(/\.test\.ts$/)
    expect([file, examples.some(({code}) => stands(code, read(file)))]).toEqual([file, true])
  }
})

test('no example is written in a way that is not looked at', () => {
  const languages = new Set(blocks.map(({language}) => language))
  expect(
    [...languages].filter((language) => !['ts', 'sh', 'sql', 'yaml'].includes(language ?? '')),
  ).toEqual([])
})

test('an example that says something else is noticed', () => {
  const file = 'import {a} from "b"\n\ntest("", () => {\n  a()\n  b()\n\n  c()\n})\n'
  expect(stands('a()\nb()\n\nc()', file)).toBe(true)
  expect(stands('import {a} from "b"\n\nc()\n', file)).toBe(true)
  expect(stands('c()\n\na()', file)).toBe(false)
  expect(stands('a()\nc()', file)).toBe(false)
  expect(stands('a(', file)).toBe(false)
})
