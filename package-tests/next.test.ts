// A server of Next.js that campaigns from its instrumentation.ts.

import {cp, mkdir, mkdtemp, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {freePort} from '../support/redis.mjs'
import {until} from '../support/until'
import {apps, program, useApps} from './support/apps'
import {dir, ended, platform} from './support/installed'

const NEXT = program('next/dist/bin/next')
const ENV = {NEXT_TELEMETRY_DISABLED: '1', HOSTNAME: '127.0.0.1'}
const musl = `primary-lease-linux-${process.arch}-musl`
const place = useApps()
// Each compiles an app, some of them twice.
jest.setTimeout(600_000)

/** Its answer, as soon as it has one. */
const page = (port: number, path: string) =>
  until(`a page of Next: ${path}`, () =>
    fetch(`http://127.0.0.1:${port}${path}`).then(
      (response) => response.text(),
      () => undefined,
    ),
  )

describe('a standalone build', () => {
  let image: string

  beforeAll(async () => {
    // As an installation for an image with musl has it.
    await mkdir(program(musl), {recursive: true})
    await writeFile(program(`${musl}/package.json`), JSON.stringify({name: musl, main: 'a.node'}))
    await writeFile(program(`${musl}/a.node`), 'a binary')
    const env = {...ENV, TOLD: '/dev/null'}
    const {status, output} = await ended(process.execPath, [NEXT, 'build'], {
      cwd: join(apps, 'next'),
      env,
    })
    expect({status, output}).toMatchObject({status: 0})
    image = await mkdtemp(join(dir, 'next-'))
    // Links stay what they are: this is an image of its own.
    const options = {recursive: true, verbatimSymlinks: true}
    await cp(join(apps, 'next/.next/standalone'), image, options)
  })

  const start = async (env: Record<string, string> = {}) => {
    const port = await freePort()
    const server = place.start([join('next', 'server.js')], {
      cwd: image,
      env: {...ENV, PORT: String(port), ...env},
    })
    return {server, port}
  }

  test('has the binary of this platform, and that of musl where it is installed', async () => {
    const modules = join(image, 'node_modules')
    if (process.platform === 'linux') {
      expect(await readdir(join(modules, musl))).toContain('a.node')
    }
    expect(await readdir(join(modules, `primary-lease-${platform}`))).toContain(
      `primary-lease.${platform}.node`,
    )
    expect(await readdir(join(modules, 'primary-lease'))).not.toContain('browser.mjs')
  })

  test('is primary, serves who is, and releases at SIGTERM', async () => {
    const {server, port} = await start()
    expect(await page(port, '/')).toContain('served')
    const {token} = await server.tells('primary')
    expect(JSON.parse(await page(port, '/primary'))).toMatchObject({token})
    // Our handler and Next's race for the end.
    expect([0, 143]).toContain(await server.end('SIGTERM'))
    expect(await place.released('next')).toBe(true)
  })

  test('drains where its signals are ours, and is cut off by Next where they are not', async () => {
    const drained = await start({STOPS_IN: '1500', NEXT_MANUAL_SIG_HANDLE: 'true'})
    await drained.server.tells('primary')
    expect(await drained.server.end('SIGTERM')).toBe(0)
    expect(drained.server.told('stopped')).toHaveLength(1)

    const cut = await start({STOPS_IN: '1500'})
    await cut.server.tells('primary')
    expect(await cut.server.end('SIGTERM')).toBe(143)
    expect(cut.server.told('stopped')).toEqual([])
    // At the exit, by itself.
    expect(await place.released('next')).toBe(true)
  })

  test('answers a call in the edge runtime with what it needs', async () => {
    const {port} = await start()
    expect(await page(port, '/edge')).toContain('primary-lease runs in Node.js servers only')
  })
})

test('`next dev` campaigns once, also where its files change', async () => {
  const port = await freePort()
  const cwd = join(apps, 'next-dev')
  await cp(join(apps, 'next'), cwd, {recursive: true, filter: (path) => !/\.next/.test(path)})
  const server = place.start([NEXT, 'dev', '--port', String(port)], {cwd, env: ENV})
  const {pid} = await server.tells('primary')
  const file = join(cwd, 'app/page.tsx')
  await writeFile(file, (await readFile(file, 'utf8')).replace('served', 'changed'))
  await until('the change is served', async () => (await page(port, '/')).includes('changed'))
  for (const name of ['primary.ts', 'instrumentation.ts']) {
    const source = await readFile(join(cwd, name), 'utf8')
    await writeFile(join(cwd, name), `${source}\n// changed\n`)
    await page(port, '/')
  }
  expect(server.told('primary')).toMatchObject([{pid}])
  // A change of this one makes Next start another process.
  const config = join(cwd, 'next.config.mjs')
  await writeFile(config, `${await readFile(config, 'utf8')}\n// changed\n`)
  const next = await server.tells('primary', 2)
  expect(next.pid).not.toBe(pid)
  server.kill('SIGTERM')
  await until('the last one is released', () => place.released('next'))
})

test('without serverExternalPackages the build says which file it cannot take, and `next dev` why', async () => {
  const cwd = join(apps, 'next-bundled')
  await cp(join(apps, 'next'), cwd, {recursive: true, filter: (path) => !/\.next/.test(path)})
  await writeFile(join(cwd, 'next.config.mjs'), 'export default {}\n')
  const build = await ended(process.execPath, [NEXT, 'build'], {cwd, env: ENV})
  expect(build.status).toBe(1)
  expect(build.output).toContain(`primary-lease-${platform}/primary-lease.${platform}.node`)
  expect(build.output).toContain('primary.ts')

  const port = String(await freePort())
  const server = place.start([NEXT, 'dev', '--port', port], {cwd, env: ENV})
  await server.prints('primary-lease is in a bundle')
  expect(server.output).toContain("serverExternalPackages: ['primary-lease']")
})
