// What is thrown and rejected: a class of its own, known across copies and realms, with the caller's frames.

import {join} from 'node:path'
import {runInNewContext} from 'node:vm'
import {
  establishPrimaryServer,
  LeaderRunner,
  onPrimaryChange,
  PrimaryLeaseError,
  withLease,
} from 'primary-lease'
import {newPrefix} from './support/redis'
import {runScript} from './support/servers'

const error = (made: Promise<unknown>) =>
  made.then(
    () => undefined,
    (error: unknown) => error,
  )

test('what is rejected is an Error and a PrimaryLeaseError, with a code and nothing else to see', async () => {
  const refused = await error(establishPrimaryServer('redis://127.0.0.1:1', '{}'))
  expect(refused).toBeInstanceOf(PrimaryLeaseError)
  expect(refused).toBeInstanceOf(Error)
  expect(refused).toMatchObject({code: 'ERR_INVALID_CONFIG', name: 'PrimaryLeaseError'})
  expect(Object.keys(refused as object)).toEqual(['code'])
})

test('what is thrown, too', () => {
  expect(() => onPrimaryChange('', () => {})).toThrow(PrimaryLeaseError)
  expect(() => new LeaderRunner('memory://errors', '', 1000)).toThrow(PrimaryLeaseError)
})

test('an error of another copy of the package is one of ours, and of nobody else', () => {
  const {PrimaryLeaseError: another} =
    jest.requireActual<typeof import('primary-lease')>('../index.js')
  jest.resetModules()
  const copy = require('../index.js') as typeof import('primary-lease')
  expect(copy.PrimaryLeaseError).not.toBe(another)
  expect(new copy.PrimaryLeaseError('ERR_CLOSED', 'closed')).toBeInstanceOf(PrimaryLeaseError)
  expect(new Error('another')).not.toBeInstanceOf(PrimaryLeaseError)
  for (const other of [undefined, null, 5, 'text', {}, runInNewContext('new Error()')]) {
    expect(other instanceof PrimaryLeaseError).toBe(false)
  }
  const {proxy, revoke} = Proxy.revocable({}, {})
  revoke()
  expect((proxy as unknown) instanceof PrimaryLeaseError).toBe(false)
})

test('a class that extends it is known by itself', () => {
  class Own extends PrimaryLeaseError {}
  expect(new Own('ERR_CLOSED', 'closed')).toBeInstanceOf(PrimaryLeaseError)
  expect(new Own('ERR_CLOSED', 'closed')).toBeInstanceOf(Own)
  expect(new PrimaryLeaseError('ERR_CLOSED', 'closed')).not.toBeInstanceOf(Own)
})

describe('an error of an asynchronous call has the frames of its caller', () => {
  const resource = newPrefix()
  const held = <T>(run: () => T | Promise<T>) => withLease('memory://errors', resource, {}, run)
  const calls: [string, () => Promise<unknown>][] = [
    ['refused options', () => establishPrimaryServer('memory://errors', 'p', {ttl: 1})],
    ['a lease that is held', () => held(() => {})],
    [
      'a fence',
      async () => {
        const lease = await establishPrimaryServer('memory://errors', newPrefix())
        await lease?.release()
        await lease?.fence('a resource')
      },
    ],
  ]
  test.each(calls)('%s', async (_, call) => {
    async function theCaller() {
      await call()
    }
    const {stack} = (await held(() => error(theCaller()))) as Error
    expect(stack).toContain('theCaller')
  })
})

test('what cannot be read is a rejection, and keeps nobody alive', async () => {
  const script = `
    const {proxy, revoke} = Proxy.revocable({}, {})
    revoke()
    const throwing = {get ttl() { throw new Error('a getter of the caller') }}
    const never = () => console.log('not to be called')
    const runner = new LeaderRunner(url, 'p', 1000)
    const calls = [
      () => establishPrimaryServer(proxy, 'p'),
      () => establishPrimaryServer(url, proxy),
      () => establishPrimaryServer(url, 'p', proxy),
      () => establishPrimaryServer(url, 'p', throwing),
      () => withLease(proxy, 'r', {}, never),
      () => withLease(url, proxy, {}, never),
      () => withLease(url, 'r', proxy, never),
      () => withLease(url, 'r', throwing, never),
      () => withLease(url, 'r', {signal: proxy}, never),
      () => withLease(url, 'r', {signal: {addEventListener() { throw new Error('no') }}}, never),
      () => withLease(url, 'r', {}, proxy),
      () => resignPrimaryServer(proxy),
      () => resignPrimaryServer('p', proxy),
      () => runner.close(proxy),
      () => runner.runLocked(proxy, never).then(({error}) => { throw error }),
      () => runner.runLocked('j', proxy).then(({error}) => { throw error }),
    ]
    setLogger(null)
    void (async () => {
      for (const [at, call] of calls.entries()) {
        try {
          const promise = call()
          await promise.then(() => console.log(at, 'resolved'), (error) => {
            if (!(error instanceof Error)) console.log(at, error)
          })
        } catch (error) {
          console.log(at, 'threw', error)
        }
      }
    })()`
  expect(await runScript('memory://errors', script)).toMatchObject({
    code: 0,
    stdout: '',
    stderr: '',
  })
})

test('an error of the binary under the package is named as it is', async () => {
  const binary = require(
    join(__dirname, '../primary-lease.node'),
  ) as typeof import('../src/js/addon')
  const refused = await error(binary.establishPrimaryServer('memory://', newPrefix()))
  expect(refused).toMatchObject({code: 'ERR_INVALID_CONFIG'})
})
