// What the loader says where there is no binary, or one that cannot be loaded.

import {spawnSync} from 'node:child_process'
import {cp, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

const root = join(__dirname, '..')
let dir: string

/** The package without its binary. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'primary-lease-loader-'))
  for (const path of ['index.js', 'package.json', 'src/js']) {
    await cp(join(root, path), join(dir, path), {recursive: true})
  }
})
afterAll(() => rm(dir, {recursive: true, force: true}))

function load(from: string, ...switches: string[]) {
  const script = `try { require(${JSON.stringify(join(from, 'index.js'))}) } catch (error) {
    console.log(JSON.stringify([error.message, error.cause?.code, error.cause?.message]))
  }`
  const {stdout, stderr} = spawnSync(process.execPath, [...switches, '-e', script], {
    encoding: 'utf8',
  })
  if (!stdout) throw new Error(`nothing was said: ${stderr}`)
  return JSON.parse(stdout) as (string | undefined)[]
}

test('a package that is not installed is named, with how to get it', () => {
  const [message] = load(dir)
  expect(message).toContain(`needs the package primary-lease-${process.platform}-${process.arch}`)
  expect(message).toContain('npm install --save-optional')
})

test('in the place of a bundle it says that it is in one, and what to write', async () => {
  const bundle = join(dir, 'bundle')
  for (const path of ['index.js', 'src/js']) {
    await cp(join(root, path), join(bundle, path), {recursive: true})
  }
  await writeFile(join(bundle, 'package.json'), JSON.stringify({name: 'app'}))
  const [message] = load(bundle)
  expect(message).toContain('primary-lease is in a bundle, and its binary is not beside it')
  expect(message).toContain('esbuild, Bun: --external:primary-lease')
})

test('a binary that is broken is not said to be missing, and the cause is kept', async () => {
  await writeFile(join(dir, 'primary-lease.node'), 'no binary')
  const [message, code, cause] = load(dir)
  expect(message).toContain('found ./primary-lease.node, but could not load it')
  expect(code).toBe('ERR_DLOPEN_FAILED')
  expect(message).toContain(cause)
})

test('neither is one that Node was told not to load', () => {
  const [message, code] = load(root, '--no-addons')
  expect(message).toContain('could not load it')
  expect(code).toBe('ERR_DLOPEN_DISABLED')
})
