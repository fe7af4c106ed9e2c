// What nobody but the server may know comes out nowhere: in no error, no log line, and nothing that is handed out.

import {inspect} from 'node:util'
import Redis from 'ioredis'
import Redis6 from 'ioredis-6'
import {
  establishPrimaryServer,
  inspectPrimary,
  LeaderRunner,
  onPrimaryChange,
  primaryStatus,
  resignPrimaryServer,
  runCoordinator,
  setLogger,
  withLease,
} from 'primary-lease'
import * as nodeRedis5 from 'redis-5'
import * as nodeRedis6 from 'redis-6'
import {RedisServer} from '../support/redis.mjs'
import {SentinelServer} from '../support/sentinel.mjs'
import {LOCAL, useCertificates} from './support/certificates'
import {newPrefix, TTL} from './support/redis'
import {startTlsRedis} from './support/tls-redis'

const MARKER = 'xHushHushx'
/** A secret that has to be escaped in a URL. */
const SECRET = `p@ss/w:rd#${MARKER}`
const ESCAPED = encodeURIComponent(SECRET)

const {make, ca: makeCa} = useCertificates()
const ca = makeCa()
const shown = make({by: ca, extensions: LOCAL})
const ours = make({by: ca})
const stranger = make({by: makeCa()})

/** What of the secrets must not be seen, as text, bytes and base64. */
const hidden = [
  MARKER,
  Buffer.from(MARKER).toString('hex'),
  inspect(Buffer.from(MARKER)).slice('<Buffer '.length, -1),
  Buffer.from(MARKER).toString('base64').slice(0, 12),
  '-----BEGIN',
  // A line of a text in PEM, or half of it.
  ...[ca, shown, ours, stranger].flatMap(({cert, key}) => `${cert}${key}`.match(/^[^-\n]{32}/gm)),
].map((text) => String(text).toLowerCase())

/** All that came out, by what it is. */
let out: [what: string, text: string][] = []

function keep(what: string, value: unknown) {
  const looks = [
    inspect(value, {depth: 8, showHidden: true, getters: true}),
    inspect(value, {depth: 8, customInspect: false}),
    JSON.stringify(value),
    ...(value instanceof Error ? [String(value), value.stack, JSON.stringify({...value})] : []),
  ]
  for (const text of looks) out.push([what, String(text)])
  return value
}

function expectNoSecret() {
  const seen = out.filter(([, text]) => hidden.some((part) => text.toLowerCase().includes(part)))
  expect(seen).toEqual([])
}

/** Long enough for a busy machine, short enough for a server that never answers. */
const PATIENCE = {ttl: TTL, acquireTimeout: 1500}

/** How it ended: `ok`, `nothing`, or the code of its error. */
async function ended(what: string, doing: () => unknown) {
  try {
    return keep(what, await doing()) === undefined ? 'nothing' : 'ok'
  } catch (error) {
    keep(what, error)
    return (error as {code?: string}).code
  }
}

/** Everything that can be done with a source; how each ended. */
async function useAll(source: unknown) {
  const redis = source as string
  const prefix = newPrefix()
  onPrimaryChange(prefix, (change) => keep('a change', change))
  // What is given beside a client here rules it out.
  const eagerStart = !(typeof source === 'object' && source && 'failoverUnsafe' in source)
  const options = {ttl: TTL, establishTimeout: 1500, eagerStart}
  const work = async (lease: {command: (...args: never[]) => unknown}) => {
    keep('a lease of a run', lease)
    const refused = ['{x}', ['NO-SUCH-COMMAND', 'x']] as never[]
    await ended('a command', () => lease.command(...refused))
  }
  const ends = await Promise.all([
    ended('an election', () => establishPrimaryServer(redis, prefix, options)),
    ended('a run', () => withLease(redis, newPrefix(), PATIENCE, work)),
    ended('a runner', async () => {
      const runner = new LeaderRunner(redis, newPrefix(), TTL, {acquireTimeout: 1500})
      keep('a runner', runner)
      const outcome = await runner.runLocked('job', work)
      keep('an outcome', outcome)
      await runner.close()
      if (outcome.outcome !== 'ran') throw (outcome as {error?: unknown}).error ?? outcome
      return outcome
    }),
    ended('a look', () => inspectPrimary(redis, prefix, {timeout: PATIENCE.acquireTimeout})),
    ended('a coordinator', async () => {
      const coordinator = keep('a coordinator', runCoordinator(redis, newPrefix()))
      const key = `job:${new Date().toISOString()}`
      const {shouldRun} = coordinator as ReturnType<typeof runCoordinator>
      return await shouldRun.call(coordinator, key, TTL)
    }),
  ])
  const status = keep('a status', primaryStatus(prefix))
  if (status === undefined) return ends
  // Another source for the same election is refused, and says which there is.
  const second = `redis://:${ESCAPED}@127.0.0.1:1/3`
  const again = await ended('a second source', () =>
    establishPrimaryServer(second, prefix, options),
  )
  if (again !== 'ERR_STORE_DENIED') expect(again).toBe('ERR_INVALID_CONFIG')
  await ended('the end', () => resignPrimaryServer(prefix))
  return ends
}

