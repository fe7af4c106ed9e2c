// Whom Node believes over TLS, and whom we do: by connecting with both to the same server.

import {once} from 'node:events'
import {type AddressInfo, connect as dial} from 'node:net'
import {join} from 'node:path'
import {connect, createServer as createTlsServer, type TlsOptions} from 'node:tls'
import {setLogger, withLease} from '../index.js'
import {CA, type Certificate, LOCAL, useCertificates} from './support/certificates'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()
const {make, ca: makeCa, dir} = useCertificates()
const RSA = 'rsa:2048'
const FOR_LOCALHOST = {subject: '/CN=localhost'}
const CONSTRAINED = (permitted: string) => [...CA, `nameConstraints=permitted;DNS:${permitted}`]

const ca = makeCa()
const between = make({by: ca, extensions: CA})
const expiredCa = makeCa({days: -1})
const firstCa = make({v1: true})
const selfSigned = make({extensions: [...LOCAL, 'basicConstraints=critical,CA:TRUE']})
const selfSignedLeaf = make({extensions: [...LOCAL, 'basicConstraints=CA:FALSE']})
const certifiesOnly = make({extensions: [...CA, ...LOCAL]})
const server = make({by: ca, extensions: LOCAL})
const NO_CA = ['basicConstraints=CA:FALSE']
const inSubject = make({by: ca, ...FOR_LOCALHOST, extensions: NO_CA})
const first = make({v1: true, ...FOR_LOCALHOST})
const elsewhere = make({by: ca, extensions: ['subjectAltName=DNS:redis.test,DNS:*.pool.test']})
const constrained = (permitted: string) => {
  const by = make({extensions: CONSTRAINED(permitted)})
  return {shown: make({by, ...FOR_LOCALHOST, extensions: NO_CA}), given: by}
}
const signedBy = (by: Certificate) => make({by, extensions: LOCAL})
const withKey = (key: string) => make({by: ca, extensions: LOCAL, key})
const forClients = make({by: ca, extensions: [...LOCAL, 'extendedKeyUsage=clientAuth']})
const encipheringOnly = make({by: ca, key: RSA, extensions: [...LOCAL, 'keyUsage=keyEncipherment']})

type Row = {
  what: string
  /** What the server shows, and sends along. */
  shown: Certificate
  along?: Certificate[]
  given?: Certificate
  options?: Record<string, unknown>
  host?: string
  /** Instead of the host. */
  path?: string
  node: boolean
  /** Whether we do, or why not. */
  ours: true | RegExp
}

