import {execFile} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import Redis from 'ioredis'
import {
  establishPrimaryServer,
  resignPrimaryServer,
  setLogger,
  type TlsOptions,
  withLease,
} from '../index.js'
import {until} from '../support/until'
import {LOCAL, useCertificates} from './support/certificates'
import {newPrefix, TTL} from './support/redis'
import {startTlsRedis} from './support/tls-redis'

const {make, ca: makeCa, openssl, dir} = useCertificates()
const ca = makeCa()
const shown = make({by: ca, extensions: LOCAL})
const client = make({by: ca})
const MARKER = 'hush-hush'

type Started = Awaited<ReturnType<typeof startTlsRedis>>
/** One that lets anybody in with the password, one that asks for a certificate, one of TLS 1.2 alone. */
let open: Started
let closed: Started
let older: Started

beforeAll(async () => {
  setLogger(null)
  open = await startTlsRedis({shown, ca}, ['--requirepass', MARKER, '--unixsocket', 'redis.sock'])
  closed = await startTlsRedis({shown, ca, clients: 'yes'})
  older = await startTlsRedis({shown, ca, clients: 'yes'}, ['--tls-protocols', 'TLSv1.2'])
})
afterAll(async () => {
  await resignPrimaryServer()
  for (const {server} of [open, closed, older]) await server.close()
})

/** As a caller in JavaScript would have it, who may give anything. */
const at = ({tlsPort}: Started, tls: unknown, more: object = {}) => ({
  host: '127.0.0.1',
  port: tlsPort,
  tls: tls as TlsOptions,
  ...(tlsPort === open.tlsPort ? {password: MARKER} : {}),
  ...more,
})

/** Long enough for a busy machine, short enough for a server that will never answer. */
const PATIENCE = {ttl: 30_000, acquireTimeout: 3000}

const run = (source: unknown) => withLease(source as never, newPrefix(), PATIENCE, () => 'done')

/** How a run is refused, which must not say a secret. */
async function refusal(source: unknown) {
  const error: Error & {code?: string} = await run(source).then(
    () => new Error('not refused'),
    (error) => error,
  )
  const said = `${error.message}${error.stack}${JSON.stringify(error)}`
  expect(said).not.toContain(MARKER)
  expect(said).not.toMatch(/-----|MII/)
  return `${error.code} ${error.message}`
}

describe('a connection over TLS', () => {
  const tls = {ca: ca.cert}

  test('is made for an election, by options, by client and by URL', async () => {
    const client = new Redis({...at(open, tls as never), lazyConnect: true} as object)
    for (const source of [at(open, tls), client]) {
      const lease = await establishPrimaryServer(source, newPrefix(), {ttl: TTL})
      expect(lease?.isHeld).toBe(true)
    }
  })

  test('carries a command of any size', async () => {
    const value = Buffer.alloc(20_000_000, 'x')
    const redis = at(open, {ca: [Buffer.from(ca.cert)]}, {host: 'localhost'})
    await withLease(redis, newPrefix(), {ttl: 30_000}, async (lease) => {
      expect(await lease.command('large', ['SET', '{large}value', value])).toBe('OK')
      expect(await lease.command('large', ['STRLEN', '{large}value'])).toBe(value.length)
    })
  })

  test('asks for the version that is wanted', async () => {
    expect(await run(at(open, {...tls, minVersion: 'TLSv1.3'}))).toBe('done')
    expect(await run(at(open, {...tls, maxVersion: 'TLSv1.2'}))).toBe('done')
    expect(await refusal(at(older, {...tls, minVersion: 'TLSv1.3'}))).toMatch(
      /^ERR_STORE_DENIED .*no version of TLS/,
    )
  })

  test('finds a server at an IPv6 address by that', async () => {
    const six = await startTlsRedis({shown, ca}, ['--bind', '127.0.0.1', '::1'])
    try {
      expect(await run(at(six, tls, {host: '::1'}))).toBe('done')
    } finally {
      await six.server.close()
    }
  })
})

