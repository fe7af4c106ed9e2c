import {freePort, RedisServer} from '../../support/redis.mjs'
import type {Certificate} from './certificates'

/** A real Redis that speaks TLS on a port of its own, beside the plain one. */
export async function startTlsRedis(
  {shown, ca, clients = 'no'}: {shown: Certificate; ca: Certificate; clients?: 'yes' | 'no'},
  args: string[] = [],
) {
  const tlsPort = await freePort()
  const server = await RedisServer.start([
    ...['--tls-port', String(tlsPort), '--tls-auth-clients', clients],
    ...['--tls-cert-file', shown.certFile, '--tls-key-file', shown.keyFile],
    ...['--tls-ca-cert-file', ca.certFile, ...args],
  ])
  return {server, tlsPort}
}
