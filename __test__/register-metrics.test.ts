// What prom-client's registry makes of metrics().

import {fork} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {
  establishPrimaryServer,
  metrics,
  onPrimaryChange,
  registerMetrics,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {AggregatorRegistry, Gauge, Registry, type RegistryContentType} from 'prom-client'
import {addon} from '../src/js/binary.js'
import {sleep, until} from '../support/until'
import {checkMetrics, hasPromtool, samples} from './support/prometheus'
import {newPrefix, TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const store = 'memory://registered'

afterEach(async () => {
  await resignPrimaryServer()
  setLogger(null)
})

test('a registry has what metrics() says, and is told of no more when it is asked to forget', async () => {
  const registry = new Registry()
  const prefix = newPrefix()
  const lease = await establishPrimaryServer(store, prefix, {serverId: 'mine'})
  const forget = registerMetrics(registry, {prefix: 'mine_', labels: {app: 'a', shard: 3}})
  const scraped = samples(await registry.metrics())
  const labels = `app="a",shard="3",election="${prefix}"`
  expect(scraped.get(`mine_is_primary{${labels}}`)).toBe(1)
  expect(scraped.get(`mine_token{${labels}}`)).toBe(lease?.token)
  expect(scraped.get(`mine_primary_info{${labels},server_id="mine"}`)).toBe(1)
  expect(() => registerMetrics(registry, {prefix: 'mine_'})).toThrow(
    'registry has a metric mine_is_primary already',
  )
  registry.resetMetrics()
  expect(samples(await registry.metrics()).get(`mine_token{${labels}}`)).toBe(lease?.token)
  forget()
  expect(await registry.metrics()).toBe('\n')
  registerMetrics(registry, {prefix: 'mine_'})()
})

test('a scrape is of one moment, taken once for each scrape: the buckets of a histogram add up to its count', async () => {
  const registry = new Registry()
  registerMetrics(registry)
  // Of several sizes.
  for (const ms of [0, 20, 120]) await withLease(store, newPrefix(), {}, () => sleep(ms))
  await until('all are counted', () => metrics().runs.held.count >= 3)
  const asked = jest.spyOn(addon, 'metrics')
  const scraped = samples(await registry.metrics())
  await registry.metrics()
  expect(asked).toHaveBeenCalledTimes(2)
  asked.mockRestore()
  const of = (end: string) => scraped.get(`primary_lease_run_held_seconds${end}`)
  const {held} = metrics().runs
  expect(of('_bucket{le="+Inf"}')).toBe(of('_count'))
  let upTo = 0
  for (const [at, le] of held.bounds.entries()) {
    upTo += Number(held.counts[at])
    expect([le, of(`_bucket{le="${le}"}`)]).toEqual([le, upTo])
  }
  expect(upTo).toBe(held.count)
  expect(of('_sum')).toBeLessThanOrEqual(held.sum)
})

test.each<[string, RegistryContentType]>([
  ['the text format', Registry.PROMETHEUS_CONTENT_TYPE],
  ['OpenMetrics', Registry.OPENMETRICS_CONTENT_TYPE],
])('%s is as promtool wants it, whatever the names', async (_, contentType) => {
  const prefix = `${newPrefix()} "quoted" \\ %41:é𐍈`
  const serverId = `${'"\\'.repeat(50)}${'𐍈'.repeat(100)}`
  const lease = await establishPrimaryServer(store, prefix, {serverId})
  const registry = new Registry<RegistryContentType>()
  registry.setContentType(contentType)
  registerMetrics(registry, {labels: {hostile: 'a\nb "c" \\ \u0007'}})
  const text = await registry.metrics()
  const shown = [...text.matchAll(/server_id="((?:[^"\\]|\\.)*)"/g)].map(([, id]) =>
    id?.replace(/\\(.)/g, '$1'),
  )
  expect(shown).toContain(serverId)
  expect(text).toContain('hostile="a\\\\x0ab \\"c\\" \\\\ \\\\x07"')
  expect(text.split('\n').every((line) => /^(# |[a-z_]+[{ ]|$)/.test(line))).toBe(true)
  // promtool reads the text format alone.
  if (hasPromtool() && contentType === Registry.PROMETHEUS_CONTENT_TYPE) await checkMetrics(text)
  await lease?.release()
})

test('what another server wrote as its id is shown without control characters, and cut', async () => {
  const election = await redis.vacant({ttl: 5 * TTL})
  const primary = await Server.stand(election)
  await primary.change('elected')
  await primary.freeze()
  const evil = `evil\n} 1\r\u001b[31m\u0000${'x'.repeat(5000)}`
  await redis.client.hset(`primary:{${election.prefix}}`, 'server', evil)
  const registry = new Registry()
  registerMetrics(registry)
  const stop = onPrimaryChange(election.prefix, () => {})
  const answer = establishPrimaryServer(election.url, election.prefix, election.options)
  await until(
    'it is known',
    () => metrics().elections.find((one) => one.prefix === election.prefix)?.primary,
  )
  const text = await registry.metrics()
  const [line = ''] = text
    .split('\n')
    .filter((one) => one.includes(`${election.prefix}",server_id`))
  expect(line).toContain('server_id="evil\\\\x0a} 1\\\\x0d\\\\x1b[31m\\\\x00xxx')
  expect(line.length).toBeLessThan(700)
  if (hasPromtool()) await checkMetrics(text)
  stop()
  await resignPrimaryServer(election.prefix)
  await answer
})

test('a registry of a cluster adds up what is to be, and takes the largest of a token', async () => {
  const prefix = newPrefix()
  const lease = await establishPrimaryServer(store, prefix)
  const scrape = async () => {
    const registry = new Registry()
    registerMetrics(registry)
    // As a worker sends it.
    return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON()))
  }
  const together = AggregatorRegistry.aggregate([await scrape(), await scrape()])
  const scraped = samples(await together.metrics())
  expect(scraped.get(`primary_lease_is_primary{election="${prefix}"}`)).toBe(2)
  expect(scraped.get(`primary_lease_token{election="${prefix}"}`)).toBe(lease?.token)
  expect(scraped.get(`primary_lease_healthy{election="${prefix}"}`)).toBe(1)
  const {count} = metrics().runs.held
  expect(scraped.get('primary_lease_run_held_seconds_bucket{le="+Inf"}')).toBe(2 * count)
  await lease?.release()
})

test('what a real cluster counts is added up by the process that is scraped', async () => {
  const script = `
    const cluster = require('node:cluster')
    const {AggregatorRegistry, Registry} = require(${JSON.stringify(require.resolve('prom-client'))})
    if (cluster.isPrimary) {
      const registry = new AggregatorRegistry()
      cluster.setupPrimary({exec: __filename})
      let ready = 0
      cluster.on('message', async (_, message) => {
        if (message !== 'ready' || ++ready < 2) return
        process.send(await registry.clusterMetrics())
        cluster.disconnect(() => process.exit())
      })
      cluster.fork()
      cluster.fork()
    } else {
      const lease = require(${JSON.stringify(require.resolve('../index.js'))})
      const registry = new Registry()
      lease.registerMetrics(registry)
      // Begins to answer the primary process.
      new AggregatorRegistry()
      AggregatorRegistry.setRegistries(registry)
      lease.onPrimaryChange(process.env.PREFIX, () => {})
      lease.establishPrimaryServer(process.env.URL, process.env.PREFIX, {ttl: 4000}).then(async () => {
        await lease.withLease(process.env.URL, 'run-' + process.pid, {}, () => {})
        process.send('ready')
      })
    }`
  const dir = await mkdtemp(join(tmpdir(), 'cluster-'))
  const path = join(dir, 'cluster.cjs')
  await writeFile(path, script)
  const {prefix} = await redis.vacant({ttl: 2 * TTL})
  const child = fork(path, {env: {...process.env, URL: redis.url, PREFIX: prefix}})
  const ended = once(child, 'exit')
  const [text] = (await Promise.race([once(child, 'message'), ended])) as [string]
  await ended
  await rm(dir, {recursive: true})
  const scraped = samples(text)
  expect(scraped.get(`primary_lease_is_primary{election="${prefix}"}`)).toBe(1)
  expect(scraped.get(`primary_lease_standing{election="${prefix}"}`)).toBe(2)
  expect(scraped.get('primary_lease_runs_total{outcome="ran",reason=""}')).toBe(2)
  expect(scraped.get('primary_lease_run_held_seconds_bucket{le="+Inf"}')).toBe(2)
  expect([...scraped.keys()].filter((key) => key.includes('primary_info'))).toHaveLength(1)
  if (hasPromtool()) await checkMetrics(`${text}\n`)
})

test.each([
  ['no registry', {}, {}, 'registry must be one of prom-client, got an object'],
  ['a prefix', undefined, {prefix: '1a'}, 'prefix must be .*, got "1a"'],
  ['a prefix of no text', undefined, {prefix: 7}, 'prefix must be .*, got a number'],
  ['labels', undefined, {labels: ['a']}, 'labels must be an object, got an array'],
  ['the name of a label', undefined, {labels: {'a-b': 1}}, 'labels must have names .*"a-b"'],
  ['a label of ours', undefined, {labels: {election: 'x'}}, 'must not have "election"'],
  ['a label of no text', undefined, {labels: {a: {}}}, 'got an object for "a"'],
  ['an option', undefined, {label: {}}, 'options has no option "label"'],
])('%s that is wrong is refused by name', (_, registry, options, message) => {
  const empty = new Registry()
  expect(() =>
    registerMetrics((registry ?? empty) as Registry, options as Record<string, never>),
  ).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(message),
    }),
  )
  expect(empty.getMetricsAsArray()).toEqual([])
})

test('a registry keeps the metrics of others', async () => {
  const registry = new Registry()
  const theirs = new Gauge({name: 'theirs', help: 'of somebody', registers: [registry]})
  theirs.set(7)
  registerMetrics(registry)()
  expect(samples(await registry.metrics()).get('theirs')).toBe(7)
})
