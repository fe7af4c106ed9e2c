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
 * Where Redis is: a URL (`redis://user:password@host:port/db`, `rediss://` with TLS, `unix:///path`, as text
 * or as a `URL`), an options object, or a client of ioredis, iovalkey or node-redis, of which only the options are read. A
 * connection of our own is opened; nothing of the client is used or changed. `docs/redis.md` says what
 * becomes of each option.
 *
 * One server, or a master with its sentinels, for now: Cluster and several servers are refused with
 * `ERR_INVALID_CONFIG`, as is what cannot be honoured (a `password` function, a custom `Connector`). What
 * only says how the caller's own client behaves (retry strategies, the offline queue and the like) is
 * ignored.
 */
export type RedisSource = string | URL | RedisOptions | RedisClient | NodeRedisClient | {
  /** Of ioredis, iovalkey or node-redis. */
  client: RedisClient | NodeRedisClient
  /** As in {@link RedisOptions}. */
  failoverUnsafe?: boolean
}

/** A client of ioredis or iovalkey, as far as it is looked at. */
export interface RedisClient {
  readonly options: object
  sendCommand: unknown
  defineCommand: unknown
  /** Not of a `Cluster`. */
  nodes?: undefined
}

/** A client of node-redis, as far as it is looked at: neither its cluster, nor a sentinel, nor a pool. */
export interface NodeRedisClient {
  readonly options: object
  sendCommand: unknown
  readonly isReady: boolean
  defineCommand?: undefined
  slots?: undefined
}

/** What cannot be honoured is refused: by type, and at run time with `ERR_INVALID_CONFIG`. */
export interface RefusedOptions {
  readonly startupNodes?: null | undefined
}

/** A connection in ioredis's words. `null`, `''` and `false` count as not given. */
export interface RedisOptions extends RefusedOptions {
  /**
   * Lets elections do without INFO where the server does not answer it in a script: Redis Cloud, Redis
   * Software, Azure Managed Redis, Upstash, Dragonfly. Such a server does not say that a failover, or a
   * restore, has brought an older state back. One that loses confirmed writes can leave two primaries, for
   * about one `ttl`: send the token with every write (`lease.fence`), and the resource refuses the older one.
   * A released lease is then taken only after a watch of one `ttl`, `eagerStart` is refused, and a warning
   * is logged once. The same on every server of an election. Where INFO is answered it makes no difference, and
   * where a permission is missing the error says so instead. In a URL `?failoverUnsafe=true`; with a
   * client `{client, failoverUnsafe: true}`. `docs/redis.md` has the services and the figures.
   *
   * @default false
   */
  failoverUnsafe?: boolean | 'true' | 'false' | null
  /** @default 'localhost' */
  host?: string | null
  /**
   * From 1 to 65535.
   *
   * @default 6379
   */
  port?: number | string | null
  /** A Unix socket; where given, `host` and `port` are ignored. */
  path?: string | null
  /**
   * The number of the database.
   *
   * @default 0
   */
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
  /** An object, also an empty one, or `true`: the connection is encrypted. */
  tls?: TlsOptions | boolean | null
  /**
   * Sentinels that know where the master is, instead of `host` and `port`. All of them are asked at once, and
   * heard while the connection is used; `connectTimeout` covers asking them.
   *
   * @example
   * const redis = {sentinels: [{host: 'sentinel-1'}, {host: 'sentinel-2'}], name: 'mymaster'}
   */
  sentinels?: readonly SentinelAddress[] | null
  /** The name under which the sentinels watch the master. Means nothing without `sentinels`. */
  name?: string | null
  /** Only a master can be written to; `'slave'` is refused. */
  role?: 'master' | null
  /** Of the sentinels; `username` and `password` are the master's. */
  sentinelUsername?: string | null
  sentinelPassword?: string | null
  /** Encrypts what is asked of the sentinels. */
  sentinelTLS?: TlsOptions | boolean | null
  /**
   * Whether `tls` is for the master too. As in ioredis, it encrypts nothing where there are `sentinels` and this is
   * not `true`.
   *
   * @default false
   */
  enableTLSForSentinelMode?: boolean | null
  /** Where from here an address is that a sentinel announces as `host:port`. A function is refused. */
  natMap?: {readonly [announced: string]: {host: string; port: number}} | null
  /**
   * Whether sentinels that the given ones know of are asked too.
   *
   * @default true
   */
  updateSentinels?: boolean | null
}

/** The address of a sentinel. */
export interface SentinelAddress {
  /** @default 'localhost' */
  host?: string
  /** @default 26379 */
  port?: number | string
}

/**
 * TLS, in the words of Node's `tls.connect`. Certificates and keys are given in PEM, as text or as the
 * bytes of a file. What Node knows besides and cannot be honoured is refused by name.
 */
