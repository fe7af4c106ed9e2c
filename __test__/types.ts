// Compiled and never run: what TypeScript has to know about the package.

import Redis, {type Cluster} from 'ioredis'
import Redis6, {type Cluster as Cluster6} from 'ioredis-6'
import Valkey, {type Cluster as ValkeyCluster} from 'iovalkey'
import {
  type ElectionOptions,
  establishPrimaryServer,
  inspectPrimary,
  type Metrics,
  metrics,
  onPrimaryChange,
  type PrimaryChange,
  type PrimaryLease,
  PrimaryLeaseError,
  postgresFence,
  primaryStatus,
  type RunMessage,
  registerMetrics,
  resignPrimaryServer,
  whilePrimary,
} from 'primary-lease'
import * as nodeRedis5 from 'redis-5'
import * as nodeRedis6 from 'redis-6'

/** Each variant has its own fields and no other, and `type` tells them apart. */
export function narrowed(change: PrimaryChange): string {
  switch (change.type) {
    case 'elected':
      return `${change.lease.token.toFixed()} ${change.lease.isHeld}`
    case 'lost':
      return change.reason
    case 'resigned':
      return change.reason
    case 'primary-changed':
      return change.primary?.serverId ?? 'nobody'
    case 'renewal-late':
    case 'renewed':
      return change.token.toFixed()
    case 'unavailable':
    case 'available':
      return change.type
    default:
      // A variant that is not handled above would not be `never` here.
      return change satisfies never
  }
}

/** A look has a primary where its state says so, and each change the reasons of its type. */
export async function inspected(redis: Redis): Promise<string> {
  const {state, primary, changes} = await inspectPrimary(redis, 'jobs', {
    scope: 'v1',
    timeout: 1_000,
  })
  const [change] = changes
  // @ts-expect-error: no such reason
  if (change?.type === 'elected' && change.reason === 'exit') return 'never'
  // @ts-expect-error: it may be missing
  primary.token
  return state === 'primary' || state === 'silent' ? primary.since.toISOString() : state
}

export function onlyTheElectedHaveALease(change: PrimaryChange) {
  // @ts-expect-error: not before `type` is known
  change.lease
  // @ts-expect-error: there is no such type
  return change.type === 'deposed'
}

export async function used(redis: Redis, options: ElectionOptions) {
  const stop: () => void = onPrimaryChange('jobs', (change) => narrowed(change))
  stop()
  const answer: PrimaryLease | undefined = await establishPrimaryServer(redis, 'jobs', options)
  await establishPrimaryServer('redis://127.0.0.1', 'jobs')
  await establishPrimaryServer({host: '127.0.0.1', port: 6379, db: 1}, 'jobs')
  // @ts-expect-error: a misspelt option
  await establishPrimaryServer(redis, 'jobs', {tll: 5000})
  if (!answer) return
  await using lease = answer
  const signal: AbortSignal = lease.signal
  signal.throwIfAborted()
}

/** It can be passed on as what it is: strings. */
export const fence: {schema: string; claim: string; evict: string} = postgresFence

export async function worked() {
  const stop: () => void = whilePrimary('jobs', (lease: PrimaryLease) => lease.assertHeld())
  whilePrimary('jobs', async ({signal}) => signal.throwIfAborted())
  stop()
  await resignPrimaryServer()
  await resignPrimaryServer('jobs', {drain: 5000})
  await resignPrimaryServer(undefined, {drain: 5000})
  // @ts-expect-error: a number is no options object
  await resignPrimaryServer('jobs', 5000)
}

/** The role tells what is known: the lease of a primary can be had without asking for the source again. */
export function present(prefix: string): PrimaryLease | undefined {
  const status = primaryStatus(prefix)
  if (!status) return undefined
  const cause: string | undefined = status.available ? undefined : status.cause
  if (status.role !== 'primary') {
    // @ts-expect-error: no lease of a standby
    status.lease.token
    throw new Error(`${status.primary?.serverId} ${cause}`)
  }
  const {token, primary}: {token: number; primary: {token: number}} = status
  if (token !== primary.token) throw new Error('another token')
  return status.lease
}

/** What was counted is plain data, and any registry will do that has the methods of prom-client's. */
export function counted(message: RunMessage): string {
  const all: Metrics = metrics()
  const [first] = all.elections
  const forget: () => void = registerMetrics(
    {
      registerMetric(_: {name: string}) {},
      getSingleMetric: () => undefined,
      removeSingleMetric() {},
    },
    {prefix: 'mine_', labels: {app: 'a', shard: 1}},
  )
  forget()
  // @ts-expect-error: no registry
  registerMetrics({})
  const lost: number = all.runs.lost.overrun + all.runs.lost['store-lost']
  const healthy: boolean = primaryStatus('jobs')?.healthy ?? true
  return `${first?.marginSeconds?.toFixed()} ${lost} ${healthy} ${message.outcome} ${message.beganAt}`
}

