/* eslint-disable */

/**
 * Elects one primary among many servers with a fenced, renewed lease in Redis.
 *
 * What this does **not** promise: an old primary can still be running its last instruction when a
 * new one is elected. `PrimaryLease.token` is how the thing being written to tells them apart. That
 * there is one primary at a time assumes that the clocks of the servers run at the same rate within
 * 1 % (steps of the clock do no harm) and that there is one Redis at a time: where a failover
 * leaves an old master answering its clients, two primaries overlap for as long as it answers one of
 * them.
 *
 * All times are in milliseconds.
 */

/**
 * Where Redis is: a URL (`redis://user:password@host:port/db`, `unix:///path`), an options object,
 * or an ioredis client, of which only the options are read. A connection of our own is opened;
 * nothing of the client is used or changed.
 *
 * One plain server for now: TLS, Sentinel, Cluster, node-redis clients and several servers
 * are refused with `ERR_INVALID_CONFIG`, as is what cannot be honoured (a `password`
 * function, a custom `Connector`). What only says how the caller's own client behaves (retry
 * strategies, the offline queue and the like) is ignored.
 */
export type RedisSource =
  | string
  | RedisOptions
  | {readonly options: object; sendCommand: unknown; defineCommand: unknown}

/** A connection in ioredis's words. `null`, `''` and `false` count as not given. */
export interface RedisOptions {
  /** Default `'localhost'`. */
  host?: string | null
  /** From 1 to 65535, default 6379. */
  port?: number | string | null
  /** A Unix socket; where given, `host` and `port` are ignored. */
  path?: string | null
  /** The number of the database, default 0. */
  db?: number | string | null
  username?: string | null
  password?: string | null
  /**
   * Put before every key and channel. Its first pair of braces, which names the hash slot in a cluster,
   * is not empty.
   */
  keyPrefix?: string | null
  /** Shown by `CLIENT LIST`, with a suffix. */
  connectionName?: string | null
  /** The IP family of the host's address: 4, 6, or 0 for either (the default). */
  family?: number | string | null
  /**
   * In ms, default 10,000. An eighth of the `ttl` of what waits for the connection bounds it too, but
   * never to less than 250 ms.
   */
  connectTimeout?: number | string | null
}

/** The same on every server of an election. An option that is not known is refused. */
export interface ElectionOptions {
  /**
   * How long a grant lasts without a renewal, in ms: from 500 to 86,400,000, default 5,000. A crashed
   * primary is replaced a little later than this after its last renewal.
   */
  ttl?: number
  /**
   * From one confirmed renewal to the next, in ms: default `ttl / 3`, at least 50, and early
   * enough for two unanswered commands before the lease ends.
   */
  renewInterval?: number
  /**
   * How long `establishPrimaryServer` waits for a Redis that does not answer, in ms: from 100 to
   * 3,600,000, default 10,000.
   */
  establishTimeout?: number
  /**
   * How long the end of the process may wait for its releases, in ms, once for all of them: from 0
   * to 10,000, default 500.
   */
  exitTimeout?: number
  /**
   * How long the event loop may stand still before this server counts as hung, in ms: from
   * `2 * ttl` to 1,036,800,000, default 60,000 or `12 * ttl`, whichever is longer; `false` for ever. A hung
   * primary gives its place up (`lost`, reason `stalled`), a hung standby takes none, and both
   * stand again when the loop turns. It is noticed at most an eighth late. A process that is frozen
   * as a whole does not hang, and neither does one whose inspector is open (for a worker, or before
   * Node 20.16: one that was started with `--inspect`).
   */
  stallTimeout?: number | false
  /**
   * One primary per scope, say per version: appended to the prefix, after a colon. In Redis a colon within
   * the prefix or the scope is written `%3A`, and a percent sign `%25`.
   */
  scope?: string
  /**
   * The name of this server, for people: 1 to 200 characters. Default: the environment variable
   * `SERVER_ID`, else `host:pid`.
   */
  serverId?: string
  /**
   * Whether a process that has just started may take a *missing* record at once where Redis has
   * been up for longer than a `ttl`, instead of waiting one: spares the wait at a first boot. At the
   * price of two primaries for at most one `ttl` after a FLUSHALL just before the start. Default
   * `false`.
   */
  eagerStart?: boolean
}

/** Who is primary, as this server sees it. */
export interface Primary {
  serverId: string
  token: number
}

