import Redis from 'ioredis'

/** The one kind of Redis client in this server. */
export class RedisInstance extends Redis {
  constructor(connectionName: string) {
    super(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', {
      connectionName,
      tls: undefined,
      password: process.env.REDIS_PASSWORD,
      enableReadyCheck: false,
    })
  }
}
