// What the event loop does to a lease: nothing, while it is only busy; and when it hangs, or the
// whole process stands still, the place is another's.

import {now} from '../support/record.mjs'
import {until} from '../support/until'
import {useRedis} from './support/redis'
import {type Election, Server} from './support/servers'

const redis = useRedis()
/** Everything here lasts for several of them. */
const TTL = 1500

/** A primary and a standby. */
async function pair(options: Election['options'] = {}, switches: string[] = []) {
  const election = redis.election({ttl: TTL, ...options})
  const primary = await Server.stand(election, switches)
  const {token} = await primary.change('elected')
  const standby = await Server.stand(election)
  return {...election, primary, standby, token: Number(token)}
}

describe('an event loop that is busy for five ttls', () => {
  // Each longer than elsewhere: this takes the processor from a machine that may be busy anyway.
  const ttl = 2 * TTL

  test.each<[string, string, string[]]>([
    ['in synchronous code', 'block', []],
    ['collecting garbage', 'collect', ['--expose-gc']],
    ['with every thread of the pool occupied too', 'pool', []],
  ])('%s changes nothing', async (_, command, switches) => {
    const {prefix, primary, standby, token} = await pair({ttl}, switches)
    const said = () => [primary, standby].flatMap(({lines}) => lines.map(({change}) => change))
    const before = said()
    expect(await primary.call(command, 5 * ttl)).toBe(true)
    await redis.renewals(prefix, 3)
    expect(await primary.call('isHeld')).toBe(true)
    expect(said().filter(Boolean)).toEqual(before.filter(Boolean))
    expect((await redis.record(prefix))?.token).toBe(token)
  })
})

describe('an event loop that hangs for longer than stallTimeout', () => {
  const stallTimeout = 2 * TTL

  test('gives the place to another server, hears so when it turns, and stands again', async () => {
    const {prefix, primary, standby, token} = await pair({stallTimeout})
    const hung = primary.call('block', 3 * stallTimeout)
    const elected = await standby.change('elected')
    expect(elected.token).toBeGreaterThan(token)
    // Nothing was heard of it while it hung, and the code that hung it saw it anyway.
    expect(primary.changes('lost')).toEqual([])
    expect(await hung).toBe(false)
    const lost = await primary.change('lost')
    expect(lost).toMatchObject({reason: 'stalled', held: false, aborted: true, token})

    await primary.line('who is primary', ({primary}) => primary?.token === elected.token)
    expect(primary.changes('elected')).toHaveLength(1)
    void standby.call('release')
    const again = await primary.change('elected', 2)
    expect(again.token).toBeGreaterThan(Number(elected.token))
    expect(await redis.record(prefix)).toMatchObject({token: again.token})
  })

  test('lets the next one in by a release, and not before stallTimeout is over', async () => {
    const {prefix, primary, standby, token} = await pair({stallTimeout})
    const changes = await redis.changes(prefix)
    const blocked = primary.call('block', 3 * stallTimeout)
    const elected = await standby.change('elected')
    const began = await primary.line('the block began', ({doing}) => doing === 'block')
    expect(elected.at - began.at).toBeGreaterThan(stallTimeout)
    // The messages may come after the standby's own line.
    await until('the grant is heard of', () => changes.some(({change}) => change === 'granted'))
    const [released, next] = changes.slice(changes.findIndex(({change}) => change !== 'renewed'))
    expect(released).toMatchObject({change: 'released', token})
    expect(next?.change).toBe('granted')
    await blocked
  })

  test('takes no place either while it hangs, and the freed one when it turns', async () => {
    const election = redis.election({ttl: TTL, stallTimeout})
    const primary = await Server.stand(election)
    const standby = await Server.stand(election)
    const changes = await redis.changes(election.prefix)
    /** When each connection last called a script. */
    const asked = new Map<string, number>()
    const monitor = await redis.connect().monitor()
    monitor.on('monitor', (_, [command], source) => {
      if (/^eval/i.test(command)) asked.set(source, now())
    })
    await until('both ask', () => asked.size === 2)
    const ms = 6 * stallTimeout
    const hung = standby.call('block', ms)
    const began = await standby.line('the block began', ({doing}) => doing === 'block')
    // Polls are half a ttl apart.
    await until('the standby asks for nothing any more', () =>
      [...asked.values()].some((at) => now() > at + 2 * TTL),
    )
    await primary.call('release')
    await hung
    const elected = await standby.change('elected')
    monitor.disconnect()
    // Its message may come after the standby's own line.
    const granted = await until('the grant is heard of', () =>
      changes.find(({token}) => token === elected.token),
    )
    expect(granted.at - began.at).toBeGreaterThan(ms)
  })

  test('stays primary where stallTimeout is false', async () => {
    const {prefix, primary, standby, token} = await pair({stallTimeout: false})
    expect(await primary.call('block', 2 * stallTimeout)).toBe(true)
    expect(standby.changes('elected')).toEqual([])
    expect((await redis.record(prefix))?.token).toBe(token)
  })

  test('stays primary while its inspector is open', async () => {
    const {prefix, primary, standby, token} = await pair({stallTimeout}, ['--inspect=0'])
    expect(await primary.call('block', 2 * stallTimeout)).toBe(true)
    expect(standby.changes('elected')).toEqual([])
    expect((await redis.record(prefix))?.token).toBe(token)
  })
})

describe('a process that is frozen for two ttls', () => {
  test('sees so with the first line that runs, is expired, and its next write is refused', async () => {
    // As short as it may be: counted by the clock, it would be over long before the thaw.
    const {url, primary, standby, token} = await pair({stallTimeout: 2 * TTL})
    expect(await primary.call('write', url)).toBe(true)
    await primary.call('thaw', TTL)
    primary.signal('SIGSTOP')
    const elected = await standby.change('elected')
    expect(elected.token).toBeGreaterThan(token)
    expect(await standby.call('write', url)).toBe(true)
    await until('two ttls', () => now() > elected.at + 2 * TTL)
    primary.signal('SIGCONT')
    const thawed = await primary.line('what it saw', ({seen}) => seen === 'thawed')
    expect(thawed.held).toBe(false)
    const lost = await primary.change('lost')
    expect(lost).toMatchObject({reason: 'expired', held: false, aborted: true})
    expect(primary.changes('lost')).toHaveLength(1)
    expect(await primary.call('write', url)).toBe(false)
  })
})
