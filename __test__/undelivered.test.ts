// A lease that cannot be handed to JavaScript is released: no lease is kept without a holder.

import {execFile} from 'node:child_process'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {Worker} from 'node:worker_threads'
import {establishPrimaryServer, resignPrimaryServer, setLogger} from '../index.js'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()

/** Longer than any wait of a test: whoever would have to wait for a lease to run out is never elected. */
const TTL = 90_000

beforeAll(() => setLogger(null))
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
afterEach(() => resignPrimaryServer())

/** The name of an election in which whoever stands next is elected at once. */
const vacant = async () => (await redis.vacant()).prefix

/** What lies in the way of a lease: nothing can have a field of this name any more. */
const plant = `Object.defineProperty(Object.prototype, 'lease', {
  configurable: true,
  get() {},
  set() { throw new Error('planted') },
})`

describe('where a lease cannot be told', () => {
  test('the caller is refused, and another server is primary at once', async () => {
    const prefix = await vacant()
    const {stdout, stderr, code} = await runScript(
      redis.url,
      `${plant}
       const heard = []
       onPrimaryChange('${prefix}', ({type, reason}) => heard.push([type, reason]))
       setInterval(() => {}, 1000)
       void (async () => {
         const refused = await establishPrimaryServer(url, '${prefix}', {ttl: ${TTL}}).then(
           (lease) => ({lease: String(lease)}),
           ({name, code, message}) => ({name, code, message}),
         )
         await resignPrimaryServer('${prefix}')
         console.log(JSON.stringify({refused, heard, status: String(primaryStatus('${prefix}'))}))
         process.exit()
       })()`,
    )
    expect({code, stderr: stderr.match(/could not be handed over/)?.[0]}).toEqual({
      code: 0,
      stderr: 'could not be handed over',
    })
    const {refused, heard, status} = JSON.parse(stdout)
    expect(refused).toMatchObject({name: 'PrimaryLeaseError', code: 'ERR_CLOSED'})
    expect(refused.message).toContain(prefix)
    expect(heard).toEqual([['resigned', 'internal']])
    expect(status).toBe('undefined')
    await expectFree(prefix)
  })

  test('a standby that was elected in the background lets go of its place', async () => {
    const prefix = await vacant()
    const lease = await establishPrimaryServer(redis.url, prefix, {ttl: TTL})
    const planted = join(redis.server.dir, 'planted')
    const script = runScript(
      redis.url,
      `onPrimaryChange('${prefix}', (change) => {
         if (change.type === 'primary-changed') {
           ${plant}
           require('node:fs').writeFileSync('${planted}', '')
         }
         if (change.type === 'resigned') {
           console.log('resigned')
           process.exit()
         }
       })
       whilePrimary('${prefix}', () => console.log('works'))
       setInterval(() => {}, 1000)
       establishPrimaryServer(url, '${prefix}', {ttl: ${TTL}}).catch(() => {})`,
    )
    await until('it knows of this one', () => existsSync(planted))
    // Elected, and told to nobody.
    await lease?.release()
    const {stdout} = await script
    expect(stdout).not.toContain('works')
    expect(stdout).toContain('resigned')
    await expectFree(prefix)
  })
})

test('a lease without an AbortController is held, and only its signal cannot be had', async () => {
  const {stdout, code} = await runScript(
    redis.url,
    `delete globalThis.AbortController
     establishPrimaryServer(url, '${await vacant()}', {ttl: ${TTL}}).then((lease) => {
       console.log(lease.isHeld)
       try {
         lease.signal
       } catch (error) {
         console.log(error.name)
       }
     })`,
  )
  expect({code, stdout}).toEqual({code: 0, stdout: 'true\nReferenceError\n'})
})

test('a run that cannot be called gives its lease and its tick back', async () => {
  const name = newPrefix()
  const {stdout, code} = await runScript(
    redis.url,
    `const tick = new Date(5000)
     const run = (name, run) => withLease(url, name, {ttl: ${TTL}, tick}, run)
     const places = Array.from({length: 8}, (_, place) => String(place))
     void (async () => {
       // Where what is to be called lies until the lease is granted: it is kept, and cannot be had.
       for (const place of places) {
         Object.defineProperty(Array.prototype, place, {
           configurable: true,
           get() { throw new Error('planted') },
           set() {},
         })
       }
       const began = run('${name}', () => 'ran')
       const refused = await began.then(String, ({code, message}) => code + ' ' + message)
       for (const place of places) delete Array.prototype[place]
       console.log(refused)
       console.log(await run('${name}', () => 'ran now'))
     })()`,
  )
  expect({code, stdout: stdout.trim().split('\n')}).toEqual({
    code: 0,
    stdout: [expect.stringMatching(/^ERR_.* planted$/), 'ran now'],
  })
})

test('a caller whose signal cannot be listened to is refused, and nothing runs', async () => {
  const {stdout, code} = await runScript(
    redis.url,
    `const signal = {aborted: false, addEventListener() { throw new Error('planted') }}
     const ran = []
     const run = () => ran.push('ran')
     void (async () => {
       const refused = await withLease(url, '${newPrefix()}', {ttl: ${TTL}, signal}, run).then(
         String,
         ({code, message}) => code + ' ' + message,
       )
       // Behind whatever was asked for.
       await withLease(url, '${newPrefix()}', {ttl: ${TTL}}, () => {})
       console.log(JSON.stringify({refused, ran}))
     })()`,
  )
  expect(code).toBe(0)
  const {refused, ran} = JSON.parse(stdout)
  expect(refused).toMatch(/^ERR_INVALID_CONFIG .*planted/)
  expect(ran).toEqual([])
})

test('a process whose end cannot be noticed is granted nothing', async () => {
  const addon = JSON.stringify(require.resolve('../index.js'))
  const prefix = await vacant()
  const script = `
    const {once} = process
    process.once = () => { throw new Error('planted') }
    const attempt = () => {
      try {
        require(${addon})
        return 'loaded'
      } catch (error) {
        return error.message
      }
    }
    const refused = [attempt(), attempt()]
    process.once = once
    require(${addon}).establishPrimaryServer('${redis.url}', '${prefix}', {ttl: ${TTL}}).then((lease) => {
      console.log(JSON.stringify([...refused, lease.isHeld]))
      process.exit()
    })`
  const {stdout} = await promisify(execFile)(process.execPath, ['-e', script])
  expect(JSON.parse(stdout)).toEqual([
    expect.stringContaining('planted'),
    expect.stringContaining('planted'),
    true,
  ])
  await expectFree(prefix)
})

test('a worker that is terminated while it is granted the place keeps nothing', async () => {
  const prefix = await vacant()
  for (let after = 0; after < 12; after++) {
    const worker = new Worker(
      `const {workerData: [addon, url, prefix], parentPort} = require('node:worker_threads')
       const {establishPrimaryServer, onPrimaryChange} = require(addon)
       onPrimaryChange(prefix, () => {})
       establishPrimaryServer(url, prefix, {ttl: ${TTL}})
       parentPort.postMessage('asked')`,
      {eval: true, workerData: [require.resolve('../index.js'), redis.url, prefix]},
    )
    await new Promise((resolve) => worker.once('message', resolve))
    // Somewhere between the question and the hand-over.
    await new Promise((resolve) => setTimeout(resolve, after))
    await worker.terminate()
  }
  await expectFree(prefix)
})

/** Another server stands, and has the place though nothing has run out. */
async function expectFree(prefix: string) {
  const server = await Server.stand({url: redis.url, prefix, options: {ttl: TTL}})
  await server.change('elected')
}
