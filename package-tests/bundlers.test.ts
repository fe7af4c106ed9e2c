// Bundles of a server in the settings that docs/frameworks.md names, as processes on a real Redis; and what
// is said in the settings that a bundler has by default.

import {cp, mkdtemp} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {stripVTControlCharacters} from 'node:util'
import {apps, newerNode, program, useApps} from './support/apps'
import {dir, ended, platform, tool} from './support/installed'

const BANNER =
  "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url)"
const place = useApps()

type Build = {
  node?: string
  args: string[]
  env?: Record<string, string>
  /** The name of the bundle. */
  file: string
}

const esbuild = (file: string, ...args: string[]): Build => ({
  node: program('@esbuild/linux-x64/bin/esbuild'),
  args: ['server.mjs', '--bundle', '--platform=node', `--outfile=$OUT`, ...args],
  file,
})
const webpack = (file: string, env: Record<string, string> = {}): Build => ({
  args: ['bundlers/webpack.cjs'],
  env,
  file,
})
const rollup = (env: Record<string, string> = {}): Build => ({
  args: [program('rollup/dist/bin/rollup'), '--config', 'bundlers/rollup.config.mjs', '--silent'],
  env,
  file: 'server.mjs',
})
const vite = (env: Record<string, string> = {}): Build => ({
  args: [program('vite/bin/vite.js'), 'build', '--config', 'bundlers/vite.config.mjs'],
  env,
  file: 'server.mjs',
})
const BUNDLED = {BUNDLED: 'yes'}

let bundles = 0

/** A bundle in a directory of its own, with what the bundler has said. */
async function bundle({node = process.execPath, args, env, file}: Build) {
  const out = join(apps, `out-${++bundles}`, file)
  const command = args.map((arg) => arg.replace('$OUT', out).replace('$DIR', dirname(out)))
  return {out, ...(await ended(node, command, {cwd: apps, env: {...env, OUT: out}}))}
}

/** The directory of a bundle where no node_modules are near. */
async function image(out: string) {
  const place = await mkdtemp(join(dir, 'image-'))
  await cp(dirname(out), place, {recursive: true})
  return join(place, basename(out))
}

async function expectToBePrimary(file: string) {
  const server = place.start([file])
  await server.tells('primary')
  expect(await server.end('SIGTERM')).toBe(0)
  expect(server.told('stopped')).toHaveLength(1)
  expect(await place.released('app')).toBe(true)
}

test.each<[string, Build]>([
  ['esbuild, ESM', esbuild('server.mjs', '--format=esm', '--external:primary-lease')],
  ['esbuild, CommonJS', esbuild('server.cjs', '--format=cjs', '--external:primary-lease')],
  [
    'tsup',
    {
      node: newerNode,
      args: [
        program('tsup/dist/cli-default.js'),
        'server.mjs',
        '--format=esm',
        '--out-dir=$DIR',
      ].concat('--external=primary-lease'),
      file: 'server.mjs',
    },
  ],
  ['Rollup', rollup()],
  ['Vite, for a server', vite()],
  ['webpack', webpack('server.js')],
])('%s: outside of the bundle', async (_, build) => {
  const {out, status, output} = await bundle(build)
  expect({status, output}).toMatchObject({status: 0})
  await expectToBePrimary(out)
})

const onLinuxX64 = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip

test.each<[string, Build]>([
  ['esbuild, CommonJS', esbuild('server.cjs', '--format=cjs', '--loader:.node=copy')],
  [
    'esbuild, ESM',
    esbuild('server.mjs', '--format=esm', '--loader:.node=copy', `--banner:js=${BANNER}`),
  ],
])('%s: with the binary beside the bundle, without node_modules', async (_, build) => {
  const {out, status, output} = await bundle(build)
  expect({status, output}).toMatchObject({status: 0})
  await expectToBePrimary(await image(out))
})

onLinuxX64('Bun: with the binary beside the bundle, without node_modules', async () => {
  const args = [
    'build',
    'server.mjs',
    '--target=node',
    '--outdir=$DIR',
    '--entry-naming=[name].mjs',
  ]
  const {out, status, output} = await bundle({
    node: tool('@oven/bun-linux-x64/bin/bun'),
    args,
    file: 'server.mjs',
  })
  expect({status, output}).toMatchObject({status: 0})
  await expectToBePrimary(await image(out))
})

describe('by default, where a bundler', () => {
  test.each<[string, Build]>([
    ['esbuild', esbuild('server.cjs')],
    ['Vite, with noExternal', vite(BUNDLED)],
  ])('shows the line that it cannot bundle: %s', async (_, build) => {
    const {status, output} = await bundle(build)
    expect(status).toBe(1)
    const plain = stripVTControlCharacters(output)
    expect(plain).toContain(`require('primary-lease-${platform}')`)
    expect(plain).toContain('keep external')
  })

  test.each<[string, Build]>([
    ['Rollup', rollup(BUNDLED)],
    ['webpack', webpack('server.js', BUNDLED)],
  ])('shows the file that it cannot bundle: %s', async (_, build) => {
    const {status, output} = await bundle(build)
    expect(status).toBe(1)
    expect(output).toContain(`primary-lease-${platform}/primary-lease.${platform}.node`)
  })

  test.each<[string, Build]>([
    ['esbuild, ESM', esbuild('server.mjs', '--format=esm', '--loader:.node=copy')],
    ['esbuild, a path instead of the binary', esbuild('server.cjs', '--loader:.node=file')],
    ['esbuild, nothing instead of the binary', esbuild('server.cjs', '--loader:.node=empty')],
    [
      'esbuild, the package of the platform outside',
      esbuild('server.cjs', `--external:primary-lease-${platform}`),
    ],
    ['webpack, a URL instead of the binary', webpack('server.js', {...BUNDLED, ASSET: 'yes'})],
  ])('makes a bundle, that says what is wrong as it starts: %s', async (_, build) => {
    const {out, status, output} = await bundle(build)
    expect({status, output}).toMatchObject({status: 0})
    const server = await ended(process.execPath, [await image(out)], {
      cwd: apps,
      env: {TOLD: '/dev/null'},
    })
    expect(server.status).toBe(1)
    expect(server.output).toContain(
      'Error: primary-lease is in a bundle, and its binary is not beside it',
    )
    expect(server.output).toContain("serverExternalPackages: ['primary-lease']")
  })
})

test.each<[string, Build]>([
  ['esbuild', {...esbuild('page.mjs'), args: ['bundlers/calls.mjs', '--bundle', '--outfile=$OUT']}],
  [
    'Vite',
    {
      args: [program('vite/bin/vite.js'), 'build', '--config', 'bundlers/vite-client.config.mjs'],
      file: 'page.mjs',
    },
  ],
  ['webpack', webpack('page.js', {...BUNDLED, TARGET: 'web', ENTRY: './bundlers/calls.mjs'})],
])('in a page by %s, a call says that it is no place for it', async (_, build) => {
  const {out, status, output} = await bundle(build)
  expect({status, output}).toMatchObject({status: 0})
  const page = await ended(process.execPath, [out], {cwd: apps})
  for (const name of ['establishPrimaryServer', 'LeaderRunner']) {
    expect(page.output).toContain(
      `primary-lease runs in Node.js servers only, and ${name} was called`,
    )
  }
})
