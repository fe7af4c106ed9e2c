// The variables with which Parabol's server finds its Redis: what its client makes of them, and what we make of
// the same client, side by side.

import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import Redis from 'ioredis'
import {setLogger, withLease} from '../index.js'
import type {RedisServer} from '../support/redis.mjs'
import {CA, type Certificate, LOCAL, useCertificates} from './support/certificates'
import {newPrefix} from './support/redis'
import {startTlsRedis} from './support/tls-redis'

type Variables = {
  REDIS_URL: string
  REDIS_PASSWORD?: string
  REDIS_TLS_CA_FILE?: string
  REDIS_TLS_CERT_FILE?: string
  REDIS_TLS_KEY_FILE?: string
  REDIS_TLS_REJECT_UNAUTHORIZED?: string
}

/** Reads them as Parabol's own does: a CA file turns TLS on, whatever the URL says. */
class RedisInstance extends Redis {
  constructor(connectionName: string, env: Variables) {
    const read = (file: string | undefined) => (file ? readFileSync(file) : undefined)
    const ca = read(env.REDIS_TLS_CA_FILE)
    const tls = ca && {
      ca,
      cert: read(env.REDIS_TLS_CERT_FILE),
      key: read(env.REDIS_TLS_KEY_FILE),
      rejectUnauthorized: env.REDIS_TLS_REJECT_UNAUTHORIZED !== 'false',
    }
    const password = env.REDIS_PASSWORD || undefined
    super(env.REDIS_URL, {
      connectionName,
      tls,
      password,
      enableReadyCheck: false,
      // A test does not wait for what is refused.
      lazyConnect: true,
      connectTimeout: 3000,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
    } as never)
    this.on('error', () => {})
  }
}

const PASSWORD = 'hush-hush'
const {make, ca: makeCa, dir, openssl} = useCertificates()
const ca = makeCa()
const between = make({by: ca, extensions: CA})
const shown = make({by: ca, extensions: LOCAL})
const client = make({by: ca})
const selfSigned = make({extensions: [...LOCAL, 'basicConstraints=critical,CA:TRUE']})

const file = (name: string, text: string) => {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}
const bundle = file('bundle.pem', `Our CAs\r\n${makeCa().cert}${ca.cert}`.replaceAll('\n', '\r\n'))
const empty = file('empty.pem', 'nothing\n')
const encrypted = join(dir, 'encrypted.key')
openssl('pkcs8', '-topk8', '-in', client.keyFile, '-passout', 'pass:x', '-out', encrypted)

const CA_FILE = {REDIS_TLS_CA_FILE: ca.certFile}
const CERT_FILE = {REDIS_TLS_CERT_FILE: client.certFile}
const BOTH_FILES = {...CERT_FILE, REDIS_TLS_KEY_FILE: client.keyFile}
const UNVERIFIED = {REDIS_TLS_REJECT_UNAUTHORIZED: 'false'}
const ON_TLS = {REDIS_URL: `redis://:${PASSWORD}@localhost:TLS`}

type Row = {
  what: string
  env: Variables
  /** What the server shows. */
  server?: Certificate
  /** It wants a client certificate. */
  asks?: boolean
  /** The database that both come to; no number where both are refused. */
  db?: number
  /** Where we differ, and why. */
  exception?: {why: string; node: boolean; ours: boolean}
}

