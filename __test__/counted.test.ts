// What elections and runs cost Redis, counted rather than timed.

import {
  establishPrimaryServer,
  onPrimaryChange,
  resignPrimaryServer,
  setLogger,
  withLease,
} from '../index.js'
import {keyOf} from '../support/record.mjs'
import {until} from '../support/until'
import {lock} from './support/lock'
import {newPrefix, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()

beforeAll(() => setLogger(null))
afterAll(() => resignPrimaryServer())

/** The addresses of the connections that are ours, in the order in which they were opened. */
async function connections() {
  const list = String(await redis.client.client('LIST'))
  const ours = list.split('\n').filter((line) => / name=\S*primary-lease /.test(line))
  return ours.map((line) => String(/ addr=(\S+)/.exec(line)?.[1]))
}

test('a renewal costs one command and a standby one for each poll, over one connection each', async () => {
  // A command that a busy machine answers late is repeated after a sixth of the ttl.
  const [ttl, renewInterval, elections, watched] = [6_000, 500, 10, 6_000]
  const prefixes = Array.from({length: elections}, newPrefix)
  const servers = []
  for (const type of ['elected', 'primary-changed']) {
    const server = new Server()
    servers.push(server)
    for (const prefix of prefixes) await server.call('listen', prefix)
    const options = {ttl, renewInterval, eagerStart: true}
    await Promise.all(
      prefixes.map((prefix) => server.call('establish', redis.url, prefix, options)),
    )
    await until(`${elections} x ${type}`, () => server.changes(type).length === elections)
  }
  const addresses = await connections()
  expect(addresses).toHaveLength(2)

  const monitor = await redis.connect().monitor()
  const commands: {at: number; name: string; key: string; from: number}[] = []
  monitor.on('monitor', (time: string, args: string[], source: string) => {
    const [at, from] = [Number(time) * 1_000, addresses.indexOf(source)]
    if (from >= 0)
      commands.push({at, name: String(args[0]).toLowerCase(), key: String(args[3]), from})
  })
  const span = () => Number(commands.at(-1)?.at) - Number(commands[0]?.at)
  await until(`${watched} ms of commands`, () => span() >= watched)
  monitor.disconnect()

  expect(commands.filter(({name}) => !/^eval(sha)?$/.test(name))).toEqual([])
  const most = (every: number) => Math.floor(span() / every) + 1
  for (const prefix of prefixes) {
    const of = (server: number) =>
      commands.filter(({key, from}) => key === keyOf(prefix) && from === server).length
    expect(of(0)).toBeGreaterThan(0)
    expect(of(0)).toBeLessThanOrEqual(most(renewInterval))
    expect(of(1)).toBeLessThanOrEqual(most(ttl / 2))
  }
})

test('elections, runs and those who wait for one share one connection', async () => {
  const clients = [redis.connect(), redis.connect()]
  const client = (at: number) => clients[at % 2] as (typeof clients)[0]
  const before = (await connections()).length
  const established = Array.from({length: 30}, (_, at) => {
    const prefix = newPrefix()
    onPrimaryChange(prefix, () => {})
    return establishPrimaryServer(client(at), prefix, {ttl: 2_000})
  })
  const {open, opened} = lock()
  let running = 0
  const runs = Array.from({length: 30}, (_, at) =>
    withLease(client(at), `run ${at}`, {ttl: 5_000}, () => {
      running++
      return opened
    }),
  )
  await until('all run', () => running === runs.length)
  const waiters = runs.map((_, at) => withLease(client(at), `run ${at}`, {wait: 60_000}, () => {}))
  await Promise.all(established)
  expect(await connections()).toHaveLength(before + 1)
  open()
  await Promise.all([...runs, ...waiters])
})
