import Redis from 'ioredis'

/** What PostgreSQL is to a real server: it is there, whatever becomes of the Redis of the leases. */
export const database = new Redis(process.env.DATABASE_URL ?? 'redis://127.0.0.1:6379')