const ROWS: Row[] = [
  {what: 'no TLS, no password', env: {REDIS_URL: 'redis://localhost:PLAIN'}},
  {
    what: 'REDIS_PASSWORD',
    env: {REDIS_URL: 'redis://localhost:PLAIN', REDIS_PASSWORD: PASSWORD},
    db: 0,
  },
  {
    what: 'the password of the URL wins',
    env: {REDIS_URL: `redis://:${PASSWORD}@localhost:PLAIN`, REDIS_PASSWORD: 'wrong'},
    db: 0,
  },
  {
    what: 'a wrong password in the URL wins too',
    env: {REDIS_URL: 'redis://:wrong@localhost:PLAIN', REDIS_PASSWORD: PASSWORD},
  },
  {
    what: 'a user in the URL',
    env: {REDIS_URL: `redis://worker:${PASSWORD}@localhost:PLAIN`},
    db: 0,
  },
  {
    what: 'a database in the URL',
    env: {REDIS_URL: `redis://:${PASSWORD}@localhost:PLAIN/4`},
    db: 4,
  },
  {what: 'a CA file turns TLS on for redis:', env: {...ON_TLS, ...CA_FILE}, db: 0},
  {
    what: 'with REDIS_PASSWORD and a database',
    env: {REDIS_URL: 'redis://localhost:TLS/4', REDIS_PASSWORD: PASSWORD, ...CA_FILE},
    db: 4,
  },
  {
    what: 'an address as host',
    env: {REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:TLS`, ...CA_FILE},
    db: 0,
  },
  {
    what: 'rediss: with a CA file',
    env: {REDIS_URL: `rediss://:${PASSWORD}@localhost:TLS`, ...CA_FILE},
    db: 0,
  },
  {
    what: 'rediss: without files, a private CA',
    env: {REDIS_URL: `rediss://:${PASSWORD}@localhost:TLS`},
  },
  {
    what: 'rediss: without files, not verified',
    env: {REDIS_URL: `rediss://:${PASSWORD}@localhost:TLS`, ...UNVERIFIED},
  },
  {what: 'a bundle of CAs, with text and CRLF', env: {...ON_TLS, REDIS_TLS_CA_FILE: bundle}, db: 0},
  {what: 'another CA', env: {...ON_TLS, REDIS_TLS_CA_FILE: makeCa().certFile}},
  {
    what: 'another CA, not verified',
    env: {...ON_TLS, REDIS_TLS_CA_FILE: makeCa().certFile, ...UNVERIFIED},
    db: 0,
  },
  {
    what: 'verified by another word',
    env: {...ON_TLS, REDIS_TLS_CA_FILE: makeCa().certFile, REDIS_TLS_REJECT_UNAUTHORIZED: '0'},
  },
  {what: 'a CA file without a certificate', env: {...ON_TLS, REDIS_TLS_CA_FILE: empty}},
  {
    what: 'TLS, and the server speaks none',
    env: {REDIS_URL: `redis://:${PASSWORD}@localhost:PLAIN`, ...CA_FILE},
  },
  {what: 'no TLS, and the server wants it', env: ON_TLS},
  {what: 'a client certificate', env: {...ON_TLS, ...CA_FILE, ...BOTH_FILES}, asks: true, db: 0},
  {
    what: 'a client certificate that nobody asks for',
    env: {...ON_TLS, ...CA_FILE, ...BOTH_FILES},
    db: 0,
  },
  {what: 'a client certificate is missing', env: {...ON_TLS, ...CA_FILE}, asks: true},
  {
    what: 'the key of the client certificate is missing',
    env: {...ON_TLS, ...CA_FILE, ...CERT_FILE},
    asks: true,
  },
  {
    what: 'the key of another certificate',
    env: {...ON_TLS, ...CA_FILE, ...CERT_FILE, REDIS_TLS_KEY_FILE: shown.keyFile},
    asks: true,
  },
  {
    what: 'an encrypted key',
    env: {...ON_TLS, ...CA_FILE, ...CERT_FILE, REDIS_TLS_KEY_FILE: encrypted},
    asks: true,
  },
  {
    what: 'client files without a CA file',
    env: {REDIS_URL: `rediss://:${PASSWORD}@localhost:TLS`, ...BOTH_FILES},
    asks: true,
  },
  {
    what: 'a self-signed certificate as the CA',
    env: {...ON_TLS, REDIS_TLS_CA_FILE: selfSigned.certFile},
    server: selfSigned,
    db: 0,
  },
  {
    what: 'a name in the CN',
    env: {...ON_TLS, ...CA_FILE},
    server: make({by: ca, subject: '/CN=localhost', extensions: ['basicConstraints=CA:FALSE']}),
    db: 0,
  },
  {
    what: 'another name',
    env: {...ON_TLS, ...CA_FILE},
    server: make({by: ca, extensions: ['subjectAltName=DNS:redis.test']}),
  },
  {
    what: 'another name, not verified',
    env: {...ON_TLS, ...CA_FILE, ...UNVERIFIED},
    server: make({by: ca, extensions: ['subjectAltName=DNS:redis.test']}),
    db: 0,
  },
  {
    what: 'a key is missing that nobody asks for',
    env: {...ON_TLS, ...CA_FILE, ...CERT_FILE},
    exception: {why: 'Node shows no certificate then, without a word', node: true, ours: false},
  },
  {
    what: 'only an intermediate as the CA',
    env: {...ON_TLS, REDIS_TLS_CA_FILE: between.certFile},
    server: make({by: between, extensions: LOCAL}),
    exception: {why: 'it was given, and is believed', node: false, ours: true},
  },
  {
    what: 'a certificate of version 1, signed by a CA',
    env: {...ON_TLS, ...CA_FILE},
    server: make({by: ca, v1: true, subject: '/CN=localhost'}),
    exception: {why: 'the first version of X.509', node: true, ours: false},
  },
  {
    what: 'a CA as the server of another',
    env: {...ON_TLS, ...CA_FILE},
    server: make({by: ca, extensions: [...LOCAL, 'basicConstraints=CA:TRUE']}),
    exception: {why: 'only one that was given itself may be that', node: true, ours: false},
  },
  {
    what: 'a key of P-521',
    env: {...ON_TLS, ...CA_FILE},
    server: make({by: ca, extensions: LOCAL, key: 'ec -pkeyopt ec_paramgen_curve:P-521'}),
    exception: {why: 'ring does not know it', node: true, ours: false},
  },
]

beforeAll(() => setLogger(null))

/** The database that their client comes to, or why it does not. */
async function theirs(env: Variables) {
  let redis: Redis | undefined
  try {
    redis = new RedisInstance('embedder_1', env)
    await redis.connect()
    const info = String(await redis.client('INFO'))
    return Number(/ db=(\d+)/.exec(info)?.[1])
  } catch (error) {
    return (error as Error).message
  } finally {
    redis?.disconnect()
  }
}

/** The database that we come to by the same client, or why not. */
async function ours(env: Variables, server: RedisServer) {
  const look = new Redis({port: server.port, password: PASSWORD, lazyConnect: true})
  try {
    const resource = newPrefix()
    return await withLease(
      new RedisInstance('embedder_1', env),
      resource,
      {ttl: 2000},
      async () => {
        for (const db of [0, 4]) {
          await look.select(db)
          if (await look.exists(`lease:{${resource}}`)) return db
        }
        return 'in no database'
      },
    )
  } catch (error) {
    return (error as Error).message
  } finally {
    look.disconnect()
  }
}

const table: string[] = []

test.each(ROWS)(
  '$what',
  async ({what, env, server: by = shown, asks, db, exception}) => {
    const {server, tlsPort} = await startTlsRedis({shown: by, ca, clients: asks ? 'yes' : 'no'}, [
      ...['--requirepass', PASSWORD],
      ...['--user', 'worker', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'],
    ])
    try {
      const REDIS_URL = env.REDIS_URL.replace('TLS', String(tlsPort)).replace(
        'PLAIN',
        String(server.port),
      )
      const variables = {...env, REDIS_URL}
      const [node, own] = await Promise.all([theirs(variables), ours(variables, server)])
      table.push(
        `${what}\n    theirs: ${node}\n    ours:   ${own}${exception ? `\n    (${exception.why})` : ''}`,
      )
      const expected = (comes: boolean) => (comes ? (db ?? 0) : expect.any(String))
      const both = {node: db !== undefined, ours: db !== undefined, ...exception}
      expect([node, own]).toEqual([expected(both.node), expected(both.ours)])
      expect(String(own)).not.toMatch(/hush|-----/)
    } finally {
      await server.close()
    }
  },
  30_000,
)

afterAll(() => console.info(table.join('\n')))
