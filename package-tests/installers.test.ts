// Each installer takes the package and, of those of the platforms, the one for this machine; none runs a
// script.

import {cp, mkdir, readdir, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {app, dir, ended, output, platform, registry, tool, version} from './support/installed'

const node = process.execPath
const MUSL = `primary-lease-linux-${process.arch}-musl`

/** A new directory that wants primary-lease and has a home of its own, so that nothing is cached. */
async function project(name: string, manifest = {}) {
  const cwd = join(dir, name)
  await mkdir(cwd)
  await cp(join(app, 'load'), cwd, {recursive: true})
  const own = {name, private: true, dependencies: {'primary-lease': '*'}, ...manifest}
  await writeFile(join(cwd, 'package.json'), JSON.stringify(own))
  const home = join(cwd, 'home')
  const env = {
    HOME: home,
    XDG_DATA_HOME: home,
    XDG_CACHE_HOME: home,
    XDG_STATE_HOME: home,
    npm_config_registry: registry,
    npm_config_cache: join(home, 'npm'),
  }
  return {cwd, env}
}

type Project = Awaited<ReturnType<typeof project>>

async function expectToLoad(at: Project, ...runner: string[]) {
  const [program = node, ...args] = [...runner]
  expect(await output(program, [...args, 'required.cjs'], at)).toContain('primary: true\n')
  expect(await output(program, [...args, 'by-name.mjs'], at)).toContain('primary: true\n')
}

/** The command is where the installer puts commands, and finds the binary. */
async function expectToLook(at: Project, ...runner: string[]) {
  expect(await output(node, [...runner, 'primary-lease', '--version'], at)).toContain(version)
  const look = [...runner, 'primary-lease', 'inspect', 'redis://127.0.0.1:1', 'billing']
  const {status, output: said} = await ended(node, look, at)
  expect([status, said]).toEqual([2, expect.stringContaining('(127.0.0.1:1)')])
}

/** The packages of ours in a directory of packages. */
async function ours(modules: string) {
  return (await readdir(modules)).filter((name) => name.startsWith('primary-lease')).sort()
}

test('npm 11', async () => {
  const at = await project('npm')
  await output(node, [tool('npm/bin/npm-cli.js'), 'install', '--no-audit'], at)
  expect(await ours(join(at.cwd, 'node_modules'))).toEqual([
    'primary-lease',
    `primary-lease-${platform}`,
  ])
  await expectToLoad(at)
  await expectToLook(at, tool('npm/bin/npx-cli.js'))
})

test('pnpm 10, which runs no scripts of dependencies', async () => {
  const at = await project('pnpm')
  const said = await output(
    node,
    [tool('pnpm/bin/pnpm.cjs'), 'install', '--config.confirm-modules-purge=false'],
    at,
  )
  expect(said).not.toMatch(/ignored build scripts/i)
  const installed = await ours(join(at.cwd, 'node_modules/.pnpm'))
  expect(installed.map((name) => name.replace(/@.*/, '')).sort()).toEqual([
    'primary-lease',
    `primary-lease-${platform}`,
  ])
  await expectToLoad(at)
  await expectToLook(at, tool('pnpm/bin/pnpm.cjs'), 'exec')
})

test('pnpm 10, for an image that is built on another platform', async () => {
  const at = await project('pnpm-other')
  const [os, cpu] = platform.startsWith('darwin') ? ['linux', 'x64'] : ['darwin', 'arm64']
  const settings = `supportedArchitectures:\n  os: [current, ${os}]\n  cpu: [current, ${cpu}]\n`
  await writeFile(join(at.cwd, 'pnpm-workspace.yaml'), settings)
  await output(node, [tool('pnpm/bin/pnpm.cjs'), 'install'], at)
  const installed = (await ours(join(at.cwd, 'node_modules/.pnpm'))).join()
  expect(installed).toContain(`primary-lease-${platform}@`)
  expect(installed).toContain(`primary-lease-${os}-${cpu}`)
  await expectToLoad(at)
})

test.each(['pnp', 'node-modules'])('yarn 4 with the linker %s', async (nodeLinker) => {
  const at = await project(`yarn-${nodeLinker}`)
  const settings = {
    nodeLinker,
    pnpEnableEsmLoader: true,
    npmRegistryServer: registry,
    unsafeHttpWhitelist: ['127.0.0.1'],
    enableScripts: false,
    enableGlobalCache: false,
    enableTelemetry: false,
    enableImmutableInstalls: false,
  }
  await writeFile(join(at.cwd, '.yarnrc.yml'), JSON.stringify(settings))
  await writeFile(join(at.cwd, 'yarn.lock'), '')
  const yarn = [tool('@yarnpkg/cli-dist/bin/yarn.js')]
  await output(node, [...yarn, 'install'], at)
  await expectToLoad(at, node, ...yarn, 'node')
  await expectToLook(at, ...yarn, 'run')
})

describe('where the package of the platform is missing', () => {
  test('one error says which to add, and how installers skip it', async () => {
    const at = await project('missing')
    await output(node, [tool('npm/bin/npm-cli.js'), 'install', '--omit=optional', '--no-audit'], at)
    for (const file of ['required.cjs', 'by-name.mjs']) {
      const {status, output} = await ended(node, [file], at)
      expect(status).toBe(1)
      expect(output.match(/Error: /g)).toHaveLength(1)
      expect(output).toContain(
        `primary-lease needs the package primary-lease-${platform} on ${process.platform} ${process.arch}`,
      )
      expect(output).toMatch(/npm install --save-optional primary-lease-\S+@\d+\.\d+\.\d+/)
      for (const installer of ['npm', 'pnpm', 'yarn'])
        expect(output).toContain(`- by ${installer} `)
    }
  })

  const onLinux = process.platform === 'linux' ? test : test.skip
  onLinux('the one for musl is tried too', async () => {
    const at = await project('musl')
    await output(node, [tool('npm/bin/npm-cli.js'), 'install', '--no-audit'], at)
    const modules = join(at.cwd, 'node_modules')
    await rename(join(modules, `primary-lease-${platform}`), join(modules, MUSL))
    await expectToLoad(at)
  })

  test('a platform that has none is named', async () => {
    const at = await project('other')
    await output(node, [tool('npm/bin/npm-cli.js'), 'install', '--no-audit'], at)
    const script = `Object.defineProperty(process, 'arch', {value: 'riscv64'}); require('primary-lease')`
    const {output: said} = await ended(node, ['-e', script], at)
    expect(said).toContain('primary-lease has no binary for linux riscv64')

    const binary = join(
      at.cwd,
      `node_modules/primary-lease-${platform}/primary-lease.${platform}.node`,
    )
    await rm(binary)
    await writeFile(binary, 'not a binary')
    const {output: broken} = await ended(node, ['required.cjs'], at)
    expect(broken).toContain(`primary-lease found primary-lease-${platform}, but could not load it`)
  })
})
