import {Worker} from 'node:worker_threads'
import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryChange,
  resignPrimaryServer,
} from '../index.js'
import {until} from '../support/until'
import {newPrefix} from './support/redis'

afterEach(() => resignPrimaryServer())

/** Another candidate of this process: a worker thread that stands until it is ended. */
async function standInWorker(url: string, prefix: string) {
  const worker = new Worker(
    `const {workerData: [addon, url, prefix], parentPort} = require('node:worker_threads')
     const {establishPrimaryServer, onPrimaryChange} = require(addon)
     const keepAlive = setInterval(() => {}, 1000)
     parentPort.on('message', () => (clearInterval(keepAlive), parentPort.close()))
     onPrimaryChange(prefix, (change) => parentPort.postMessage(change.type))
     establishPrimaryServer(url, prefix, {ttl: 500}).then((lease) =>
       parentPort.postMessage(lease ? 'primary' : 'standby'))`,
    {eval: true, workerData: [require.resolve('../index.js'), url, prefix]},
  )
  const said: string[] = []
  worker.on('message', (message) => said.push(message))
  await until('an answer', () => said.includes('primary') || said.includes('standby'))
  return {said, worker}
}

test('a store in memory elects at once, with tokens that rise', async () => {
  const prefix = newPrefix()
  const first = await establishPrimaryServer('memory://rising', prefix)
  expect(first?.isHeld).toBe(true)
  await first?.release()
  expect(first?.isHeld).toBe(false)
  const second = await establishPrimaryServer('memory://rising', prefix)
  expect(second?.token).toBeGreaterThan(Number(first?.token))
})

test('stores of different names know nothing of each other', async () => {
  const prefix = newPrefix()
  const {said, worker} = await standInWorker('memory://one', prefix)
  expect(said).toContain('primary')
  const lease = await establishPrimaryServer('memory://another', prefix, {ttl: 500})
  expect(lease?.isHeld).toBe(true)
  await worker.terminate()
})

test('a worker thread is a candidate of its own, and its place is taken when it ends', async () => {
  const prefix = newPrefix()
  const {said, worker} = await standInWorker('memory://workers', prefix)
  expect(said).toContain('primary')
  const heard: PrimaryChange[] = []
  const stop = onPrimaryChange(prefix, (change) => heard.push(change))
  expect(await establishPrimaryServer('memory://workers', prefix, {ttl: 500})).toBeUndefined()
  expect(heard.map(({type}) => type)).not.toContain('elected')
  await worker.terminate()
  await until('elected', () => heard.some(({type}) => type === 'elected'))
  stop()
})

test('a store in memory without a name is refused', async () => {
  await expect(establishPrimaryServer('memory://', newPrefix())).rejects.toMatchObject({
    code: 'ERR_INVALID_CONFIG',
    message: expect.stringContaining('memory://name'),
  })
})
