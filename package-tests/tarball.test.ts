// What the registry would get, file by file.

import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {exportedValues, platforms} from '../support/packed.mjs'
import {root} from '../support/run.mjs'
import {output, platform, tarball, version} from './support/installed'

const read = (file: string) => readFile(join(root, file), 'utf8')

async function files(name: string) {
  const list = await output('tar', ['-tzf', tarball(name)])
  return list
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''))
    .sort()
}

async function manifest(name: string) {
  return JSON.parse(await output('tar', ['-xzOf', tarball(name), 'package/package.json']))
}

test('the package holds what its user needs and nothing else', async () => {
  expect(await files('primary-lease')).toEqual(
    [
      'LICENSE',
      'README.md',
      'browser.mjs',
      'index.d.mts',
      'index.d.ts',
      'index.js',
      'index.mjs',
      'package.json',
      'src/js/addon.d.ts',
      ...(await readdir(join(root, 'src/js'), {recursive: true}))
        .filter((name) => name.endsWith('.js'))
        .map((name) => `src/js/${name}`),
    ].sort(),
  )
})

test('the package of the platform holds the binary', async () => {
  expect(await files(`primary-lease-${platform}`)).toEqual([
    'LICENSE',
    'README.md',
    'package.json',
    `primary-lease.${platform}.node`,
  ])
})

test('each platform has a package, an optional dependency and a branch of the loader', async () => {
  const names = platforms().map(({name}) => name)
  expect(names).toHaveLength(8)
  const {optionalDependencies} = await manifest('primary-lease')
  const loader = await read('index.js')
  const wanted = Object.fromEntries(names.map((name) => [`primary-lease-${name}`, version]))
  expect(optionalDependencies).toEqual(wanted)
  for (const name of names) {
    expect(loader).toMatch(new RegExp(`require(Unseen)?\\('primary-lease-${name}'\\)`))
    const [os = '', cpu, abi] = name.split('-')
    const own = await manifest(`primary-lease-${name}`)
    expect(own).toMatchObject({
      version,
      main: `primary-lease.${name}.node`,
      os: [os],
      cpu: [cpu],
    })
    expect(own.libc).toEqual(os === 'linux' ? [abi === 'gnu' ? 'glibc' : 'musl'] : undefined)
  }
})

test('no package has a script that an installation would run', async () => {
  for (const name of ['', ...platforms().map(({name}) => `-${name}`)]) {
    const {scripts = {}, dependencies = {}} = await manifest(`primary-lease${name}`)
    expect(Object.keys(scripts).filter((script) => /install|prepare/.test(script))).toEqual([])
    expect(dependencies).toEqual({})
  }
})

test('CommonJS, ES modules and the types know the same names', async () => {
  const names = exportedValues(await read('index.d.ts'))
  expect(names).toContain('establishPrimaryServer')
  const script = `
    import {createRequire} from 'node:module'
    const required = createRequire(import.meta.url)('primary-lease')
    console.log(JSON.stringify([Object.keys(required).sort(), Object.keys(await import('primary-lease'))]))`
  const said = await output(process.execPath, ['--input-type=module', '--eval', script])
  expect(JSON.parse(said)).toEqual([names, names])
})
