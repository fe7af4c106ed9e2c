import {keyOf, lastWrite, median, ripeWatch} from '../support/record.mjs'
import {until} from '../support/until'
import {TTL, useRedis} from './support/redis'
import {type Line, Server} from './support/servers'

const redis = useRedis()
const ROUNDS = 5
/** A busy machine takes its time to start a process, and to end one; a watch would take longer. */
const GENTLE = 6000

/** What a primary does that lets go of its place, and what it says as it begins. */
const ways: [string, (primary: Server, prefix: string) => void][] = [
  ['release', (primary) => void primary.call('release')],
  ['resignPrimaryServer', (primary, prefix) => void primary.call('resign', prefix)],
  ['process.exit', (primary) => primary.send('exit')],
  ['an uncaught exception', (primary) => primary.send('throw')],
  ['an unhandled rejection', (primary) => primary.send('reject')],
  ['a natural end', (primary) => primary.send('end')],
]

const measured: Record<string, number[]> = {}

afterAll(() => {
  const lines = Object.entries(measured).map(([what, times]) => {
    const figures = times.map((ms) => ms.toFixed(1)).join(', ')
    return `${what} to the next primary: median ${median(times).toFixed(1)} ms of ${figures}`
  })
  process.stdout.write(`${lines.join('\n')}\n`)
})

describe.each(ways)('after %s', (way, letGo) => {
  test('the next primary is there far sooner than a ripe watch', async () => {
    const election = await redis.vacant({ttl: GENTLE})
    const times: number[] = []
    let primary = await Server.stand(election)
    await primary.change('elected')
    for (let round = 0; round < ROUNDS; round++) {
      const standby = await Server.stand(election)
      letGo(primary, election.prefix)
      const elected = await standby.change('elected')
      const began = await primary.line('what it does', ({doing}) => doing !== undefined)
      const last = (await primary.change('elected')) as Line
      expect(elected.token).toBeGreaterThan(Number(last.token))
      times.push(elected.at - began.at)
      await primary.kill()
      primary = standby
    }
    measured[way] = times
    expect(Math.min(...times)).toBeGreaterThan(0)
    expect(median(times)).toBeLessThan(ripeWatch(GENTLE) / 2)
  })
})

test('after each of three crashes the next primary comes after a ripe watch', async () => {
  const election = redis.election()
  let primary = await Server.stand(election)
  await primary.change('elected')
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    const standby = await Server.stand(election)
    await primary.kill()
    const renewed = Number(await lastWrite(redis.client, keyOf(election.prefix)))
    const elected = await standby.change('elected')
    times.push(elected.at - renewed)
    primary = standby
  }
  measured[`SIGKILL (ripe watch ${ripeWatch(TTL)} ms), last renewal`] = times
  for (const ms of times) {
    // 5 ms for the reading of two clocks.
    expect(ms).toBeGreaterThan(ripeWatch(TTL) - 5)
  }
  expect(median(times)).toBeLessThan(3 * TTL)
})

test('among many standbys exactly one takes over, and the others learn who', async () => {
  const election = redis.election()
  const primary = await Server.stand(election)
  const standbys = await Promise.all([1, 2, 3].map(() => Server.stand(election)))
  void primary.call('release')
  const winner = await until('one is elected', () =>
    standbys.find((standby) => standby.changes('elected').length > 0),
  )
  const {token} = await winner.change('elected')
  for (const standby of standbys.filter((server) => server !== winner)) {
    await standby.line('who is primary', ({primary}) => primary?.token === token)
    expect(standby.changes('elected')).toHaveLength(0)
  }
})