export async function sentinels() {
  const [name, host] = ['main', 'sentinel-1']
  await establishPrimaryServer({sentinels: [{host}, {host, port: 26380}], name}, 'jobs')
  const natMap = {'10.0.0.1:6379': {host: 'redis', port: 6379}}
  await establishPrimaryServer({sentinels: [{host}], name, sentinelTLS: true, natMap}, 'jobs')
  // @ts-expect-error: a function cannot be called from there
  await establishPrimaryServer({sentinels: [{host}], name, natMap: () => ({host, port: 1})}, 'jobs')
  // @ts-expect-error: only a master can be written to
  await establishPrimaryServer({sentinels: [{host}], name, role: 'slave'}, 'jobs')
}

/** Whatever client somebody has, it needs no cast. */
export async function clients() {
  await establishPrimaryServer(new Redis(), 'jobs')
  await establishPrimaryServer(new Redis6(), 'jobs')
  await establishPrimaryServer(new Valkey(), 'jobs')
  await establishPrimaryServer(nodeRedis5.createClient(), 'jobs')
  await establishPrimaryServer(nodeRedis6.createClient(), 'jobs')
  await establishPrimaryServer(nodeRedis5.createClient({RESP: 2, socket: {host: 'redis'}}), 'jobs')
  await establishPrimaryServer(nodeRedis6.createClient({url: 'redis://redis', scripts: {}}), 'jobs')
  await establishPrimaryServer(await nodeRedis6.createClient().connect(), 'jobs')
}

export async function refused(cluster: Cluster, another: Cluster6, valkey: ValkeyCluster) {
  // @ts-expect-error: Cluster is not supported yet
  await establishPrimaryServer(cluster, 'jobs')
  // @ts-expect-error: of whatever version
  await establishPrimaryServer(another, 'jobs')
  // @ts-expect-error: or library
  await establishPrimaryServer(valkey, 'jobs')
  // @ts-expect-error: nor is that of node-redis
  await establishPrimaryServer(nodeRedis5.createCluster({rootNodes: []}), 'jobs')
  // @ts-expect-error: of whatever version
  await establishPrimaryServer(nodeRedis6.createCluster({rootNodes: []}), 'jobs')
  const sentinel = {name: 'main', sentinelRootNodes: []}
  // @ts-expect-error: a sentinel's options cannot be read
  await establishPrimaryServer(nodeRedis5.createSentinel(sentinel), 'jobs')
  // @ts-expect-error: of whatever version
  await establishPrimaryServer(nodeRedis6.createSentinel(sentinel), 'jobs')
  // @ts-expect-error: nor a pool's
  await establishPrimaryServer(nodeRedis5.createClientPool(), 'jobs')
  // @ts-expect-error: of whatever version
  await establishPrimaryServer(nodeRedis6.createClientPool(), 'jobs')
  // @ts-expect-error: an options object is in ioredis's words
  await establishPrimaryServer({socket: {host: 'localhost'}}, 'jobs')
  await establishPrimaryServer({host: 'localhost', tls: {}}, 'jobs')
  await establishPrimaryServer({host: 'localhost', tls: true}, 'jobs')
  const tls = {ca: [Buffer.from('PEM'), 'PEM'], servername: 'redis', rejectUnauthorized: false}
  await establishPrimaryServer({host: 'localhost', tls}, 'jobs')
  // @ts-expect-error: no PFX
  await establishPrimaryServer({host: 'localhost', tls: {pfx: 'x'}}, 'jobs')
  // @ts-expect-error: nor a quorum
  await establishPrimaryServer(['redis://a', 'redis://b'], 'jobs')
  // @ts-expect-error: nor a promise that nobody awaited
  await establishPrimaryServer(Promise.resolve({host: 'localhost'}), 'jobs')
  await establishPrimaryServer(new URL('redis://localhost'), 'jobs')
}

export function anything() {
  whilePrimary('jobs', () => 5)
  whilePrimary('jobs', async () => ({}), {keepOnFailure: true})
}

export function told(error: unknown): string {
  if (!(error instanceof PrimaryLeaseError)) return 'another'
  switch (error.code) {
    case 'ERR_INVALID_CONFIG':
    case 'ERR_LEASE_HELD':
    case 'ERR_LEASE_LOST':
    case 'ERR_STALE_TOKEN':
    case 'ERR_STORE_UNAVAILABLE':
    case 'ERR_STORE_DENIED':
    case 'ERR_CLOSED':
      return error.code
    default:
      return error.code satisfies never
  }
}