/**
 * Why a lease ended: `store-lost` (commands were failing until the deadline), `expired` (they were
 * not: the process was frozen), `superseded` (a newer grant was found), `stalled` (the event loop
 * stood still for `stallTimeout`), `internal` (an error of ours), `resigned`, `exit`.
 */
export type LeaseEndReason =
  | 'store-lost'
  | 'expired'
  | 'superseded'
  | 'stalled'
  | 'internal'
  | 'resigned'
  | 'exit'

/** What a listener is told; `prefix` names the election. */
export type PrimaryChange =
  /** This server is primary. */
  | {type: 'elected'; prefix: string; lease: PrimaryLease}
  /** It is not any more, and not on purpose. */
  | {type: 'lost'; prefix: string; token: number; reason: LeaseEndReason}
  /** The campaign has ended; `token` if it held a lease until then. */
  | {type: 'resigned'; prefix: string; token?: number; reason: LeaseEndReason}
  /** Another server is primary now, or, where `primary` is `undefined`, none. */
  | {type: 'primary-changed'; prefix: string; primary: Primary | undefined}
  /** Redis has not answered for `ttl / 3`, or refuses; said once, until it answers again. */
  | {type: 'unavailable'; prefix: string; cause: string}
  | {type: 'available'; prefix: string}

/** How a campaign stands. */
export interface PrimaryStatus {
  prefix: string
  serverId: string
  /** `establishing` while a caller waits for an answer. */
  role: 'establishing' | 'primary' | 'standby'
  /** The token of the lease, where this server is primary. */
  token?: number
  /** Who is primary, where that is known: it may be this server. */
  primary?: Primary
  /** Whether Redis answers. */
  available: boolean
  /** Why it does not. */
  cause?: string
}

/** Where log lines go: `console` is one. */
export interface PrimaryLogger {
  debug(message: string, fields: Record<string, unknown>): void
  info(message: string, fields: Record<string, unknown>): void
  warn(message: string, fields: Record<string, unknown>): void
  error(message: string, fields: Record<string, unknown>): void
}

/** What one call of `withLease` is asked for with. An option that is not known is refused. */
export interface LeaseOptions extends RunOptions {
  /**
   * How long the lease of a crashed server lasts, in ms: from 100 to 86,400,000, default 5,000. A run
   * may take longer: the lease is renewed.
   */
  ttl?: number
  /**
   * How long it is remembered that a tick which `tick` names was run, in ms: from `ttl` to 30 days,
   * default 24 hours.
   */
  tickMemory?: number
  /**
   * How long a lease that another holds is waited for, in ms: default 0, at most a day. Those who wait
   * in one process are served in the order in which they came.
   */
  wait?: number
  /**
   * How long a Redis that does not answer is waited for, in ms: at least 10, default `ttl / 2` or
   * 5,000, whichever is shorter. No question takes more than a third of it, or 100 where that is longer.
   * A little longer than this another server is waited for, too, that was granted this tick and has not
   * begun to run it.
   */
  acquireTimeout?: number
  /** Ends the wait for the lease, and rejects with its reason. It does nothing once `run` has begun. */
  signal?: AbortSignal
  /**
   * How long the event loop may stand still before this server counts as hung and the lease is given
   * up, in ms: from `2 * ttl`, default 60,000 or `12 * ttl`, whichever is longer; `false` for ever.
   */
  stallTimeout?: number | false
  /** How long the end of the process may wait for the release, in ms: from 0 to 10,000, default 500. */
  exitTimeout?: number
}

/** What all runs of a `LeaderRunner` are asked for with. An option that is not known is refused. */
export interface LeaderRunnerOptions {
  /**
   * How long a lease is kept after its grant at least, in ms: from 0 to `lockTTL`, default 500 or
   * `lockTTL`, whichever is shorter. It keeps a server that is late by less from running a short job
   * again. Measured on Redis's clock. The default is 0 for a run that `tickEvery` or a scheduler's own
   * job names, which needs no such time.
   */
  minHold?: number
  /** As in `LeaseOptions`. */
  tickMemory?: number
  /** As in `LeaseOptions`, with `lockTTL` for `ttl`. */
  acquireTimeout?: number
  /** As in `RunOptions`. */
  maxRun?: number
  /** As in `LeaseOptions`. */
  stallTimeout?: number | false
  /** As in `LeaseOptions`. */
  exitTimeout?: number
}

