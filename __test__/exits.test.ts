// How long an end may wait for its releases, and the ends that release nothing.

import {keyOf, lastWrite, now, ripeWatch} from '../support/record.mjs'
import {until} from '../support/until'
import {TTL, useRedis} from './support/redis'
import {Relay} from './support/relay'
import {runScript, Server} from './support/servers'

const redis = useRedis()

const EXIT_TIMEOUT = 500
/** No lease runs out during its end, or during what a busy machine takes for it. */
const LONG = 120_000
/** Long against a busy machine, and far from any other wait of ours: for a command, or for a lease. */
const SLACK = 8000

const ends: ['exit' | 'throw' | 'reject' | 'end', number][] = [
  ['exit', 0],
  ['throw', 1],
  ['reject', 1],
  ['end', 0],
]

const election = async (url = redis.url) => ({
  ...(await redis.vacant({ttl: LONG, exitTimeout: EXIT_TIMEOUT})),
  url,
})

async function primary(url?: string) {
  const server = await Server.stand(await election(url))
  await server.change('elected')
  return server
}

async function timeOfEnd(server: Server, how: 'exit' | 'throw' | 'reject' | 'end') {
  server.send(how)
  const began = await server.line('what it does', ({doing}) => doing === how)
  const code = await server.exited
  return {code: (code as unknown[])[0], ms: now() - began.at}
}

describe.each(ends)('the end of a primary by %s', (how, code) => {
  test('waits for a Redis that hangs for exitTimeout and no longer', async () => {
    const server = await primary()
    redis.server.freeze()
    const ended = await timeOfEnd(server, how)
    expect(ended.code).toBe(code)
    expect(ended.ms).toBeGreaterThan(EXIT_TIMEOUT - 5)
    expect(ended.ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
  })

  test('waits for a Redis that is gone for exitTimeout at most', async () => {
    const server = await primary()
    await redis.server.stop()
    const ended = await timeOfEnd(server, how)
    await redis.server.start()
    expect(ended.code).toBe(code)
    expect(ended.ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
  })

  test('waits for a Redis that is cut off for exitTimeout and no longer', async () => {
    const relay = await Relay.before(redis.server.port)
    const server = await primary(relay.url)
    relay.manner = {how: 'swallow'}
    const ended = await timeOfEnd(server, how)
    relay.close()
    expect(ended.code).toBe(code)
    expect(ended.ms).toBeGreaterThan(EXIT_TIMEOUT - 5)
    expect(ended.ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
  })
})

describe.each([
  ['terminate()', 'terminate'],
  ['its process.exit()', 'exit'],
  ['an uncaught exception in it', 'throw'],
  ['its natural end', 'end'],
])('the end of a worker that is primary by %s', (_, how) => {
  const worker = async (url?: string) => {
    const server = new Server()
    await server.call('spawn', 'primary', await election(url))
    await until('the worker is elected', () =>
      server.lines.find(({worker, change}) => worker === 'primary' && change === 'elected'),
    )
    return server
  }
  const timeOfWorkersEnd = async (server: Server) => {
    void server.call('endWorker', 'primary', how)
    const gone = await server.line('the end of the worker', ({doing}) => doing === 'gone')
    const began = server.lines.find(({worker, doing}) => worker === 'primary' && doing === how)
    return gone.at - Number(began?.at)
  }

  test('waits for a Redis that hangs for exitTimeout and no longer', async () => {
    const server = await worker()
    redis.server.freeze()
    const ms = await timeOfWorkersEnd(server)
    expect(ms).toBeGreaterThan(EXIT_TIMEOUT - 5)
    expect(ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
    // The process and its other threads go on.
    expect(await server.call('isHeld')).toBe(false)
  })

  test('waits for a Redis that is cut off for exitTimeout and no longer', async () => {
    const relay = await Relay.before(redis.server.port)
    const server = await worker(relay.url)
    relay.manner = {how: 'swallow'}
    const ms = await timeOfWorkersEnd(server)
    relay.close()
    expect(ms).toBeGreaterThan(EXIT_TIMEOUT - 5)
    expect(ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
  })
})

test('many leases are waited for together, and only once', async () => {
  const count = 20
  const vacant = await Promise.all(Array.from({length: count}, () => redis.vacant()))
  const prefixes = vacant.map(({prefix}) => prefix)
  const {code, stdout} = await runScript(
    redis.url,
    `const prefixes = ${JSON.stringify(prefixes)}
     const options = {ttl: ${LONG}, exitTimeout: ${EXIT_TIMEOUT}}
     Promise.all(prefixes.map((prefix) => establishPrimaryServer(url, prefix, options)))
       .then((leases) => {
         console.log(leases.filter((lease) => lease?.isHeld).length)
         process.kill(${redis.server.pid}, 'SIGSTOP')
         const began = performance.now()
         process.on('exit', () => console.log(performance.now() - began))
         process.exit(3)
       })`,
  )
  process.kill(Number(redis.server.pid), 'SIGCONT')
  const [held, ms] = stdout.trim().split('\n').map(Number)
  expect({code, held}).toEqual({code: 3, held: count})
  expect(ms).toBeGreaterThan(EXIT_TIMEOUT - 5)
  expect(ms).toBeLessThan(EXIT_TIMEOUT + SLACK)
})

test('who holds nothing any more ends without a wait though Redis hangs', async () => {
  const server = await Server.stand(redis.election({exitTimeout: 10_000}))
  await server.change('elected')
  await server.call('release')
  redis.server.freeze()
  expect((await timeOfEnd(server, 'exit')).ms).toBeLessThan(SLACK)
})

describe.each<[string, (server: Server) => void, string | number]>([
  ['SIGTERM without a handler', (server) => server.signal('SIGTERM'), 'SIGTERM'],
  ['SIGKILL', (server) => server.signal('SIGKILL'), 'SIGKILL'],
  ['process.abort()', (server) => server.send('abort'), 'SIGABRT'],
])('%s', (_, end, signal) => {
  test('ends the process as it always does, and the others’ watch decides', async () => {
    const election = redis.election()
    const server = await Server.stand(election)
    const {token} = await server.change('elected')
    const standby = await Server.stand(election)
    end(server)
    expect(await server.exited).toEqual([null, signal])
    const renewed = Number(await lastWrite(redis.client, keyOf(election.prefix)))
    const elected = await standby.change('elected')
    expect(elected.token).toBeGreaterThan(Number(token))
    // 5 ms for the reading of two clocks.
    expect(elected.at - renewed).toBeGreaterThan(ripeWatch(TTL) - 5)
  })
})
