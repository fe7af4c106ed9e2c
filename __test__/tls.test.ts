import Redis from 'ioredis'
import {establishPrimaryServer, resignPrimaryServer, setLogger, withLease} from '../index.js'
import {freePort, RedisServer} from '../support/redis.mjs'
import {LOCAL, useCertificates} from './support/certificates'
import {newPrefix, TTL} from './support/redis'

const certificates = useCertificates()
const ca = certificates.ca()
const certificate = certificates.make({by: ca, extensions: LOCAL})
let server: RedisServer
let port: number

beforeAll(async () => {
  setLogger(null)
  port = await freePort()
  server = await RedisServer.start([
    ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', certificate.certFile, '--tls-key-file', certificate.keyFile],
    ...['--tls-ca-cert-file', ca.certFile],
  ])
})
afterAll(async () => {
  await resignPrimaryServer()
  await server.close()
})

const establish = async (source: unknown) => {
  const lease = await establishPrimaryServer(source as never, newPrefix(), {ttl: TTL})
  expect(lease?.isHeld).toBe(true)
  return lease
}

test('an election is held over TLS, by options and by client', async () => {
  const tls = {ca: ca.cert}
  await establish({host: '127.0.0.1', port, tls})
  await establish(new Redis({host: '127.0.0.1', port, tls, lazyConnect: true}))
})

test('a command of a lease goes over TLS, however large it is', async () => {
  const value = Buffer.alloc(20_000_000, 'x')
  const redis = {host: 'localhost', port, tls: {ca: [Buffer.from(ca.cert)]}}
  await withLease(redis, newPrefix(), {ttl: 30_000}, async (lease) => {
    expect(await lease.command('large', ['SET', '{large}value', value])).toBe('OK')
    expect(await lease.command('large', ['STRLEN', '{large}value'])).toBe(value.length)
  })
})
