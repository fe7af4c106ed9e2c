import {readFileSync} from 'node:fs'
import Redis from 'ioredis'

const {env} = process
const read = (file: string | undefined) => (file ? readFileSync(file) : undefined)

/** The one kind of Redis client in this server. A CA file turns TLS on, whatever the URL says. */
export class RedisInstance extends Redis {
  constructor(connectionName: string) {
    const ca = read(env.REDIS_TLS_CA_FILE)
    super(env.REDIS_URL ?? 'redis://127.0.0.1:6379', {
      connectionName,
      tls: ca && {
        ca,
        cert: read(env.REDIS_TLS_CERT_FILE),
        key: read(env.REDIS_TLS_KEY_FILE),
        rejectUnauthorized: env.REDIS_TLS_REJECT_UNAUTHORIZED !== 'false',
      },
      password: env.REDIS_PASSWORD,
      enableReadyCheck: false,
    })
  }
}