describe('a client certificate', () => {
  const {cert, key} = client
  const tls = {ca: ca.cert, cert, key}

  test('is shown to who asks for it', async () => {
    for (const server of [closed, older]) expect(await run(at(server, tls))).toBe('done')
    const both = [Buffer.from(`# ours\r\n${cert}${key}`.replaceAll('\n', '\r\n'))]
    expect(await run(at(closed, {...tls, cert: both, key: both}))).toBe('done')
    expect(await run(at(closed, {...tls, key: [{pem: key}]}))).toBe('done')
  })

  test('may be of the first version of X.509, and of any kind of key', async () => {
    const one = make({by: ca, v1: true})
    expect(await run(at(closed, {...tls, cert: one.cert, key: one.key}))).toBe('done')
    const rsa = make({by: ca, key: 'rsa:2048'})
    openssl('rsa', '-traditional', '-in', rsa.keyFile, '-out', 'pkcs1.key')
    const pkcs1 = readFileSync(join(dir, 'pkcs1.key'), 'utf8')
    expect(pkcs1).toContain('BEGIN RSA PRIVATE KEY')
    for (const key of [rsa.key, pkcs1]) {
      expect(await run(at(older, {...tls, cert: rsa.cert, key}))).toBe('done')
    }
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', 'sec1.key')
    const sec1 = readFileSync(join(dir, 'sec1.key'), 'utf8')
    expect(sec1).toMatch(/BEGIN EC PARAMETERS[\s\S]*BEGIN EC PRIVATE KEY/)
    expect(await refusal(at(closed, {...tls, key: sec1}))).toMatch(/tls\.key must be the key of/)
  })

  test('is asked for where it is missing', async () => {
    for (const server of [closed, older]) {
      expect(await refusal(at(server, {ca: ca.cert}))).toMatch(
        /^ERR_STORE_DENIED .*wants a client certificate/,
      )
    }
  })

  test.each([
    ['of another CA', () => make({by: makeCa()}), /refuses our client certificate.*know its CA/],
    ['out of date', () => make({by: ca, days: -1}), /refuses our client certificate.*out of date/],
    [
      'for servers alone',
      () => make({by: ca, extensions: ['extendedKeyUsage=serverAuth']}),
      /refuses our client certificate.*not made for clients/,
    ],
  ])('is refused where it is %s, and named', async (_, made, words) => {
    const {cert, key} = made()
    for (const server of [closed, older]) {
      const said = await refusal(at(server, {ca: ca.cert, cert, key}))
      expect(said).toMatch(/^ERR_STORE_DENIED/)
      expect(said).toMatch(words)
    }
  })
})