const ROWS: Row[] = [
  {what: 'a private CA', shown: server, node: true, ours: true},
  {what: 'its server, by address', shown: server, host: '127.0.0.1', node: true, ours: true},
  {
    what: 'its server, at a Unix socket',
    shown: server,
    path: join(dir, 'tls.sock'),
    node: true,
    ours: true,
  },
  {what: 'a chain', shown: signedBy(between), along: [between], node: true, ours: true},
  {
    what: 'a chain without its middle',
    shown: signedBy(between),
    node: false,
    ours: /none of the CAs in tls\.ca .*in between/,
  },
  {
    what: 'only the middle given',
    shown: signedBy(between),
    given: between,
    node: false,
    ours: true,
  },
  {
    what: 'another CA',
    shown: server,
    given: makeCa(),
    node: false,
    ours: /none of the CAs in tls\.ca/,
  },
  {what: 'self-signed CA, given', shown: selfSigned, given: selfSigned, node: true, ours: true},
  {
    what: 'self-signed CA, not given',
    shown: selfSigned,
    node: false,
    ours: /that of a CA \(CA:TRUE\)/,
  },
  {
    what: 'self-signed, no CA, given',
    shown: selfSignedLeaf,
    given: selfSignedLeaf,
    node: true,
    ours: true,
  },
  {
    what: 'self-signed, that certifies only, given',
    shown: certifiesOnly,
    given: certifiesOnly,
    node: false,
    ours: /not for servers/,
  },
  {
    what: 'given itself, signed by another',
    shown: server,
    given: server,
    node: false,
    ours: /none of the CAs/,
  },
  {
    what: 'a CA as the server of another',
    shown: make({by: ca, extensions: [...LOCAL, 'basicConstraints=CA:TRUE']}),
    node: true,
    ours: /CA:TRUE/,
  },
  {what: 'name in the CN, no SAN', shown: inSubject, node: true, ours: true},
  {
    what: 'address in the CN, no SAN',
    shown: make({by: ca, subject: '/CN=127.0.0.1', extensions: NO_CA}),
    host: '127.0.0.1',
    node: false,
    ours: /no name that is 127/,
  },
  {
    what: 'name in the second CN',
    shown: make({by: ca, subject: '/CN=other/CN=localhost', extensions: NO_CA}),
    node: true,
    ours: /no name that is localhost/,
  },
  {
    what: 'name in the CN, an address as SAN',
    shown: make({by: ca, ...FOR_LOCALHOST, extensions: ['subjectAltName=IP:127.0.0.1']}),
    node: true,
    ours: /is for .*127\.0\.0\.1.*, not for localhost/,
  },
  {
    what: 'name in the CN, CA constrained to it',
    ...constrained('localhost'),
    node: true,
    ours: /constrained/,
  },
  {
    what: 'name in the CN, CA constrained to another',
    ...constrained('redis.test'),
    node: true,
    ours: /constrained/,
  },
  {what: 'version 1, self-signed, given', shown: first, given: first, node: true, ours: true},
  {
    what: 'version 1, signed by a CA',
    shown: make({by: ca, v1: true, ...FOR_LOCALHOST}),
    node: true,
    ours: /version 1 of X\.509/,
  },
  {what: 'a CA of version 1', shown: signedBy(firstCa), given: firstCa, node: true, ours: true},
  {
    what: 'another name',
    shown: elsewhere,
    node: false,
    ours: /is for redis\.test, \*\.pool\.test, not for localhost: give tls\.servername/,
  },
  {
    what: 'the name given as servername',
    shown: elsewhere,
    options: {servername: 'redis.test'},
    node: true,
    ours: true,
  },
  {
    what: 'a star in the name',
    shown: elsewhere,
    options: {servername: 'a.pool.test'},
    node: true,
    ours: true,
  },
  {
    what: 'expired',
    shown: make({by: ca, extensions: LOCAL, days: -1}),
    node: false,
    ours: /expired/,
  },
  {
    what: 'an expired CA',
    shown: signedBy(expiredCa),
    given: expiredCa,
    node: false,
    ours: /CA whose own certificate is out of date/,
  },
  {what: 'for clients alone', shown: forClients, node: false, ours: /not for servers/},
  {what: 'keyEncipherment alone', shown: encipheringOnly, node: true, ours: true},
  {
    what: 'signed with SHA-1',
    shown: make({by: ca, extensions: LOCAL, digest: 'sha1'}),
    node: false,
    ours: /signed in a way/,
  },
  {
    what: 'RSA of 1024 bits',
    shown: withKey('rsa:1024'),
    node: Number.parseInt(process.versions.node, 10) < 24,
    ours: /1024 bits/,
  },
  {what: 'RSA of 2048 bits', shown: withKey(RSA), node: true, ours: true},
  {what: 'RSA-PSS', shown: withKey('rsa-pss'), node: true, ours: /kind of key/},
  {what: 'P-384', shown: withKey('ec -pkeyopt ec_paramgen_curve:P-384'), node: true, ours: true},
  {
    what: 'P-521',
    shown: withKey('ec -pkeyopt ec_paramgen_curve:P-521'),
    node: true,
    ours: /kind of key/,
  },
  {what: 'Ed25519', shown: withKey('ed25519'), node: true, ours: true},
  {
    what: 'rejectUnauthorized: false',
    shown: withKey('rsa:1024'),
    given: makeCa(),
    options: {rejectUnauthorized: false},
    node: true,
    ours: true,
  },
]

beforeAll(() => setLogger(null))

/** A server that shows this certificate, in front of the plain Redis. */
async function front({shown, along = [], path}: Row) {
  const options: TlsOptions = {
    cert: [shown, ...along].map(({cert}) => cert).join('\n'),
    key: shown.key,
    // It has to show what nobody should.
    ciphers: 'DEFAULT:@SECLEVEL=0',
  }
  const server = createTlsServer(options, (socket) => {
    const behind = dial(redis.server.port, '127.0.0.1')
    socket.on('error', () => behind.destroy()).pipe(behind)
    behind.on('error', () => socket.destroy()).pipe(socket)
  }).listen(path ?? 0)
  await once(server, 'listening')
  return server
}

/** Whether Node connects, or why not. */
async function byNode(options: object) {
  const socket = connect(options)
  try {
    await once(socket, 'secureConnect')
    return 'yes'
  } catch (error) {
    return (error as {code?: string}).code ?? String(error)
  } finally {
    socket.destroy()
  }
}

/** Whether we do, or why not. */
async function byUs(source: object) {
  try {
    return await withLease(source, newPrefix(), {ttl: 10_000}, () => 'yes')
  } catch (error) {
    return (error as Error).message
  }
}

const table: string[][] = []

test.each(ROWS)('$what', async (row) => {
  const server = await front(row)
  const {path, host = 'localhost', given = ca, options} = row
  const at = path ? {path} : {host, port: (server.address() as AddressInfo).port}
  const tls = {ca: given.cert, ...options}
  const node = await byNode({...at, ...tls})
  const ours = await byUs({...at, tls})
  server.close()
  table.push([row.what, node, ours])
  expect([row.node, node]).toEqual([node === 'yes', node])
  if (row.ours === true) expect(ours).toBe('yes')
  else expect(ours).toMatch(row.ours)
})

afterAll(() => {
  const widths = [0, 1].map((at) => Math.max(...table.map((row) => String(row[at]).length)))
  const lines = [['Certificate', `Node ${process.version}`, 'ours'], ...table].map((row) =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '),
  )
  console.info(lines.join('\n'))
})
