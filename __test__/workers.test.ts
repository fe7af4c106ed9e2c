import {once} from 'node:events'
import {join} from 'node:path'
import {Worker} from 'node:worker_threads'
import {ripeWatch} from '../support/record.mjs'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()

const heard = (server: Server, worker: string, type: string) =>
  server.lines.filter((line) => line.worker === worker && line.change === type)

const elected = (server: Server, worker: string) =>
  until(`${worker} is elected`, () => heard(server, worker, 'elected')[0])

test('each worker thread is a candidate of its own', async () => {
  const election = redis.election()
  const server = await Server.stand(election)
  const {token} = await server.change('elected')
  await server.call('spawn', 'one', election)
  const known = await until('who is primary', () => heard(server, 'one', 'primary-changed')[0])
  expect(known.primary?.token).toBe(token)
  await server.call('release')
  expect((await elected(server, 'one')).token).toBeGreaterThan(Number(token))
})

describe.each([
  ['terminate()', 'terminate'],
  ['its process.exit()', 'exit'],
  ['an uncaught exception in it', 'throw'],
  ['its natural end', 'end'],
])('a worker that ends by %s', (_, how) => {
  test('lets go of its place at once, and leaves the others theirs', async () => {
    // Long: a busy machine takes its time to end a worker; a watch would take longer.
    const [election, beside] = [await redis.vacant({ttl: 3 * TTL}), redis.election()]
    const server = new Server()
    await server.call('spawn', 'primary', election)
    const {token} = await elected(server, 'primary')
    await server.call('spawn', 'standby', election)
    await until('who is primary', () => heard(server, 'standby', 'primary-changed')[0])
    await server.call('spawn', 'beside', beside)
    await elected(server, 'beside')
    // The main thread has a campaign too.
    const main = redis.election()
    await server.call('listen', main.prefix)
    await server.call('establish', main.url, main.prefix, main.options)
    await server.change('elected')

    await server.call('endWorker', 'primary', how)
    const next = await elected(server, 'standby')
    expect(next.token).toBeGreaterThan(Number(token))
    const began = server.lines.find((line) => line.worker === 'primary' && line.doing === how)
    expect(next.at - Number(began?.at)).toBeLessThan(ripeWatch(3 * TTL) / 2)
    await server.line('the end of the worker', ({worker, doing}) => {
      return worker === 'primary' && doing === 'gone'
    })

    await redis.renewals(beside.prefix, 4)
    expect(heard(server, 'beside', 'lost')).toEqual([])
    expect(heard(server, 'standby', 'lost')).toEqual([])
    expect(await server.call('isHeld')).toBe(true)
  })
})

test('a worker whose own loop hangs gives way, and the others stay', async () => {
  const [election, beside] = [redis.election({stallTimeout: 2 * TTL}), redis.election()]
  const server = await Server.stand(beside)
  await server.change('elected')
  await server.call('spawn', 'hung', election)
  const {token} = await elected(server, 'hung')
  const standby = await Server.stand(election)
  await server.call('endWorker', 'hung', 'block')
  expect((await standby.change('elected')).token).toBeGreaterThan(Number(token))
  const lost = await until('lost', () => heard(server, 'hung', 'lost')[0])
  expect(lost.reason).toBe('stalled')
  expect(await server.call('isHeld')).toBe(true)
})

test('fifty workers that load the addon, stand and end leave nothing behind', async () => {
  const addon = JSON.stringify(join(__dirname, '../index.js'))
  const {code, stdout, stderr} = await runScript(
    redis.url,
    `const {Worker} = require('node:worker_threads')
     const {once} = require('node:events')
     const body = \`
       const {establishPrimaryServer, onPrimaryChange} = require(${addon.replaceAll('"', "'")})
       const {parentPort, workerData: {url, prefix, exit}} = require('node:worker_threads')
       onPrimaryChange(prefix, () => {})
       establishPrimaryServer(url, prefix, {ttl: ${TTL}, eagerStart: true, serverId: 'worker'}).then((lease) => {
         parentPort.postMessage(lease.isHeld)
         if (exit) process.exit()
         else setInterval(() => {}, 1000)
       })\`
     const rss = () => { gc(); return process.memoryUsage().rss / 2 ** 20 }
     const round = async (i) => {
       const worker = new Worker(body, {
         eval: true,
         workerData: {url, prefix: '${newPrefix()}-' + (i % 4), exit: i % 2 === 0},
       })
       const gone = once(worker, 'exit')
       const [held] = await once(worker, 'message')
       if (!held) throw new Error('not held')
       if (i % 2) await worker.terminate()
       await gone
     }
     void (async () => {
       for (let i = 0; i < 10; i++) await round(i)
       const before = rss()
       for (let i = 10; i < 60; i++) await round(i)
       console.log(JSON.stringify({before, after: rss()}))
     })()`,
    {switches: ['--expose-gc'], timeout: 150_000},
  )
  expect({code, stderr}).toEqual({code: 0, stderr: ''})
  const {before, after} = JSON.parse(stdout)
  // A worker that stayed would be 5 MB or more.
  expect(after - before).toBeLessThan(60)
})

test('a worker that is terminated while it has a thousand runs leaves no lease behind', async () => {
  const name = newPrefix()
  const worker = new Worker(
    `const {workerData: [addon, url, name], parentPort} = require('node:worker_threads')
     const {withLease} = require(addon)
     const options = {ttl: 600_000, acquireTimeout: 60_000}
     let left = 1000
     const run = () => {
       // The others are still told of their grants.
       if (--left === 500) parentPort.postMessage('half of them run')
       return new Promise(() => {})
     }
     for (let at = 0; at < 1000; at++) withLease(url, name + at, options, run).catch(() => {})`,
    {eval: true, workerData: [require.resolve('../index.js'), redis.url, name]},
  )
  await once(worker, 'message')
  await worker.terminate()
  const keys = await redis.client.keys(`lease:{${name}*}`)
  expect(keys.length).toBeGreaterThan(0)
  await until('all are free', async () =>
    (await redis.client.mget(keys)).every((kept) => kept === null || kept.endsWith(' 0 0')),
  )
}, 60_000)

test('a hundred module registries of Jest that load the addon leave nothing behind', async () => {
  const rss = () => process.memoryUsage().rss / 2 ** 20
  const prefix = newPrefix()
  const load = async () => {
    jest.resetModules()
    const {establishPrimaryServer, resignPrimaryServer} =
      require('../index.js') as typeof import('../index.js')
    const lease = await establishPrimaryServer(redis.url, prefix, {ttl: TTL, eagerStart: true})
    expect(lease?.isHeld).toBe(true)
    await resignPrimaryServer(prefix)
  }
  for (let i = 0; i < 20; i++) await load()
  const [before, begun] = [rss(), process.cpuUsage()]
  for (let i = 0; i < 100; i++) await load()
  // Of the processor's time, in us: what else the machine does takes none of it.
  const {user, system} = process.cpuUsage(begun)
  expect(user + system).toBeLessThan(30_000_000)
  expect(rss() - before).toBeLessThan(150)
})