const lazy = {lazyConnect: true}
const opened: {disconnect(): unknown}[] = []

/** Every form in which a password is given for the server at this port. */
function forms(port: number): [string, unknown][] {
  const url = `redis://:${ESCAPED}@127.0.0.1:${port}`
  const named = `redis://default:${ESCAPED}@127.0.0.1:${port}/1`
  const at = {host: '127.0.0.1', port}
  const ioredis = [new Redis({...at, ...lazy, password: SECRET}), new Redis(named, lazy)]
  const ioredis6 = [new Redis6({...at, ...lazy, password: SECRET}), new Redis6(named, lazy)]
  opened.push(...ioredis, ...ioredis6)
  const nodes = [nodeRedis5, nodeRedis6].flatMap(({createClient}) => [
    (createClient as typeof nodeRedis6.createClient)({socket: at, password: SECRET}),
    (createClient as typeof nodeRedis6.createClient)({url: named}),
  ])
  return [
    ['a URL', url],
    ['a URL with a user', named],
    ['a URL object', new URL(url)],
    ['a URL with a query', `redis://127.0.0.1:${port}?password=${ESCAPED}`],
    ['options', {...at, password: SECRET}],
    ...ioredis.map((client): [string, unknown] => ['ioredis 5', client]),
    ...ioredis6.map((client): [string, unknown] => ['ioredis 6', client]),
    ...nodes.map((client): [string, unknown] => ['node-redis', client]),
    ['a client with more beside it', {client: nodes[0], failoverUnsafe: true}],
  ]
}

/** Every form in which a master is found by a sentinel at this port. */
function sentinelForms(port: number, sentinelPassword = SECRET): [string, unknown][] {
  const sentinels = [{host: '127.0.0.1', port}]
  const options = {sentinels, name: 'main', password: SECRET, sentinelPassword}
  const client = new Redis({...options, ...lazy})
  opened.push(client)
  const query = `sentinelPassword=${encodeURIComponent(sentinelPassword)}`
  return [
    ['sentinels', options],
    ['ioredis with sentinels', client],
    ['a URL of a sentinel', `redis+sentinel://:${ESCAPED}@127.0.0.1:${port}/main?${query}`],
  ]
}

/** Every form in which a certificate is shown to the server at this port. */
function tlsForms(port: number, tls: object): [string, unknown][] {
  const at = {host: '127.0.0.1', port, password: SECRET}
  const client = new Redis({...at, ...lazy, tls})
  opened.push(client)
  const socket = {host: '127.0.0.1', port, ...tls, tls: true}
  const ofNode = nodeRedis6.createClient({socket, password: SECRET} as never)
  return [
    ['options with TLS', {...at, tls}],
    ['ioredis with TLS', client],
    ['node-redis with TLS', ofNode],
  ]
}

let known: RedisServer
let foreign: RedisServer
let sentinel: SentinelServer
let encrypted: Awaited<ReturnType<typeof startTlsRedis>>

const warned = (warning: Error) => void keep('a warning', warning)