export interface TlsOptions {
  /**
   * The trusted authorities, instead of those that Node trusts (its own list and
   * `NODE_EXTRA_CA_CERTS`).
   */
  ca?: PemText | readonly PemText[]
  /** The certificate that is shown to a server that asks for one, and what leads from it to its authority. */
  cert?: PemText | readonly PemText[]
  /** The key of `cert`, not encrypted. */
  key?: PemText | readonly (PemText | {readonly pem: PemText})[]
  /** The name that is expected in the certificate of the server, instead of `host`. */
  servername?: string
  /**
   * `false` accepts any server, and logs a warning once.
   *
   * @default true, or false where `NODE_TLS_REJECT_UNAUTHORIZED` is `0`
   */
  rejectUnauthorized?: boolean
  /** @default 'TLSv1.2' */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** @default 'TLSv1.3' */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** One or several blocks of PEM. */
export type PemText = string | ArrayBufferView

/** The same on every server of an election. An option that is not known is refused. */
export interface ElectionOptions {
  /**
   * How long a grant lasts without a renewal, in ms: from 500 to 86,400,000. A crashed
   * primary is replaced a little later than this after its last renewal.
   *
   * @default 5000
   */
  ttl?: number
  /**
   * From one confirmed renewal to the next, in ms: at least 50, and early
   * enough for two unanswered commands before the lease ends.
   *
   * @default ttl / 3
   */
  renewInterval?: number
  /**
   * How long `establishPrimaryServer` waits for a Redis that does not answer, in ms: from 100 to
   * 3,600,000.
   *
   * @default 10000
   */
  establishTimeout?: number
  /**
   * How long the end of the process may wait for its releases, in ms, once for all of them: from 0
   * to 10,000.
   *
   * @default 500
   */
  exitTimeout?: number
  /**
   * How long the event loop may stand still before this server counts as hung, in ms: from
   * `2 * ttl` to 1,036,800,000; `false` disables it. A hung
   * primary releases its lease (`lost`, reason `stalled`), a hung standby does not take over, and both
   * stand again when the loop turns. A hang is noticed up to 12.5 % late. A process that is frozen
   * as a whole does not count as hung, and neither does one whose inspector is open (for a worker, or before
   * Node 20.16: one that was started with `--inspect`).
   *
   * @default max(60000, 12 * ttl)
   */
  stallTimeout?: number | false
  /**
   * One primary per scope, say per version: appended to the prefix, after a colon. In Redis a colon within
   * the prefix or the scope is written `%3A`, and a percent sign `%25`.
   */
  scope?: string
  /**
   * The name of this server, for people: 1 to 200 characters.
   *
   * @default process.env.SERVER_ID, else `host:pid`
   */
  serverId?: string
  /**
   * Whether a process that has just started may take a *missing* record at once where Redis has
   * been up for longer than a `ttl`, instead of waiting one: it spares the wait at a first boot. The
   * price: two primaries for at most one `ttl` after a FLUSHALL just before the start.
   *
   * @default false
   */
  eagerStart?: boolean
  /**
   * Where several servers stand by, the one with the highest priority takes a vacant place, and among equals the one
   * with the newest `version`: an integer from -999 to 999. A server with a lower one lets the others go first for 30 ms,
   * or 40 where two are higher, and then takes the place if nobody else has. A primary keeps its place, whoever comes
   * later.
   *
   * @default 0
   */
  priority?: number
  /**
   * The version of this server, as a semantic version of at most 64 characters: in a rolling restart with one, the
   * place goes to a new server as soon as one stands by, and moves twice at most. Any version is above none, and build metadata
   * (`+...`) counts for nothing. Where it is none, `ERR_INVALID_CONFIG`.
   *
   * @example
   * ```ts
   * import {version} from './package.json'
   *
   * await establishPrimaryServer(redis, 'jobs', {version})
   * ```
   */
  version?: string
}

/** Who is primary, as this server sees it. */
export interface Primary {
  serverId: string
  token: number
}

/**
 * Why a lease ended: `store-lost` (commands were failing until the deadline), `expired` (they were
 * not: the process was frozen), `superseded` (a newer grant was found), `stalled` (the event loop
 * stood still for `stallTimeout`), `failed` (the work under it threw), `asked` (somebody asked this server to let another
 * take over), `internal` (an error of ours), `resigned`, `exit`.
 */
export type LeaseEndReason =
  | 'store-lost'
  | 'expired'
  | 'superseded'
  | 'stalled'
  | 'failed'
  | 'asked'
  | 'internal'
  | 'resigned'
  | 'exit'

/** What a listener is told; `prefix` names the election. */
export type PrimaryChange =
  /** This server is primary. */
  | {type: 'elected'; prefix: string; lease: PrimaryLease}
  /** It is not any more, and not on purpose. */
  | {type: 'lost'; prefix: string; token: number; reason: LeaseEndReason}
  /**
   * Half of the time has passed from when a renewal was due to the step-down deadline, and none was confirmed: take no new
   * work. `renewed`, `lost` or `resigned` follows.
   */
  | {type: 'renewal-late'; prefix: string; token: number}
  /** A renewal was confirmed after a `renewal-late`. */
  | {type: 'renewed'; prefix: string; token: number}
  /** The campaign has ended; `token` if it held a lease until then. */
  | {type: 'resigned'; prefix: string; token?: number; reason: LeaseEndReason}
  /** Another server is primary now, or, where `primary` is `undefined`, none. */
  | {type: 'primary-changed'; prefix: string; primary: Primary | undefined}
  /** Redis has not answered for `ttl / 3`, or refuses; said once, until it answers again. */
  | {type: 'unavailable'; prefix: string; cause: string}
  | {type: 'available'; prefix: string}

/** How a campaign stands; `role` tells the variants apart. */
export type PrimaryStatus = PrimaryRole & StoreHealth

/** What this server is in an election. */
export type PrimaryRole =
  /** This server is primary. */
  | {
      prefix: string
      serverId: string
      role: 'primary'
      /** The present lease, as `establishPrimaryServer` gave it. */
      lease: PrimaryLease
      token: number
      primary: Primary
    }
  /** It is not: a standby, or `establishing` while a caller waits for an answer. */
  | {
      prefix: string
      serverId: string
      role: 'establishing' | 'standby'
      lease?: undefined
      token?: undefined
      /** Who is primary, where that is known. */
      primary?: Primary
    }

/** Whether Redis answers, and if not, why. */
export type StoreHealth =
  | {available: true; cause?: undefined; healthy: true}
  | {
      available: false
      cause: string
      /**
       * Whether this server can do its part: false once `available` has been false for a whole `ttl`. By
       * then it is not primary any more, and cannot become it. True for a standby as for a primary, and
       * while a caller waits for an answer. Another server does not help where Redis is away for all of
       * them: a *liveness* probe must not ask for it. `docs/production.md` has the probes.
       */
      healthy: boolean
    }

/** What {@link metrics} counted: since the process began, and never back. Times are in seconds. */
export interface Metrics {
  /** The elections that this thread takes part in. */
  elections: ElectionMetrics[]
  /** Those that it has resigned from: the last 1,000 at least. */
  ended: EndedElectionMetrics[]
  /** Of all elections of the process. */
  renewals: {
    /** From the request to its confirmation, in seconds. */
    roundTrip: MetricsHistogram
    /**
     * What was left to the step-down deadline as a renewal was confirmed, as a share of the ttl: about 0.45
     * where all is well, and 0 where the lease is lost. So elections with different ttls are one scale.
     */
    margin: MetricsHistogram
  }
  /** What was asked of Redis, or of `memory://`, in this process. */
  commands: {
    of: 'election' | 'run' | 'fence'
    command: 'acquire' | 'renew' | 'release' | 'inspect' | 'begin' | 'withdraw' | 'command'
    answered: number
    /** No answer in time: it may or may not have happened. */
    unanswered: number
    /** An error that passes (`LOADING`, `OOM`, `READONLY` and the like), or it was not sent. */
    refused: number
    /** An error that stays: credentials, permissions. */
    denied: number
  }[]
  /** Commands of the process that followed one without an answer, or with a refusal. */
  retries: {election: number; run: number}
  /** Questions of the process where it is not primary, which found nothing to take. */
  polls: number
  eventLoop: {
    /**
     * How late event loops of the process answered the background thread, which asks every eighth of the
     * shortest `stallTimeout` (7.5 s by default), in seconds: a sample, so that a shorter stall can be
     * missed. A process that stood still as a whole counts too. `max` is the longest ever.
     */
    delay: MetricsHistogram
  }
  /** Of `withLease`, `LeaderRunner` and `runCoordinator` in this thread, of all names together. */
  runs: {
    ran: number
    failed: number
    skipped: {
      held: number
      ran: number
      /** Also given up by its caller. */
      closed: number
    }
    lost: Record<LeaseEndReason | 'overrun', number>
    unavailable: {
      unanswered: number
      denied: number
      /** An error of ours. */
      internal: number
    }
    /** Now: begun, and not ended. */
    active: number
    /** From the grant to the release, in seconds, in all of the process. */
    held: MetricsHistogram
  }
  /** Those of the process: one for each address and database. */
  connections: {
    /** The address and the database, without a user or password. */
    redis: string
    /** Now. One that nobody uses is closed. */
    connected: boolean
    opened: number
    /** Broken off, or dropped because nothing was answered on it. */
    lost: number
    /** Attempts to open it. */
    failed: number
    messages: number
    /** Commands that wait to be sent, now. */
    queued: number
    /** Commands that came to the end of their time unsent: no connection, or Redis was behind. */
    notSent: number
  }[]
  log: {
    /** Handed to the logger, by this thread. */
    lines: Record<'debug' | 'info' | 'warn' | 'error', number>
    /** The logger threw, or rejected. */
    dropped: number
  }
}

/** An election that has ended for this thread, as far as {@link metrics} knows it. */
export interface EndedElectionMetrics {
  prefix: string
  /** As in Redis: the prefix, with the scope after a colon (one within either is `%3A`). */
  name: string
  /** For how long this thread has been primary in all. */
  primarySeconds: number
  /** What happened, as a listener was told; how often. */
  changes: {
    elected: number
    lost: Record<LeaseEndReason, number>
    resigned: Record<LeaseEndReason, number>
    primaryChanged: number
    unavailable: number
  }
}

/** An election that this thread takes part in. */
export interface ElectionMetrics extends EndedElectionMetrics {
  serverId: string
  isPrimary: boolean
  /** It is primary, or takes over when the primary goes: there is a listener or a `whilePrimary`. */
  isStanding: boolean
  /** As this server sees it. */
  primary: Primary | undefined
  ttlSeconds: number
  /**
   * What was left to the step-down deadline as the last renewal was confirmed; `undefined` where this is not
   * primary, or nothing was renewed yet.
   */
  marginSeconds: number | undefined
  /** As in {@link StoreHealth}. */
  available: boolean
  /** As in {@link StoreHealth}. */
  healthy: boolean
}

/** How many observations there were, by their size. */
export interface MetricsHistogram {
  /** The upper bounds, which are included, in ascending order. */
  bounds: number[]
  /** How many were up to each bound and above the one before; the last, one more than the bounds, is above all. */
  counts: number[]
  count: number
  sum: number
  /** The largest ever. */
  max: number
}

/** A registry of prom-client 15, as far as it is used. */
export interface MetricsRegistry {
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/** How {@link registerMetrics} names what it registers. An option that is not known is refused. */
export interface RegisterMetricsOptions {
  /** What each name begins with.
   *
   * @default 'primary_lease_'
   */
  prefix?: string
  /** Labels of all metrics, beside those that they have. */
  labels?: Record<string, string | number>
}

/** The message of the channel `primary-lease:run` of `node:diagnostics_channel`: a run that has ended. */
export interface RunMessage {
  /** Of its `LeaderRunner`. */
  prefix?: string
  resource: string
  outcome: RunOutcome['outcome']
  /** With `skipped`, `lost` and `unavailable`: as in {@link Metrics}. */
  reason?: string
  /** Where it began. */
  token?: number
  /** With `failed`: what the job threw. */
  error?: unknown
  /** With `unavailable`: what is known of Redis. */
  cause?: string
  /** When it was asked for, in ms since 1970. */
  askedAt: number
  /** When the job began; `undefined` where it did not. */
  beganAt?: number
  endedAt: number
}

/**
 * Where log lines go: `console` is one. What a function of yours threw is in the field `error`, as it is.
 *
 * pino and bunyan, which want the fields before the message, are recognised and given them so, with the
 * error as `err`. For another logger of that kind:
 *
 * @example
 * const swap = (method) => (message, fields) => logger[method](fields, message)
 * setLogger({debug: swap('debug'), info: swap('info'), warn: swap('warn'), error: swap('error')})
 */
export interface PrimaryLogger {
  debug(message: string, fields: Record<string, unknown>): void
  info(message: string, fields: Record<string, unknown>): void
  warn(message: string, fields: Record<string, unknown>): void
  error(message: string, fields: Record<string, unknown>): void
}

/**
 * How an election stood when Redis was looked at; `state` tells the variants apart. The times are Redis's clock, but
 * for `since` of a standby: when that clock is set, `state` can be wrong until the next renewal.
 */
export type PrimaryInspection = {
  prefix: string
  scope?: string
  /** When it was so. */
  at: Date
  /**
   * Who stands by, the highest `priority` first; of more than a thousand those that were seen last. Missing
   * where the user of Redis may not read it: `standbysRefused` says why.
   */
  standbys?: StandbyInspection[]
  /** How many stand by, also where they are more than a thousand. */
  standbyCount?: number
  standbysRefused?: string
  /** The last ten changes, the latest first. */
  changes: PrimaryInspectionChange[]
} & (
  /**
   * `primary`: it has renewed its lease in time. `silent`: its step-down deadline has passed, so that it is not
   * primary any more, unless it writes its record again; a standby takes over when it has watched that for a `ttl`.
   */
  | {state: 'primary' | 'silent'; primary: InspectedPrimary}
  /**
   * `vacant`: the lease was released, or never granted. `none`: there is no record; nobody has taken part for 30
   * days, or the data were lost. `unreadable`: a field of the record is none of ours; candidates make it anew.
   */
  | {state: 'vacant' | 'none' | 'unreadable'; primary?: undefined}
)

/** The holder of the lease, by the record. */
export interface InspectedPrimary {
  /** What the server called itself: anything, so escape it before you show it. */
  serverId: string
  token: number
  /** When the lease was granted. */
  since: Date
  /** When Redis wrote the last renewal. */
  renewedAt: Date
  /** In ms. */
  ttl: number
  /**
   * When it steps down unless it renews: `renewedAt + 0.98 * ttl - 20 - ttl / 5`. Its own deadline is a little
   * earlier, since it counts from when the renewal was sent.
   */
  stepDownAt: Date
  /** Somebody has asked it to resign, and it has not renewed since. */
  asked: boolean
}

/** One that stands by, by the roster. */
export interface StandbyInspection {
  /** As of {@link InspectedPrimary}. */
  serverId: string
  version?: string
  priority: number
  /** When its campaign began, by the clock of that server. */
  since: Date
  /** When it last polled: less than a `ttl` ago as a rule. */
  seenAt: Date
}

/**
 * A change of the primary, by the log in the record. `elected`: the lease had been released (`free`), was not renewed
 * for a watch (`silent`), or there was no record (`missing`). `restored`: the primary wrote its record again after the data were
 * lost or rolled back. `left`: released, with the reason; `asked` where it was asked to resign, `unclaimed` where a grant was given
 * back whose reply had come too late, or never.
 */
export type PrimaryInspectionChange = {at: Date; serverId: string; token: number} & (
  | {type: 'elected'; reason: 'free' | 'silent' | 'missing'}
  | {type: 'restored'; reason?: undefined}
  | {type: 'left'; reason: Exclude<LeaseEndReason, 'superseded'> | 'asked' | 'unclaimed'}
)

/** The options of `withLease`. An unknown option is refused. */
export interface LeaseOptions extends RunOptions {
  /**
   * How long the lease of a crashed server lasts, in ms: from 100 to 86,400,000. A run
   * may take longer: the lease is renewed.
   *
   * @default 5000
   */
  ttl?: number
  /**
   * How long Redis remembers that the tick of `tick` was run, in ms: from `ttl` to 30 days,
   * default 24 hours.
   *
   * @default 86400000
   */
  tickMemory?: number
  /**
   * How long to wait for a lease that another holds, in ms: default 0, at most a day. Waiters of one
   * process are served in the order of their calls.
   *
   * @default 0
   */
  wait?: number
  /**
   * How long to wait for a Redis that does not answer, in ms: at least 10, default `ttl / 2` or
   * 5,000, whichever is shorter. No question takes more than a third of it, or 100 where that is longer.
   * A server that was granted this tick and has not begun to run it is waited for a little longer than
   * this.
   *
   * @default min(ttl / 2, 5000)
   */
  acquireTimeout?: number
  /** Ends the wait for the lease, and rejects with its reason. It does nothing once `run` has begun. */
  signal?: AbortSignal
  /**
   * How long the event loop may stand still before this server counts as hung and the lease is
   * released, in ms: from `2 * ttl`; `false` disables it.
   *
   * @default max(60000, 12 * ttl)
   */
  stallTimeout?: number | false
  /**
   * How long the end of the process may wait for the release, in ms: from 0 to 10,000.
   *
   * @default 500
   */
  exitTimeout?: number
  /**
   * Whether the caller waits until Redis has confirmed the release. With `false` it is answered when the release was
   * written to the connection: a round trip sooner, in which another server may still be refused. A release that may
   * have been lost is sent again before this process asks for the same lease. The end of the process and `close()`
   * still wait for it.
   *
   * @default true
   */
  awaitRelease?: boolean
}

/** The options of all runs of a `LeaderRunner`. An unknown option is refused. */
export interface LeaderRunnerOptions {
  /**
   * How long a lease is kept after its grant at least, in ms: from 0 to `lockTTL`, default 500 or
   * `lockTTL`, whichever is shorter. It keeps a server that is late by less from running a short job
   * again. Measured on Redis's clock. The default is 0 for a run that `tickEvery` or a scheduler's own
   * job names, which needs no such time.
   *
   * @default min(500, lockTTL)
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
  /** As in `LeaseOptions`. */
  awaitRelease?: boolean
}

/** What `runCoordinator` takes: the options of a `LeaderRunner` whose ticks are named by node-cron. */
export type RunCoordinatorOptions = Omit<LeaderRunnerOptions, 'minHold'>

/** The coordinator of node-cron 4 that `runCoordinator` makes, with an end for shutdowns. */
export interface RunCoordinator {
  /**
   * Whether this server runs the tick that `key` names; called by node-cron. Rejects where that
   * is unknown: with `ERR_STORE_UNAVAILABLE`, `ERR_STORE_DENIED`, or `ERR_INVALID_CONFIG` for a key that names
   * no tick. node-cron then skips the tick on this server (`coordinator-error`).
   */
  shouldRun(key: string, ttlMs: number): Promise<boolean>
  /** Releases the lease of that tick, and resolves when it is released; called by node-cron. Never rejects. */
  onComplete(key: string): Promise<void>
  /**
   * Grants no more ticks, and resolves when the runs that are under way have ended: at the latest after
   * `drain` ms (default: the longest `distributedLease` in use). Never rejects.
   */
  close(options?: {drain?: number}): Promise<void>
}

/**
 * A `RunCoordinator` for node-cron 4: every server runs the scheduler, and each tick of a task with
 * `distributed: true` is run by one of them, once, however late the others are. The lease is renewed
 * while the task runs and released at its end; `distributedLease` (default 30,000 ms) is how long that of a
 * crashed server lasts, from 100 ms.
 *
 * Each such task needs a `name`, the same on all servers: it names the lease, `<prefix>:<name>`.
 *
 * @example
 * ```ts
 * import cron from 'node-cron'
 * import {runCoordinator} from 'primary-lease'
 *
 * cron.setRunCoordinator(runCoordinator(redis, 'chronos'))
 * cron.schedule('0 3 * * *', sendMail, {name: 'send-mail', distributed: true})
 * ```
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`: an argument, by name and value.
 */
export function runCoordinator(redis: RedisSource, prefix: string, options?: RunCoordinatorOptions): RunCoordinator

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

/** The options of one run. */
export interface RunOptions {
  /**
   * Names this run by its scheduled time: one tick of one name is granted once, however late a server
   * asks, within `tickMemory`. Not with `tickEvery`. A value that does not name a tick for certain is
   * `ERR_INVALID_CONFIG` at every call.
   *
   * A job is asked for its last occurrence before it fired: give it in its own callback, before
   * anything is awaited. A run that is started by hand is no tick: leave this out.
   */
  tick?: TickSource
  /**
   * The shortest time between two ticks of the schedule, in ms: from 2 to 2,592,000,000. A request
   * within half of that after the grant of a tick is for that tick, measured on Redis's clock. Right
   * for servers that are late by less than half of it, in any phase of the schedule and any time
   * zone.
   */
  tickEvery?: number
  /**
   * How long the lease is kept after its grant at least, in ms: from 0 to the ttl; default 0, or that
   * of the runner. No other server is granted it sooner, however short the run.
   */
  minHold?: number
  /**
   * How long the run may take, in ms: no default. After that its `signal` is aborted, its lease is no
   * longer renewed, and the call fails with `ERR_LEASE_LOST` (outcome `lost`, reason `overrun`). Without it, a
   * run that has held its lease for more than `10 * ttl`, and at least 60,000, is logged once as a warning.
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
 * - `ERR_CLOSED`: the process is ending, the background thread could not be started, or a lease could not be
 *   handed to JavaScript and was released.
 */
export type PrimaryLeaseErrorCode =
  | 'ERR_INVALID_CONFIG'
  | 'ERR_LEASE_HELD'
  | 'ERR_LEASE_LOST'
  | 'ERR_STALE_TOKEN'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_DENIED'
  | 'ERR_CLOSED'

/**
 * What is thrown and rejected here. `instanceof` holds for errors of another copy of this package, or of
 * another realm, too.
 */
export declare class PrimaryLeaseError extends Error {
  constructor(code: PrimaryLeaseErrorCode, message: string, more?: ErrorOptions)
  readonly code: PrimaryLeaseErrorCode
  /** With `ERR_STALE_TOKEN`: the token that was refused. */
  token?: number
  /** With `ERR_STALE_TOKEN`: the highest token that the resource has seen. */
  highest?: number
  /** With `ERR_LEASE_LOST` of a run that still finished: what it returned. */
  result?: unknown
}

/**
 * Runs the jobs of a scheduler that every server has, each tick on one of them.
 *
 * Every server calls `runLocked` at every tick; the one that is granted the lease of the job's name
 * runs it, the others skip. The lease is renewed while the job runs, also while it blocks the event
 * loop, and is kept for `minHold` at least, so that a server that is late by less does not run a short
 * job again. With `tick` no lateness does that, with `tickEvery` none below half of it.
 */
export declare class LeaderRunner {
  /**
   * `lockTTL` is how long the lease of a crashed server keeps its job from being run, in ms: from 100
   * to 86,400,000.
   *
   * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG` and `ERR_CLOSED` (the process is ending).
   */
  constructor(redis: RedisSource, prefix: string, lockTTL: number, options?: LeaderRunnerOptions)
  /**
   * Runs `run` if this server is granted the lease of `name`, and resolves with what became of it.
   * Never rejects: what a job throws is in the outcome, and in the log.
   *
   * `skip` is called where another server runs the job or has just run it, and only there: not when
   * the job failed, not when Redis did, and never after `run` began.
   *
   * Its type fits a callback that must return `Promise<void>`, as schedulers ask for, without a cast.
   */
  runLocked<Outcome extends RunOutcome | void = RunOutcome>(name: string, run: (lease: Lease) => unknown, skip?: (() => unknown) | null, options?: RunOptions): Promise<Outcome>
  /**
   * Begins no more runs, and resolves when those that are under way have ended and their leases are
   * released: at the latest after `drain` ms (default `lockTTL`), when the `signal` of each remaining run
   * is aborted and its lease is still released. While Redis does not answer, an expired lease
   * counts as released. Never rejects but for `ERR_INVALID_CONFIG`.
   *
   * Without it, and without waiting for it, the end of the process releases everything.
   */
  close(options?: {drain?: number}): Promise<void>
}

/**
 * The lease of one run of a job: handed to the job, renewed while it runs, released after it.
 *
 * It trusts Redis's clock. A loss of Redis's data, a failover or a step of its clock can give the
 * resource to another server while a run goes on: the token tells the two apart.
 */
export declare class Lease {
  /**
   * What it is the lease of: what `withLease` was given; with a `LeaderRunner`, its prefix and the
   * name, with a colon between (one within the prefix or the name is `%3A`, and a percent sign `%25`).
   */
  get resource(): string
  /**
   * The name of the lease, for the resource that keeps its highest token: `lease:<resource>`. Tokens compare
   * only under one name; `fence` and `command` use it too.
   */
  get name(): string
  /**
   * The fencing token: a safe integer that rises with every grant for this resource. Send it with
   * every write of the run, and let the database refuse a smaller one than it has seen.
   */
  get token(): number
  /**
   * Whether it is held at this very moment: compares the clock with the deadline, so it is right
   * even just after the event loop or the whole process stood still. Once false it stays false.
   */
  get isHeld(): boolean
  /** For how long it is held even if no further renewal is confirmed, in ms; 0 when it is not. */
  get remainingMs(): number
  /**
   * Aborted when the lease is lost or released, or the run takes longer than `maxRun`, with a
   * `PrimaryLeaseError` of the code `ERR_LEASE_LOST` as its reason. The event loop has to turn for
   * that; `isHeld` does not need it.
   */
  get signal(): AbortSignal
  /** @throws {PrimaryLeaseError} `ERR_LEASE_LOST` unless the lease is held at this moment. */
  assertHeld(): void
  /**
   * Asks a resource in Redis whether it has seen a newer token of this lease, and shows it this one:
   * from here on it refuses every smaller one. As `fence` of `PrimaryLease`.
   */
  fence(resource: string): Promise<void>
  /**
   * Does what `fence(resource)` does and, if the token passes, applies a Redis command in the same
   * step. As `command` of `PrimaryLease`.
   */
  command(resource: string, args: (string | Uint8Array)[]): Promise<unknown>
}

/**
 * Primaryship of one election, from its grant to its loss or release.
 *
 * The same object comes out of `establishPrimaryServer` and in the `elected` change. It is made
 * by an election only, and is not renewed or revived once it was lost: the next election gives
 * a new one, with a larger token.
 */
export declare class PrimaryLease {
  /** The prefix of the election, without the scope. */
  get prefix(): string
  /**
   * The name of the lease, for the resource that keeps its highest token: `primary:<prefix>`, with a scope
   * `primary:<prefix>:<scope>`. Tokens compare only under one name; `fence` and `command` use it too.
   */
  get name(): string
  /** The name of this server, for people. */
  get serverId(): string
  /**
   * The fencing token: a safe integer that rises with every grant of this election. Send it with
   * every write of the primary, and let the database refuse a smaller one than it has seen.
   */
  get token(): number
  /**
   * Whether this server is primary at this very moment: compares the clock with the deadline,
   * so it is right even just after the event loop or the whole process stood still. Once
   * false it stays false.
   */
  get isHeld(): boolean
  /** For how long it is held even if no further renewal is confirmed, in ms; 0 when it is not. */
  get remainingMs(): number
  /**
   * Aborted when the lease is lost or released, with a `PrimaryLeaseError` of the code
   * `ERR_LEASE_LOST` as its reason; where a drain waits for the work to stop, it is aborted as
   * that begins, and the lease is held until it is over. The event loop has to turn to hear of a
   * loss; `isHeld` does not need it.
   */
  get signal(): AbortSignal
  /** @throws {PrimaryLeaseError} `ERR_LEASE_LOST` unless the lease is held at this moment. */
  assertHeld(): void
  /**
   * Asks a resource in Redis whether it has seen a newer token of this election, and shows it this
   * one: from here on it refuses every smaller one. `resource` is any name of 1 to 200 characters,
   * without control characters or braces. Its record, the hash `fence:{<resource>}`, has no expiry.
   * Redis must not evict such keys: set `maxmemory-policy` to `noeviction` or one of `volatile-*`.
   *
   * @throws {PrimaryLeaseError} `ERR_STALE_TOKEN` when a newer token has been seen (`token` and `highest` are in the
   * error, both safe integers), `ERR_LEASE_LOST` when the lease is not held any more (nothing is
   * sent), `ERR_STORE_UNAVAILABLE` without an answer in `ttl / 6`, at least 1,000 ms, or in what is
   * left of the lease, `ERR_STORE_DENIED` and `ERR_INVALID_CONFIG`. What is no token in the record, as
   * a number above 2^53 - 1, is `ERR_STORE_DENIED` with the key and the value.
   */
  fence(resource: string): Promise<void>
  /**
   * Does what `fence(resource)` does and, if the token passes, applies a Redis command in the same
   * step: nothing can come between. `args` are the command and its arguments, at most 7,000 in all,
   * each at most 512 MB and together less than 1 GB, else `ERR_INVALID_CONFIG`; any command that Redis
   * allows within a script. `keyPrefix` is **not** put before its keys. Do not change a `Buffer` above
   * 256 KB before the promise is settled: it is copied while the event loop turns.
   *
   * Commands and fences of one lease are applied in the order of the calls, whether they are awaited
   * or not, or not at all; one without an answer never behind a later one of the same resource, even
   * over another connection. They have a connection of their own: a slow or large one delays those
   * behind it, and no renewal.
   *
   * Resolves with the reply, as RESP2 has it: integers are numbers, bytes a string where they are
   * valid UTF-8 (and a string can be so long) and else a `Buffer`, nil is `null`. Integers beyond
   * 2^53 - 1 are bigints where the command is `INCR`, `INCRBY`, `DECR`, `DECRBY` or `HINCRBY`; others
   * are a `ReplyError` that says that the command was applied, since Redis rounds them in a script.
   *
   * Rejects as `fence` does; while a large request is sent or a large reply arrives, it waits. After
   * `ERR_STORE_UNAVAILABLE` the command may or may not have been applied, unless the message says
   * that it was not; it is never repeated. An error of the command's own is a `ReplyError` in the
   * words of Redis, with their first as its `code`: also `OOM`, where the command alone would meet it.
   *
   * In a cluster all keys of the command have to share the resource's slot: write `{<resource>}` into
   * them. Others are `ERR_INVALID_CONFIG`, and nothing is sent.
   */
  command(resource: string, args: (string | Uint8Array)[]): Promise<unknown>
  /**
   * Resigns, without waiting for any work: `isHeld` is false and `signal` aborted before anything
   * is sent, the campaign ends, and another server can take over at once. Resolves when Redis has
   * confirmed it, and at the latest when the lease has run out without that: less than `ttl` after
   * its last renewal. Redis is asked to release it for one `ttl` more. Never rejects. A second call
   * changes nothing. On an older lease of the same campaign it ends the campaign too.
   */
  release(): Promise<void>
  /** The same as `release()`, for `await using`. */
  [globalThis.Symbol.asyncDispose](): Promise<void>
}

/**
 * Stands for election as the primary of `prefix`, and resolves with the first definite answer: a
 * lease when this server is primary, `undefined` when another is.
 *
 * While it is under way it keeps the process alive; nothing later does. The campaign goes on
 * in the background until `release()`, `resignPrimaryServer()` or the end of the process. It
 * takes over when the primary goes, and stands again after a loss, **while somebody listens** with
 * `onPrimaryChange` or works with `whilePrimary`: a caller who looks at the answer alone never
 * becomes primary later without noticing. A new call stands again and has its own answer; one while a call is
 * under way joins it.
 *
 * An unreachable Redis does not reject: after `establishTimeout` without an answer it resolves
 * `undefined`, and the campaign keeps trying. `primaryStatus` tells the two meanings of `undefined` apart.
 * Where Redis has no record of the election, the first answer takes a `ttl` (see `eagerStart`).
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG` (an argument; also when a campaign of this prefix is under way
 * with another configuration), `ERR_STORE_DENIED` (credentials, permissions, or a key of another
 * type under our name) and `ERR_CLOSED` (the process is ending, or the lease could not be handed over,
 * in which case it was released).
 *
 * @example
 * whilePrimary('billing', ({signal}) => closeInvoices(signal))
 * const lease = await establishPrimaryServer(process.env.REDIS_URL, 'billing')
 * if (!lease && !primaryStatus('billing')?.available) console.warn('redis does not answer yet')
 */
export declare function establishPrimaryServer(redis: RedisSource, prefix: string, options?: ElectionOptions): Promise<PrimaryLease | undefined>

/**
 * Calls `listener` with every change of the election `prefix` as this process sees it, in order
 * and without duplicates: `lost` before any later `elected`, tokens rising, nothing after
 * `resigned`. Returns a function that removes it.
 *
 * Listeners may come before the campaign and outlive it. One that comes late is told the present
 * first: `unavailable` if so, then `elected` (and `renewal-late` if so) or `primary-changed`. While a prefix has a listener,
 * its campaign takes over when the primary goes. A listener that throws, or returns a promise
 * that rejects, is logged; other listeners are not affected. A listener does not keep the process alive.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`.
 */
export declare function onPrimaryChange(prefix: string, listener: (change: PrimaryChange) => void): () => void

/**
 * How the campaign of this process for `prefix` stands; `undefined` when there is none.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`.
 */
export declare function primaryStatus(prefix: string): PrimaryStatus | undefined

/**
 * Looks at an election without taking part in it: who is primary, since when, who stands by, and the last changes
 * with their reasons. For people and probes, and **not a guard**: two looks can be of two primaries, and by
 * the time that you read it, another may be primary. What may only be done by the primary asks its lease (`isHeld`) and fences what it
 * writes.
 *
 * It opens a connection of its own for a few plain reads and closes it; a user who may read the keys of
 * elections is enough (`docs/production.md` has one). With `memory://` it sees the elections of this process. It keeps the process alive
 * until it has answered: within `timeout` ms, and never later than `connectTimeout` of the source (10,000).
 *
 * @throws {PrimaryLeaseError} `ERR_STORE_UNAVAILABLE` (no answer in time, with the reason), `ERR_STORE_DENIED` (credentials,
 * permissions, a key of another type under our name, or a record of a later release) and `ERR_INVALID_CONFIG`.
 *
 * @example
 * const {state, primary} = await inspectPrimary(process.env.REDIS_URL, 'billing', {timeout: 2_000})
 * if (state === 'primary') console.log(`${primary.serverId} since ${primary.since.toISOString()}`)
 */
export declare function inspectPrimary(redis: RedisSource, prefix: string, options?: {scope?: string; timeout?: number}): Promise<PrimaryInspection>

/**
 * Resigns the campaign of `prefix`, or every campaign of this process: the signal of each lease is
 * aborted, then the lease is released, and another server can take over at once. Resolves when Redis
 * has confirmed it, and at the latest when the lease has run out without that: less than `ttl` after
 * its last renewal, and after `ttl / 6` where this server was not primary. Redis is asked to release
 * what it may still keep for one `ttl` more. Where there is no campaign it resolves at once.
 *
 * `drain` is how long the work of `whilePrimary` may take to stop, in ms: from 0 (the default). Until
 * it has stopped, or the time is up, the lease is renewed, `isHeld` stays true, and no other server
 * is let in. A later resign with a shorter drain and `release()` release sooner; a longer drain
 * changes nothing. A call of `establishPrimaryServer` meanwhile stands again after it.
 * The end of the process waits for no work.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`.
 */
export declare function resignPrimaryServer(prefix?: string, options?: {drain?: number}): Promise<void>

/**
 * What was counted, as plain data. It costs the work that is counted nothing to speak of, and a call about 5 µs
 * for each election.
 *
 * Elections, runs and log lines are those of this thread (each worker is a candidate of its own); commands,
 * renewals, polls, event loops, `runs.held` and connections those of the whole process, whose threads share
 * them.
 */
export declare function metrics(): Metrics

/**
 * Has a registry of prom-client 15 read {@link metrics} whenever it is scraped: no timer, and nothing to be
 * called again. Returns a function that takes them out of the registry.
 *
 * There are 12 series for each election and one more for each reason for which it has ended, 7 for each connection,
 * and 127 more: nothing grows with the number of runs or of jobs. `docs/observability.md` has their names, a
 * dashboard and alerts.
 *
 * Of several processes (`AggregatorRegistry`) each counts by itself, and they are added up as they should. Of
 * several worker threads register one, or give each a label and do not add up what is the process's.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`: an argument, or a metric of such a name is there already.
 *
 * @example
 * import {Registry} from 'prom-client'
 * const registry = new Registry()
 * registerMetrics(registry, {labels: {app: 'billing'}})
 * const scraped: string = await registry.metrics()
 */
export declare function registerMetrics(registry: MetricsRegistry, options?: RegisterMetricsOptions): () => void

/**
 * Sets where log lines go: each is a message and an object of fields, `prefix` among them. Without
 * a call warnings and errors go to `console`, or what the environment variable `PRIMARY_LEASE_LOG` says:
 * `debug`, `info`, `warn`, `error` or `silent`, as it is when this package is loaded. `null` silences. A
 * logger that throws, or whose method rejects, is ignored, and counted in {@link metrics}.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`.
 */
export declare function setLogger(logger: PrimaryLogger | null): void

/**
 * Calls `run` at every election of this server as the primary of `prefix`, at once (in the next
 * turn) where it is primary already. It does not wait for more than that: `lease.signal` is aborted
 * when the lease is lost, and *before* it is released by `release()` or `resignPrimaryServer()`, which
 * can wait for the work to stop (`drain`). While a prefix has such work, its campaign takes over
 * when the primary goes. It keeps nothing alive.
 *
 * A `run` that returns a promise is running until that settles: the next run does not begin before,
 * and begins then if this server is primary. It is called once per election, whenever it returns.
 *
 * A `run` that throws or rejects has failed, and the error is logged: the work is not done any more, so
 * the term ends (`lost`, reason `failed`; the lease is released). The campaign goes on, and this server
 * stands again after a pause that doubles with every failure from one `ttl` to 60 s, unless another server
 * has taken over; a call of `establishPrimaryServer` ends the pause. With `keepOnFailure` the place is
 * kept, with no work in it. It is no failure where it passes on that its signal was aborted (an
 * `AbortError`, or `ERR_LEASE_LOST`). One that goes on
 * after its signal was aborted is reported by a warning: when the drain is over, or `ttl / 5` after
 * a loss or a resign without one, and when the next run waits for it.
 *
 * Returns a function after which no further run begins. The one that is running goes on, and is
 * waited for by a drain: its signal is the lease's, which this server still has. Work that is to end
 * sooner takes `AbortSignal.any([lease.signal, another])`.
 *
 * @throws {PrimaryLeaseError} `ERR_INVALID_CONFIG`.
 *
 * @example
 * whilePrimary('jobs', ({signal}) => {
 *   const timer = setInterval(resetStalledJobs, 60_000)
 *   signal.addEventListener('abort', () => clearInterval(timer))
 * })
 */
export declare function whilePrimary(
  prefix: string,
  run: (lease: PrimaryLease) => unknown,
  options?: {keepOnFailure?: boolean},
): () => void

/**
 * Runs `run` while this server holds the lease of `resource`, and resolves with what it returned.
 *
 * The lease is renewed in the background while `run` is pending, also while it blocks the event loop,
 * and released when it has settled. It is for one run: unlike an election, it has no standbys.
 *
 * @throws the error of `run`, or a {@link PrimaryLeaseError}: `ERR_LEASE_HELD` (another holds it, has held it less than
 * `minHold` ago, or has run this tick), `ERR_STORE_UNAVAILABLE` (no answer from Redis for
 * `acquireTimeout`, or `the server is behind`: it answers, and has more to do than it can in that time),
 * `ERR_STORE_DENIED`, `ERR_LEASE_LOST` (it was lost during the run, or the run
 * took longer than `maxRun`; with the `result` of the run if it finished, or its error as the
 * `cause`), `ERR_INVALID_CONFIG` (an argument) and `ERR_CLOSED` (the process is ending, or the lease
 * could not be handed over, in which case it was released).
 *
 * @example
 * const report = await withLease(redis, 'report', {wait: 5_000}, async (lease) => {
 *   return await write(lease.token, lease.signal)
 * })
 */
export declare function withLease<T>(redis: RedisSource, resource: string, options: LeaseOptions, run: (lease: Lease) => T | Promise<T>): Promise<T>

export declare namespace postgresFence {
  /**
   * Lets a transaction go on only while no newer token has been seen. The first statement of every
   * transaction that a primary writes with, with three parameters:
   *
   * 1. the resource: any name for what the transaction writes to;
   * 2. the lease's `name`, since tokens of different leases do not compare: each keeps its own highest
   *    token;
   * 3. the lease's `token`, as a number, a bigint or a string.
   *
   * It locks the row of resource and lease until the transaction ends, so that transactions of an
   * old and a new primary follow one another; outside a transaction it guards nothing. Several
   * resources in one transaction: in the same order everywhere, or they can deadlock (`40P01`). Two
   * shared advisory locks tell `evict` which session holds the row.
   *
   * Fails with SQLSTATE (`code` in `pg`):
   * - `PL001` when a newer token has claimed it: stop. The message names both tokens, the `detail`
   *   is JSON with `resource`, `lease`, `token` and `newest`;
   * - `40001` in `REPEATABLE READ` and `SERIALIZABLE`, when another claim was committed after the
   *   transaction's snapshot: run it again, and it sees that one, or gets `PL001`;
   * - `55P03` after `lock_timeout`: another transaction holds the row. `evict` ends it where its token
   *   is smaller;
   * - `25006` on a standby, or in a read-only transaction;
   * - `23502`, `23514`, `22P02`, `22003`: something is missing, the token is not from 1 to 2^53 - 1, or
   *   is no integer;
   * - `54000`, `22021`: the names are too long (about 2,700 bytes together), or have a NUL in them.
   *
   * The highest token of a resource and lease is kept without end, and never shrinks. `docs/fencing.md`
   * says what that does and does not rule out.
   */
  export const claim: string
  /**
   * Ends the sessions that keep this claim waiting with a smaller token, say that of a primary that is
   * frozen in its transaction: PostgreSQL's timeouts need not end one that is sending a statement or
   * reading a result. With the three parameters of `claim`, after that has failed with `55P03` (`lock_timeout`),
   * and outside of a transaction or after its `ROLLBACK`: then claim again. What the ended
   * transactions did is rolled back.
   *
   * Resolves with a row for each, `pid` and `ended`; none where the holder's token is the same or newer,
   * or where it is a prepared transaction. It ends sessions of its own role and of those that it is a
   * member of; for others it needs `pg_signal_backend`, and for those of a superuser to be one (`42501`).
   */
  export const evict: string
  /**
   * Creates the table `primary_lease_fence` and the function behind `claim` where they are missing,
   * in the first schema of the `search_path`, beside your own tables. One statement without parameters,
   * for PostgreSQL 11 or newer: run it at every start, or in a migration.
   *
   * Any number of servers may run it at once, inside a transaction or outside, with one role or several.
   * What exists it does not change, and where both exist it needs no right to; to create them it needs
   * `CREATE` on the schema. Inside a transaction that creates them, others who would create them wait
   * for its end. A schema of the `search_path` on which the role has no `USAGE` is refused (`42501`, with
   * its name) where the fence is, or would belong, in it.
   *
   * Another role than the one that created them needs `SELECT, INSERT, UPDATE` on the table, and
   * `EXECUTE` on the function and `USAGE` on the schema where the database does not grant these by default.
   */
  export const schema: string
}