/**
 * What names a tick: its *scheduled* time, the same on all servers, or what a scheduler hands out that
 * knows its own schedule. A `Date` is taken as it is: the time at which a timer fired, such as
 * `lastDate()` of cron or `currentRun()` of croner, differs between servers and names none.
 */
export type TickSource =
  | Date
  /** The job of `cron` that has just fired. */
  | {readonly cronTime: {getNextDateFrom(start: Date): unknown}; lastDate(): Date | null}
  /** The job of `croner` that has just fired. One with an `interval` is refused. */
  | {currentRun(): Date | null; nextRun(after?: Date): Date | null}
  /** The context that `node-cron` hands to its function. One of a run started by hand is refused. */
  | {readonly date: Date; readonly triggeredAt: Date}

/** What one run is asked for with. */
export interface RunOptions {
  /**
   * Names this run by its scheduled time: one tick of one name is granted once, however late a server
   * asks, within `tickMemory`. Not with `tickEvery`. Whatever names no tick beyond doubt is
   * `ERR_INVALID_CONFIG` at every call.
   *
   * A job is asked for its last occurrence before it fired: give it in its own callback, before
   * anything is awaited. A run that is started by hand is no tick: leave this out.
   */
  tick?: TickSource
  /**
   * The shortest time between two ticks of the schedule, in ms: from 2 to 2,592,000,000. Whoever asks
   * within half of that from the grant of a tick asks for that tick, measured on Redis's clock. Right
   * for servers that are late by less than half of it, whatever the phase of the schedule and its time
   * zone.
   */
  tickEvery?: number
  /**
   * How long the lease is kept after its grant at least, in ms: from 0 to the ttl; default 0, or that
   * of the runner. Nobody else is granted it before, though the run was shorter.
   */
  minHold?: number
  /**
   * How long the run may take, in ms: no default. Then its `signal` is aborted, its lease is renewed no
   * more, and whoever waits is told. Without it, a run that has held its lease for more than `10 * ttl`,
   * 60,000 at least, is warned of once in the log.
   */
  maxRun?: number
}

/**
 * What became of a run. `skipped`: another server holds the lease (`held`, also if it has just run the
 * job) or has run this tick (`ran`), or the runner is `closed`. `failed`: the job threw, or an argument
 * was wrong (then without a token). `lost`: the lease was lost before the job had ended; `overrun` is
 * for a job that took longer than `maxRun`. `unavailable`: no answer from Redis in time, or a refusal.
 * The last three are in the log too.
 */
export type RunOutcome =
  | {outcome: 'ran'; token: number}
  | {outcome: 'skipped'; reason: 'held' | 'ran' | 'closed'}
  | {outcome: 'failed'; error: unknown; token?: number}
  | {outcome: 'lost'; error: PrimaryLeaseError; token: number; reason: LeaseEndReason | 'overrun'}
  | {outcome: 'unavailable'; error: PrimaryLeaseError}

/**
 * - `ERR_INVALID_CONFIG`: an argument or an option; the message names it and its value.
 * - `ERR_LEASE_HELD`: another holds the lease of the resource, or has run this tick.
 * - `ERR_LEASE_LOST`: the lease is not held any more.
 * - `ERR_STALE_TOKEN`: a resource has seen a newer token; both are in the error.
 * - `ERR_STORE_UNAVAILABLE`: no answer from Redis in time.
 * - `ERR_STORE_DENIED`: Redis refuses us for good: credentials, permissions, or a key of another
 *   type under our name.
 * - `ERR_CLOSED`: the process is ending, the background thread could not be had, or a lease could not be handed to
 *   JavaScript and was given up.
 */
export type PrimaryLeaseErrorCode =
  | 'ERR_INVALID_CONFIG'
  | 'ERR_LEASE_HELD'
  | 'ERR_LEASE_LOST'
  | 'ERR_STALE_TOKEN'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_DENIED'
  | 'ERR_CLOSED'

/** What is thrown and rejected here: an `Error` with this name and a stable `code`. */
export interface PrimaryLeaseError extends Error {
  name: 'PrimaryLeaseError'
  code: PrimaryLeaseErrorCode
  /** With `ERR_STALE_TOKEN`: the token that was refused. */
  token?: number
  /** With `ERR_STALE_TOKEN`: the highest token that the resource has seen. */
  highest?: number
}