describe('what cannot be used is refused by name', () => {
  const {cert, key} = client
  const encrypted = () => {
    openssl('pkcs8', '-topk8', '-in', client.keyFile, '-passout', 'pass:x', '-out', 'pkcs8.key')
    return readFileSync(join(dir, 'pkcs8.key'), 'utf8')
  }
  const older = () => {
    openssl('ec', '-aes128', '-in', client.keyFile, '-passout', 'pass:x', '-out', 'older.key')
    return readFileSync(join(dir, 'older.key'), 'utf8')
  }

  test.each<[string, () => object, RegExp]>([
    ['a CA file without a certificate', () => ({ca: `\n${MARKER}\n`}), /tls\.ca must be at least/],
    ['a key as the CA', () => ({ca: key}), /tls\.ca .*got a private key alone/],
    ['half a certificate', () => ({ca: cert.slice(0, 200)}), /tls\.ca .*got one without an end/],
    ['a broken certificate', () => ({ca: cert.replace(/M/g, '!')}), /tls\.ca .*cannot be read/],
    [
      'a CA that is none',
      () => ({ca: `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`}),
      /tls\.ca .*got one that cannot/,
    ],
    ['a certificate without a key', () => ({cert}), /tls\.key must be given with tls\.cert/],
    ['a key without a certificate', () => ({key}), /tls\.cert must be given with tls\.key/],
    ['a certificate as the key', () => ({cert, key: cert}), /tls\.key .*got a certificate alone/],
    ['the key of another', () => ({cert, key: shown.key}), /tls\.key must be the key of tls\.cert/],
    ['an encrypted key', () => ({cert, key: encrypted()}), /tls\.key .*got an encrypted one/],
    ['one of the older kind', () => ({cert, key: older()}), /tls\.key .*got an encrypted one/],
    ['a passphrase', () => ({cert, key, passphrase: MARKER}), /tls\.passphrase cannot be used/],
    [
      'a key with a passphrase',
      () => ({cert, key: [{pem: key, passphrase: MARKER}]}),
      /tls\.key with a passphrase/,
    ],
    ['a PFX', () => ({pfx: Buffer.from(MARKER)}), /tls\.pfx cannot be used/],
    [
      'a check of names',
      () => ({checkServerIdentity() {}}),
      /tls\.checkServerIdentity .*servername/,
    ],
    ['ciphers', () => ({ciphers: 'HIGH'}), /tls\.ciphers/],
    ['a host beside the host', () => ({host: 'elsewhere'}), /tls\.host .*win over/],
    ['an old version', () => ({minVersion: 'TLSv1'}), /tls\.minVersion must be .*"TLSv1"/],
    [
      'no version',
      () => ({minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2'}),
      /tls\.maxVersion must be tls\.minVersion or above/,
    ],
    ['no name', () => ({servername: 'a b'}), /tls\.servername must be a host name/],
    ['an option that is not known', () => ({rejectUnauthorised: false}), /"rejectUnauthorised"/],
    ['a number', () => ({ca: 5}), /tls\.ca must be text or bytes in PEM, got a number/],
    ['a text for a switch', () => ({rejectUnauthorized: 'no'}), /rejectUnauthorized must be true/],
  ])('%s', async (_, tls, words) => {
    const source = at(open, {ca: ca.cert, ...tls()})
    const said = await refusal(source)
    expect(said).toMatch(/^ERR_INVALID_CONFIG/)
    expect(said).toMatch(words)
  })

  test('tls that is no object', async () => {
    expect(await refusal(at(open, 'RedisCloudFixed'))).toMatch(/tls must be an object .*a string/)
  })

  test('what Node knows besides and makes no difference is ignored', async () => {
    const tls = {ca: ca.cert, requestCert: true, enableTrace: false, session: Buffer.alloc(1)}
    expect(await run(at(open, tls))).toBe('done')
  })
})

describe('the wrong port', () => {
  test('speaks TLS where it should not', async () => {
    expect(await refusal({host: '127.0.0.1', port: open.tlsPort, password: MARKER})).toMatch(
      /does it want TLS\?/,
    )
  })

  test('does not speak TLS where it should', async () => {
    const plain = {host: '127.0.0.1', port: open.server.port, tls: {ca: ca.cert}}
    expect(await refusal(plain)).toMatch(/^ERR_STORE_UNAVAILABLE .*no TLS there\?/)
  })
})

describe('what the environment says', () => {
  const script = join(__dirname, 'support', 'over-tls.cjs')

  /** What a process prints that holds a lease at this source, and warns of. */
  async function inProcess(source: unknown, env: Record<string, string>) {
    const options = {env: {...process.env, ...env}}
    const {stdout, stderr} = await promisify(execFile)(
      process.execPath,
      [script, JSON.stringify(source)],
      options,
    )
    return {stdout, stderr}
  }
  const url = () => `rediss://:${MARKER}@localhost:${open.tlsPort}`

  test('a CA in NODE_EXTRA_CA_CERTS is trusted where none was given', async () => {
    const env = {NODE_EXTRA_CA_CERTS: ca.certFile}
    for (const source of [url(), at(open, {}), at(open, true)]) {
      expect(await inProcess(source, env)).toEqual({stdout: 'done\ndone\n', stderr: ''})
    }
    const other = {ca: makeCa().cert}
    const {stdout} = await inProcess(at(open, other), env)
    expect(stdout).toContain('none of the CAs in tls.ca')
  })

  test('without it nobody vouches for a private CA', async () => {
    const {stdout} = await inProcess(url(), {})
    expect(stdout).toContain('by no CA that Node trusts: give its own as tls.ca')
  })

  test('NODE_TLS_REJECT_UNAUTHORIZED=0 believes anybody, and one warning says so', async () => {
    const {stdout, stderr} = await inProcess(url(), {NODE_TLS_REJECT_UNAUTHORIZED: '0'})
    expect(stdout).toBe('done\ndone\n')
    expect(stderr.match(/any server is accepted/g)).toHaveLength(1)
    expect(stderr).not.toContain(MARKER)
    const trusting = at(open, {rejectUnauthorized: true})
    const refused = await inProcess(trusting, {NODE_TLS_REJECT_UNAUTHORIZED: '0'})
    expect(refused.stdout).toContain('by no CA that Node trusts')
  })
})

test('a replaced certificate counts at the next connection', async () => {
  const one = await startTlsRedis({shown, ca})
  try {
    const source = at(one, {ca: ca.cert})
    const lease = await establishPrimaryServer(source, newPrefix(), {ttl: TTL})
    expect(lease?.isHeld).toBe(true)
    const other = make({by: makeCa(), extensions: LOCAL})
    one.server.args.push('--tls-cert-file', other.certFile, '--tls-key-file', other.keyFile)
    await one.server.stop()
    await one.server.start()
    await until('the primary is lost', () => !lease?.isHeld)
    expect(await refusal(source)).toMatch(/ERR_STORE_DENIED .*none of the CAs/)
  } finally {
    await one.server.close()
  }
})
