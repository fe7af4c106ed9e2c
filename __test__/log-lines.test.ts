// How much is logged: on a quiet day, and on a bad one.

import {
  establishPrimaryServer,
  LeaderRunner,
  metrics,
  onPrimaryChange,
  type PrimaryChange,
  type PrimaryLogger,
  primaryStatus,
  resignPrimaryServer,
  setLogger,
} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()

type Level = keyof PrimaryLogger
type Line = {level: Level; message: string; fields: Record<string, unknown>}

/** All lines from here on. */
function logged() {
  const lines: Line[] = []
  const at = (level: Level) => (message: string, fields: Record<string, unknown>) =>
    void lines.push({level, message: message.replace(/^primary-lease: /, ''), fields})
  setLogger({debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error')})
  return {
    lines,
    /** From `info` on, of this election. */
    of: (prefix: string) =>
      lines.filter(({level, fields}) => level !== 'debug' && fields.prefix === prefix),
    loud: () => lines.filter(({level}) => level !== 'debug'),
  }
}

afterEach(async () => {
  await resignPrimaryServer()
  setLogger(null)
})

test('a quiet day has nothing but the changes of the primary', async () => {
  const {lines, loud} = logged()
  const election = redis.election()
  // A standby here, a primary there; and jobs that run.
  const primary = await Server.stand(election)
  await primary.change('elected')
  const stop = onPrimaryChange(election.prefix, () => {})
  await establishPrimaryServer(election.url, election.prefix, election.options)
  const runner = new LeaderRunner(election.url, newPrefix(), 2000, {minHold: 0})
  const polls = metrics().polls
  for (let tick = 0; tick < 20; tick++) {
    await runner.runLocked('job', () => {}, null, {tick: new Date(tick * 60_000)})
    // Another server is late.
    await runner.runLocked('job', () => {}, null, {tick: new Date(tick * 60_000)})
  }
  await redis.renewals(election.prefix, 6)
  await until('polls', () => metrics().polls > polls + 4)
  expect(loud().map(({level, message}) => [level, message])).toEqual([
    ['info', 'another server is primary'],
  ])
  // Not the connections of others in this process.
  const ours = () =>
    lines.filter(
      ({fields}) => !fields.redis || String(fields.redis).includes(new URL(redis.url).host),
    )
  const quiet = ours().length
  await primary.call('release')
  await until('this one is primary', () => primaryStatus(election.prefix)?.role === 'primary')
  await redis.renewals(election.prefix, 6)
  expect(loud().map(({level, message}) => [level, message])).toEqual([
    ['info', 'another server is primary'],
    ['info', 'no server is primary'],
    ['info', 'elected'],
  ])
  // Even `debug` does not tell of renewals, polls and runs.
  expect(ours().length - quiet).toBeLessThan(6)
  stop()
  await runner.close()
})

/** The changes that a line is written for; `primary-changed` too. */
const COUNTED = [
  'elected',
  'lost',
  'unavailable',
  'available',
  'primary-changed',
  'renewal-late',
  'renewed',
]

test('a Redis that is away for long costs a line for each change, and one for each job', async () => {
  const {of, loud} = logged()
  const election = redis.election({ttl: 1000})
  const changes: PrimaryChange[] = []
  const stop = onPrimaryChange(election.prefix, (change) => changes.push(change))
  await establishPrimaryServer(election.url, election.prefix, election.options)
  const runner = new LeaderRunner(election.url, newPrefix(), 1000, {acquireTimeout: 50})
  await redis.server.stop()
  // Twelve ttls: as a minute is to the default.
  const outcomes: string[] = []
  const end = Date.now() + 12_000
  while (Date.now() < end) {
    const {outcome} = await runner.runLocked('job', () => {})
    outcomes.push(outcome)
  }
  expect(outcomes.length).toBeGreaterThan(20)
  expect(new Set(outcomes)).toEqual(new Set(['unavailable']))
  const lines = loud().length
  const [first, ...between] = of(election.prefix).map(({message}) => message)
  const last = between.pop()
  expect([first, last]).toEqual(['elected', 'lost the lease'])
  // A refusal is told at once, and silence after a while: either may be first.
  expect(between.sort()).toEqual(['a renewal is late', 'redis is unavailable'])
  const ofJob = loud().filter(({fields}) => 'resource' in fields)
  expect(ofJob.map(({message}) => message)).toEqual(['a job was not run: redis is unavailable'])
  expect(lines).toBe(5)
  await redis.server.start()
  await until('it is primary again', () => primaryStatus(election.prefix)?.role === 'primary')
  await until('the job runs', async () => {
    return (await runner.runLocked('job', () => {})).outcome === 'ran'
  })
  // The next outage has a line of its own.
  await redis.server.stop()
  await until('it is not run', async () => {
    return (await runner.runLocked('job', () => {})).outcome === 'unavailable'
  })
  expect(loud().filter(({fields}) => 'resource' in fields)).toHaveLength(2)
  await until('it is lost', () => changes.filter(({type}) => type === 'lost').length === 2)
  expect(of(election.prefix)).toHaveLength(
    changes.filter(({type}) => COUNTED.includes(type)).length,
  )
  stop()
  await redis.server.start()
})

test('a Redis that comes and goes costs a line for each change', async () => {
  const {of, loud} = logged()
  const election = redis.election({ttl: 1000})
  const changes: PrimaryChange[] = []
  const stop = onPrimaryChange(election.prefix, (change) => changes.push(change))
  await establishPrimaryServer(election.url, election.prefix, election.options)
  const count = (kind: string) => changes.filter(({type}) => type === kind).length
  for (let time = 1; time <= 4; time++) {
    redis.server.freeze()
    await until('it is missed', () => count('unavailable') === time)
    redis.server.thaw()
    await until('it is there', () => count('available') === time)
  }
  await until('it is primary', () => primaryStatus(election.prefix)?.role === 'primary')
  expect(of(election.prefix)).toHaveLength(
    changes.filter(({type}) => COUNTED.includes(type)).length,
  )
  // Nothing besides, of the connection or of nobody.
  expect(loud()).toHaveLength(of(election.prefix).length)
  stop()
})

describe('PRIMARY_LEASE_LOG', () => {
  const script = `
    establishPrimaryServer(url, 'p').then(async (lease) => {
      await new LeaderRunner(url, 'p', 2000).runLocked('job', () => { throw new Error('a bug') })
      await lease.release()
      setTimeout(() => {}, 50)
    })`
  const run = async (level: string | undefined) => {
    const {PRIMARY_LEASE_LOG: _, ...rest} = process.env
    const env = level === undefined ? rest : {...rest, PRIMARY_LEASE_LOG: level}
    const {stdout, stderr} = await runScript('memory://log', script, {env})
    const said = `${stdout}${stderr}`
    return [...said.matchAll(/primary-lease: (.*?)(?: \{|$)/gm)].map(([, message]) => message)
  }

  test.each([
    [undefined, ['a job failed'], ['elected', 'resigned']],
    ['info', ['elected', 'resigned', 'a job failed'], []],
    ['error', ['a job failed'], ['elected', 'resigned']],
    ['silent', [], ['a job failed', 'elected', 'PRIMARY_LEASE_LOG']],
    ['loud', ['PRIMARY_LEASE_LOG is no level of the log', 'a job failed'], ['elected']],
  ])('as %s shows so much', async (level, has, hasNot) => {
    const said = (await run(level)).join('\n')
    for (const message of has) expect(said).toContain(message)
    for (const message of hasNot) expect(said).not.toContain(message)
  })
})
