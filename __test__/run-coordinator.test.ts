// node-cron asks which server runs a tick, and is told by the lease of the run.

import cron from 'node-cron'
import {type RunCoordinator, runCoordinator, setLogger} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()

const log = {
  debug() {},
  info() {},
  warn: jest.fn(),
  error: jest.fn(),
}

beforeAll(() => setLogger(log))
// Native state outlives the test file.
afterAll(() => setLogger({...console, debug: () => {}, info: () => {}}))
afterEach(() => jest.clearAllMocks())

const at = (minute: number) => `send-mail:2027-03-01T00:${String(minute).padStart(2, '0')}:00.000Z`

const ofTwoServers = () => {
  const prefix = newPrefix()
  return [runCoordinator(redis.url, prefix), runCoordinator(redis.url, prefix)] as const
}

test('node-cron runs each tick on one of two servers', async () => {
  const servers = ofTwoServers()
  const name = newPrefix()
  const ran: string[] = []
  let skipped = 0
  const tasks = servers.map((coordinator) => {
    const task = cron.schedule(
      '* * * * * *',
      ({date}) => {
        ran.push(date.toISOString())
      },
      {name, distributed: true, runCoordinator: coordinator, suppressMissedWarning: true},
    )
    task.on('execution:skipped', ({reason}) => {
      expect(reason).toBe('not-elected')
      skipped += 1
    })
    return task
  })
  await until('three ticks are run', () => ran.length >= 3 && skipped >= 3, 30_000)
  for (const task of tasks) await task.destroy()
  expect(new Set(ran).size).toBe(ran.length)
  await Promise.all(servers.map((server) => server.close()))
})

test('a tick that one server has run is not run by another, however late', async () => {
  const [one, two] = ofTwoServers()
  expect(await one.shouldRun(at(1), 30_000)).toBe(true)
  expect(await two.shouldRun(at(1), 30_000)).toBe(false)
  await one.onComplete(at(1))
  expect(await two.shouldRun(at(1), 30_000)).toBe(false)
  expect(await two.shouldRun(at(2), 30_000)).toBe(true)
  await two.onComplete(at(2))
})

test('the lease of a task is renewed while it runs, and released at its end', async () => {
  const [one, two] = ofTwoServers()
  expect(await one.shouldRun(at(1), 1_000)).toBe(true)
  const began = performance.now()
  await until('it has run for two ttls', () => performance.now() - began > 2_000)
  expect(await two.shouldRun(at(2), 1_000)).toBe(false)
  await one.onComplete(at(1))
  expect(await two.shouldRun(at(3), 1_000)).toBe(true)
  await two.onComplete(at(3))
})

test('a closed coordinator grants no tick, and its running tasks end first', async () => {
  const [one, two] = ofTwoServers()
  expect(await one.shouldRun(at(1), 30_000)).toBe(true)
  let closed = false
  const closing = one.close({drain: 20_000}).then(() => {
    closed = true
  })
  expect(await one.shouldRun(at(2), 30_000)).toBe(false)
  expect(await two.shouldRun(at(2), 30_000)).toBe(false)
  expect(closed).toBe(false)
  await one.onComplete(at(1))
  await closing
  expect(await two.shouldRun(at(3), 30_000)).toBe(true)
  await two.onComplete(at(3))
})

test('a Redis that is away is an error to node-cron, not an answer', async () => {
  const away = runCoordinator('redis://127.0.0.1:1', newPrefix(), {acquireTimeout: 200})
  await expect(away.shouldRun(at(1), 30_000)).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  })
  await away.onComplete(at(1))
})

test('a key that names no tick is refused, and a task without a name', async () => {
  const [one] = ofTwoServers()
  const refused = (key: unknown, why: string) =>
    expect((one as RunCoordinator).shouldRun(key as string, 30_000)).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringContaining(why),
    })
  await refused('send-mail', 'key must be <name>:<scheduled time>')
  await refused('send-mail:tomorrow', 'got "send-mail:tomorrow"')
  await refused('send-mail:2027-13-45T00:00:00.000Z', 'key must be')
  await refused(undefined, 'key must be a string')
  await refused(':2027-03-01T00:00:00.000Z', 'needs a name')
  // Each server would have another one, and run every tick.
  await refused(`${crypto.randomUUID()}:2027-03-01T00:00:00.000Z`, 'the same on all servers')
})

test('a wrong argument is refused at once', () => {
  expect(() => runCoordinator(redis.url, '')).toThrow(
    expect.objectContaining({code: 'ERR_INVALID_CONFIG'}),
  )
  const minHold = {minHold: 5} as object
  expect(() => runCoordinator(redis.url, newPrefix(), minHold)).toThrow(/minHold/)
})