beforeAll(async () => {
  known = await RedisServer.start(['--requirepass', SECRET])
  foreign = await RedisServer.start(['--requirepass', 'another'])
  encrypted = await startTlsRedis({shown, ca, clients: 'yes'}, ['--requirepass', SECRET])
  sentinel = await SentinelServer.watch([
    `sentinel monitor main 127.0.0.1 ${known.port} 1`,
    `sentinel auth-pass main "${SECRET}"`,
    `requirepass "${SECRET}"`,
  ])
  process.on('warning', warned)
})
beforeEach(() => {
  out = []
  const log = (message: string, fields: unknown) => void keep(`a line: ${message}`, fields)
  setLogger({debug: log, info: log, warn: log, error: log})
})
afterAll(async () => {
  await resignPrimaryServer()
  setLogger(null)
  process.off('warning', warned)
  for (const client of opened) client.disconnect()
  await Promise.all([known, foreign, sentinel, encrypted.server].map((server) => server.close()))
})

/** Uses all of them side by side; each has to end in one of these ways, whatever is done with it. */
async function expectEnds(sources: [string, unknown][], codes: unknown[]) {
  const ends = await Promise.all(
    sources.map(async ([name, source]) => [name, await useAll(source)] as const),
  )
  const others = ends.filter(([, all]) => all.some((end) => !codes.includes(end)))
  expect(others).toEqual([])
}

const {cert, key} = ours
const trusted = {ca: ca.cert, cert, key}

test('a source that works shows no secret', async () => {
  const sources = [
    ...forms(known.port),
    ...sentinelForms(sentinel.port),
    ...tlsForms(encrypted.tlsPort, trusted),
  ]
  await expectEnds(sources, ['ok', 'nothing'])
  for (const what of ['a change', 'a lease of a run', 'an outcome', 'a status', 'a command']) {
    expect(out.map(([kept]) => kept)).toContain(what)
  }
  expectNoSecret()
})

test('a refused log-in shows no secret', async () => {
  const denied = [
    ...forms(foreign.port),
    ['an unknown user', `redis://bob:${ESCAPED}@127.0.0.1:${known.port}`] as [string, unknown],
    ...sentinelForms(sentinel.port, `not ${MARKER}`),
    ...tlsForms(encrypted.tlsPort, {...trusted, ca: stranger.cert}),
    ...tlsForms(encrypted.tlsPort, {...trusted, cert: stranger.cert, key: stranger.key}),
    ['a URL with TLS', `rediss://:${ESCAPED}@127.0.0.1:${encrypted.tlsPort}`] as [string, unknown],
  ]
  await expectEnds(denied, ['ERR_STORE_DENIED'])
  expectNoSecret()
})

test('a server that is not there, or speaks otherwise, shows no secret', async () => {
  const unreachable = [
    ...forms(1),
    ...sentinelForms(1),
    ...tlsForms(1, trusted),
    ...tlsForms(known.port, trusted),
    ['a URL with TLS', `rediss://:${ESCAPED}@127.0.0.1:${known.port}`] as [string, unknown],
    ['a server with TLS', `redis://:${ESCAPED}@127.0.0.1:${encrypted.tlsPort}`] as [
      string,
      unknown,
    ],
  ]
  await expectEnds(unreachable, ['nothing', 'ERR_STORE_UNAVAILABLE', 'ERR_STORE_DENIED'])
  expectNoSecret()
})

const port = 1
const url = `redis://:${MARKER}@127.0.0.1:1`
const sentinels = [{port}]

