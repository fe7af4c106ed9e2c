// What subscribers of node:diagnostics_channel are told.

import {subscribe, unsubscribe} from 'node:diagnostics_channel'
import {
  establishPrimaryServer,
  LeaderRunner,
  onPrimaryChange,
  type PrimaryChange,
  PrimaryLease,
  type RunMessage,
  resignPrimaryServer,
  setLogger,
  withLease,
} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix} from './support/redis'
import {runScript} from './support/servers'

const store = 'memory://diagnostics'
const stops: (() => void)[] = []

/** Everything of a channel, until the end of the test. */
function heard<Message>(channel: string) {
  const messages: Message[] = []
  const hear = (message: unknown) => void messages.push(message as Message)
  subscribe(channel, hear)
  stops.push(() => unsubscribe(channel, hear))
  return messages
}

beforeAll(() => setLogger(null))
afterEach(async () => {
  await resignPrimaryServer()
  for (const stop of stops.splice(0)) stop()
})

test('every change of every election is told once, as a listener is told it', async () => {
  const all = heard<PrimaryChange>('primary-lease:change')
  const prefix = newPrefix()
  const changes: PrimaryChange[] = []
  stops.push(onPrimaryChange(prefix, (change) => changes.push(change)))
  // A second listener makes no second message.
  stops.push(onPrimaryChange(prefix, () => {}))
  const lease = await establishPrimaryServer(store, prefix)
  const alone = newPrefix()
  await establishPrimaryServer(store, alone)
  await resignPrimaryServer()
  await until('the end', () => changes.length === 2)
  const of = (name: string) => all.filter((change) => change.prefix === name)
  expect(of(prefix)).toEqual(changes)
  expect(of(prefix)[0]).toEqual({type: 'elected', prefix, lease})
  expect((of(prefix)[0] as {lease: unknown}).lease).toBeInstanceOf(PrimaryLease)
  expect(of(alone).map(({type}) => type)).toEqual(['elected', 'resigned'])
})

test('every run is told as it ends, with its outcome, its token and its times', async () => {
  const all = heard<RunMessage>('primary-lease:run')
  const before = Date.now()
  const prefix = newPrefix()
  const runner = new LeaderRunner(store, prefix, 2000, {minHold: 0})
  const tick = new Date()
  const ran = await runner.runLocked('a', () => {}, null, {tick})
  await runner.runLocked('a', () => {}, null, {tick})
  const failure = new Error('a bug')
  await runner.runLocked('b', () => Promise.reject(failure))
  const resource = newPrefix()
  await withLease(store, resource, {maxRun: 30}, ({signal}) => {
    return new Promise((resolve) => signal.addEventListener('abort', resolve))
  }).catch(() => {})
  const nobody = {host: '127.0.0.1', port: 1}
  await withLease(nobody, resource, {acquireTimeout: 20}, () => {}).catch(() => {})
  const times = {askedAt: expect.any(Number), endedAt: expect.any(Number)}
  const begun = {...times, beganAt: expect.any(Number)}
  const token = expect.any(Number)
  expect(all).toEqual([
    {
      prefix,
      resource: `${prefix}:a`,
      outcome: 'ran',
      token: (ran as {token: number}).token,
      ...begun,
    },
    {prefix, resource: `${prefix}:a`, outcome: 'skipped', reason: 'ran', ...times},
    {prefix, resource: `${prefix}:b`, outcome: 'failed', token, error: failure, ...begun},
    {resource, outcome: 'lost', reason: 'overrun', token, ...begun},
    {
      resource,
      outcome: 'unavailable',
      reason: 'unanswered',
      cause: expect.any(String),
      ...times,
    },
  ])
  for (const {askedAt, beganAt = askedAt, endedAt} of all) {
    expect([before <= askedAt, askedAt <= beganAt, beganAt <= endedAt]).toEqual([true, true, true])
  }
})

test('nothing is told of a run that was asked for while nobody subscribed', async () => {
  let all: RunMessage[] = []
  await withLease(store, newPrefix(), {}, () => {
    all = heard('primary-lease:run')
  })
  expect(all).toEqual([])
  await withLease(store, newPrefix(), {}, () => {})
  expect(all.length).toBe(1)
})

test('a subscriber that throws harms no listener, no other subscriber and no run', async () => {
  const script = `
    const {subscribe} = require('node:diagnostics_channel')
    const seen = []
    process.on('uncaughtException', ({message}) => seen.push(message))
    for (const channel of ['change', 'run']) {
      subscribe('primary-lease:' + channel, () => { throw new Error('of ' + channel) })
      subscribe('primary-lease:' + channel, ({type, outcome}) => seen.push(type ?? outcome))
    }
    onPrimaryChange('p', ({type}) => seen.push('heard ' + type))
    ;(async () => {
      const lease = await establishPrimaryServer(url, 'p')
      seen.push(await withLease(url, 'r', {}, () => 'run'))
      await lease.release()
      await new Promise((next) => setTimeout(next, 10))
      console.log(JSON.stringify(seen.sort()))
    })()`
  const {code, stdout} = await runScript(store, script)
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual(
    [
      'elected',
      'heard elected',
      'heard resigned',
      'of change',
      'of change',
      'of run',
      'ran',
      'resigned',
      'run',
    ].sort(),
  )
})
