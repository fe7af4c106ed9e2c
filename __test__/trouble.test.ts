import {now} from '../support/record.mjs'
import {until} from '../support/until'
import {useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()

/** Long against whatever else keeps the machine busy: a fifth of it is all the time there is. */
const TTL = 6000

/** A primary and a standby; what they are told from here on is trouble. */
async function pair() {
  const election = await redis.vacant({ttl: TTL})
  const primary = await Server.stand(election)
  const {token} = await primary.change('elected')
  const standby = await Server.stand(election)
  const undisturbed = async () => {
    expect(await primary.call('isHeld')).toBe(true)
    expect(primary.changes('lost')).toEqual([])
    expect(primary.changes('elected')).toHaveLength(1)
    expect(standby.changes('elected')).toEqual([])
    expect((await redis.record(election.prefix))?.token).toBe(token)
  }
  return {...election, primary, standby, token: Number(token), undisturbed}
}

test('when Redis falls silent, isHeld turns false and the signal aborts before the lease ends', async () => {
  const {primary, standby, token} = await pair()
  await primary.call('watch')
  redis.server.freeze()
  const frozen = now()
  // The last renewal was sent before; nobody else can be granted before this.
  const leaseEnds = frozen + TTL * 0.98 - 20

  const notHeld = await primary.line('isHeld is false', ({seen}) => seen === 'not-held')
  const aborted = await primary.line('the signal aborts', ({seen}) => seen === 'aborted')
  const lost = await primary.change('lost')
  expect(notHeld.at).toBeLessThan(leaseEnds)
  expect(notHeld.remainingMs).toBe(0)
  expect(aborted.at).toBeLessThan(leaseEnds)
  expect(aborted.held).toBe(false)
  expect(lost.reason).toBe('store-lost')
  expect(lost.held).toBe(false)
  expect(primary.changes('unavailable')).toHaveLength(1)

  redis.server.thaw()
  const again = await until('somebody is primary again', () =>
    [...primary.changes('elected').slice(1), ...standby.changes('elected')].at(0),
  )
  expect(again.token).toBeGreaterThan(token)
})

test('a flush of all data changes nothing for the primary', async () => {
  const {prefix, token, undisturbed} = await pair()
  await redis.client.flushall()
  await until('the record is written again', async () => {
    return (await redis.record(prefix))?.token === token
  })
  await redis.renewals(prefix, 4)
  await undisturbed()
})

describe.each([
  ['without its data', false],
  ['with its data', true],
])('a Redis that crashes and comes back %s', (_, keepData) => {
  test('changes nothing for the primary', async () => {
    const {prefix, token, undisturbed} = await pair()
    await redis.server.stop({keepData})
    await redis.server.start()
    await until('the record is there', async () => {
      return (await redis.record(prefix))?.token === token
    })
    await redis.renewals(prefix, 4)
    await undisturbed()
  })
})