/** Those in which an escape was forgotten have the secret, or half of it, in another place. */
const MALFORMED = [
  MARKER,
  `${MARKER}://host`,
  `://${MARKER}`,
  `redis:${MARKER}@host`,
  `:${MARKER}@host:1`,
  `http://:${MARKER}@host`,
  `redis://:${MARKER}@`,
  `redis://:${MARKER}@:1`,
  `redis://:${MARKER}@host:0`,
  `redis://:${MARKER}@host:99999`,
  `redis://:${MARKER}@host:port`,
  `redis://:${MARKER}@ho st`,
  `redis://:${MARKER}@[::1`,
  `redis://:${MARKER}@[${MARKER}]`,
  `redis://:${MARKER}@host/four`,
  `redis://:${MARKER}@host#x`,
  `redis://:${MARKER}%ff@host`,
  `redis://${MARKER}%ff:x@host`,
  `redis://:${MARKER}\ud800@host`,
  `redis://bob:${MARKER}`,
  `redis://bob:1/${MARKER}@host`,
  `redis://bob:1/${MARKER}@host/4`,
  `redis://bob:1?${MARKER}@host`,
  `redis://bob:1?db=${MARKER}@host`,
  `redis://bob:1#${MARKER}@host`,
  `redis://host?password=${MARKER}&db=x`,
  `redis://host?password=${MARKER}%ff`,
  `redis://host?sentinelPassword=${MARKER}`,
  `rediss://:${MARKER}@host:0`,
  `rediss://bob:1/${MARKER}@host`,
  `valkey://:${MARKER}@host/four`,
  `unix://${MARKER}`,
  `unix://:${MARKER}@`,
  `unix://bob:1/${MARKER}@/run/x?db=x`,
  `redis+unix://:${MARKER}%ff@/run/x`,
  `redis+sentinel://:${MARKER}@host`,
  `redis+sentinel://:${MARKER}@/main`,
  `redis+sentinel://:${MARKER}@host:0/main`,
  `redis+sentinel://:${MARKER}@[::1/main`,
  `redis+sentinel://:${MARKER}@host/main/four`,
  `redis+sentinel://:${MARKER}@host/main#x`,
  `redis+sentinel://:${MARKER}%ff@host/main`,
  `redis+sentinel://bob:1/${MARKER}@host/main`,
  `redis+sentinel://bob:1/${MARKER}@host/4`,
  `redis+sentinel://bob:1/x/${MARKER}@host/main`,
  `redis+sentinel://host/main?sentinelPassword=${MARKER}&role=slave`,
  `redis+sentinel://host/main?${MARKER}=1`,
  `rediss+sentinel://bob:1/x/${MARKER}@host/main`,
]

const pem = (label: string) => `-----BEGIN ${label}-----\n${MARKER}\n-----END ${label}-----\n`

const BESIDE: unknown[] = [
  [url],
  new String(url),
  Promise.resolve(url),
  {url},
  {client: url},
  {client: {password: MARKER}},
  {port, password: MARKER, db: -1},
  {port: 0, password: MARKER},
  {port, password: MARKER, family: 5},
  {port, password: MARKER, pasword: MARKER},
  {port, password: MARKER, tls: MARKER},
  {port, password: [MARKER]},
  {port, password: {MARKER}},
  {port, password: Buffer.from(MARKER)},
  {port, password: `${MARKER}\ud800`},
  {port, password: () => MARKER},
  {port, username: [MARKER]},
  {sentinels: [url], name: 'main'},
  {sentinels: url, name: 'main'},
  {sentinels: [{port, password: MARKER}], name: 'main'},
  {sentinels, password: MARKER},
  {sentinels, name: 'main', sentinelPassword: Buffer.from(MARKER)},
  {sentinels, name: 'main', sentinelPassword: MARKER, natMap: url},
  {sentinels, name: 'main', sentinelTLS: {key: pem('PRIVATE KEY')}},
  ...[
    {ca: MARKER},
    {ca: pem('CERTIFICATE')},
    {ca: ca.cert.slice(0, 200)},
    {ca: key},
    {cert},
    {key},
    {cert: MARKER, key},
    {cert, key: MARKER},
    {cert, key: pem('PRIVATE KEY')},
    {cert, key: pem('ENCRYPTED PRIVATE KEY')},
    {cert, key: key.replace(/M/g, '!')},
    {cert, key: stranger.key},
    {cert, key: [{pem: key, passphrase: MARKER}]},
    {cert, key, passphrase: MARKER},
    {pfx: Buffer.from(MARKER)},
    {ca: [[MARKER]]},
    {cert, key, minVersion: 'TLSv1'},
  ].map((tls) => ({port, password: MARKER, tls})),
]

test('a malformed URL is refused without the secret in it', async () => {
  await expectEnds(
    MALFORMED.map((text) => [text, text]),
    ['ERR_INVALID_CONFIG'],
  )
  expectNoSecret()
})

test('wrong options beside a secret are refused without it', async () => {
  await expectEnds(
    BESIDE.map((given) => [inspect(given), given]),
    ['ERR_INVALID_CONFIG'],
  )
  expectNoSecret()
})

test('wrong options of an election beside a secret are refused without it', async () => {
  for (const options of [{ttl: -1}, {serverId: 5}, {no: 1}]) {
    const wrong = () => establishPrimaryServer(url, newPrefix(), options as never)
    expect(await ended('an election', wrong)).toBe('ERR_INVALID_CONFIG')
  }
  expectNoSecret()
})
