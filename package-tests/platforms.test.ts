// The binary of each platform that was built: what it asks of the system, and an election where Node for that
// platform can be had. `npm run package -- --all` builds all of them.

import {execFileSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import Redis from 'ioredis'
import {GLIBC, OWN_PLATFORM} from '../support/packed.mjs'
import {keyOf} from '../support/record.mjs'
import {freePort, RedisServer} from '../support/redis.mjs'
import {findForeignNode} from './foreign.mjs'
import {binaryIn, built, dir, ended, platformsApp} from './support/installed'

const fileOf = (platform: string) => binaryIn(platformsApp, platform)
const those = (pattern: RegExp) => built.filter((platform) => pattern.test(platform))
/** `test.each` refuses an empty list. */
const each = (platforms: string[]) =>
  platforms.length ? test.each(platforms) : test.skip.each(['none that was built'])

const ELF = '7f454c46'
const MACH_O = 'cffaedfe'
const KINDS: Record<string, {magic: string; machine: string; at: (file: Buffer) => number}> = {
  'linux-x64': {magic: ELF, machine: '3e00', at: () => 18},
  'linux-arm64': {magic: ELF, machine: 'b700', at: () => 18},
  'darwin-x64': {magic: MACH_O, machine: '07000001', at: () => 4},
  'darwin-arm64': {magic: MACH_O, machine: '0c000001', at: () => 4},
  'win32-x64': {magic: '4d5a', machine: '6486', at: (file) => file.readUInt32LE(60) + 4},
  'win32-arm64': {magic: '4d5a', machine: '64aa', at: (file) => file.readUInt32LE(60) + 4},
}

/** What zig links for macOS it neither strips nor rids of code that nothing calls: what is published, Apple's linker makes. */
const trial = (platform: string) => platform.startsWith('darwin') && process.platform !== 'darwin'

each(built)('%s is for its processor, small, stripped, and an addon', async (platform) => {
  const binary = await readFile(fileOf(platform))
  const kind = KINDS[platform.split('-').slice(0, 2).join('-')]
  expect(binary.toString('hex', 0, 4)).toMatch(`${kind?.magic}`)
  const at = kind?.at(binary) ?? 0
  expect(binary.toString('hex', at, at + Number(kind?.machine.length) / 2)).toBe(kind?.machine)
  expect(binary.length).toBeLessThanOrEqual(trial(platform) ? 8e6 : 4e6)
  expect(binary.includes('.symtab')).toBe(false)
  expect(binary.includes('napi_register_module_v1')).toBe(true)
})

/** What an ELF file wants of others; binutils are there wherever Rust links. */
function wanted(platform: string) {
  const [libraries, symbols] = [['--dynamic'], ['--dyn-syms']].map((args) =>
    execFileSync('readelf', [...args, '--wide', fileOf(platform)], {encoding: 'utf8'}),
  )
  return {
    libraries: [...String(libraries).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    symbols: [...String(symbols).matchAll(/ (GLOBAL|WEAK) +DEFAULT +UND (\S+)/g)].map(
      ([, binding, name]) => ({weak: binding === 'WEAK', name: `${name}`}),
    ),
  }
}

const onLinux = (platforms: string[]) => (process.platform === 'linux' ? each(platforms) : each([]))

onLinux(those(/^linux-.*-gnu$/))('%s asks for no younger a glibc than it says', (platform) => {
  const {libraries, symbols} = wanted(platform)
  const known = /^(lib[cm]\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-.*)$/
  expect(libraries.filter((name) => !known.test(`${name}`))).toEqual([])
  expect(libraries).toContain('libc.so.6')
  expect(symbols.length).toBeGreaterThan(50)
  const [major, newest] = GLIBC.split('.').map(Number)
  const refused = symbols.filter(({weak, name}) => {
    const version = /@GLIBC_(\d+)\.(\d+)/.exec(name)
    // A weak symbol may be missing, but no version that is asked for.
    if (!version) return !weak && !name.startsWith('napi_')
    return Number(version[1]) !== major || Number(version[2]) > Number(newest)
  })
  expect(refused).toEqual([])
})

onLinux(those(/^linux-.*-musl$/))('%s asks for musl alone', (platform) => {
  const {libraries, symbols} = wanted(platform)
  expect(libraries).toHaveLength(1)
  expect(libraries[0]).toMatch(/^libc\.(so|musl-.*\.so\.1)$/)
  expect(symbols.length).toBeGreaterThan(50)
  expect(symbols.filter(({name}) => name.includes('@'))).toEqual([])
})

each(those(/^darwin-/))('%s asks for libraries of the system alone', async (platform) => {
  const binary = await readFile(fileOf(platform), 'latin1')
  // Where the file lists what to load, each is a path that a zero ends.
  const commands = binary.slice(0, 32 + Buffer.from(binary.slice(0, 32), 'latin1').readUInt32LE(20))
  const paths = commands.match(/(\/usr\/lib|\/System)\/[^\0]+/g)
  expect(paths).toContain('/usr/lib/libSystem.B.dylib')
  const known = /^\/usr\/lib\/(dyld|lib(System\.B|charset\.1|iconv\.2)\.dylib)$/
  expect(paths?.filter((path) => !known.test(path))).toEqual([])
})

describe('an election on a real Redis, through a stall and TLS to the release at the exit', () => {
  let redis: RedisServer
  let client: Redis
  let tlsPort: number

  beforeAll(async () => {
    tlsPort = await freePort()
    const [key, cert] = [join(dir, 'tls.key'), join(dir, 'tls.pem')]
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert])
    redis = await RedisServer.start([
      ...['--tls-port', `${tlsPort}`, '--tls-auth-clients', 'no'],
      ...['--tls-cert-file', cert, '--tls-key-file', key],
    ])
    client = new Redis({port: redis.port})
  })
  afterAll(async () => {
    client?.disconnect()
    await redis?.close()
  })

  const runs = (platform: string) => platform === OWN_PLATFORM || findForeignNode(platform)
  const others = built.filter((platform) => !runs(platform))
  if (others.length) test.skip.each(others)('%s', () => {})

  each(built.filter(runs))('%s', async (platform) => {
    const [program = process.execPath, ...args] = findForeignNode(platform) ?? []
    const {status, output} = await ended(program, [...args, 'load/election.cjs'], {
      cwd: platformsApp,
      env: {
        PLAIN_URL: redis.url,
        TLS_PORT: String(tlsPort),
        CA: readFileSync(join(dir, 'tls.pem'), 'utf8'),
      },
    })
    expect({status, output}).toMatchObject({status: 0, output: expect.stringMatching(/^{.*}\n$/)})
    expect(JSON.parse(output)).toEqual({
      arch: platform.split('-')[1],
      // Those of all platforms are there: the loader found its own by trying.
      loaded: [fileOf(platform)],
      held: [true, true, false, true],
      run: 'ended',
    })
    expect(await client.hget(keyOf('left'), 'released')).toBe('1')
    await client.flushall()
  })
})
