import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryChange,
  type PrimaryLease,
  primaryStatus,
  resignPrimaryServer,
} from '../index.js'
import {now} from '../support/record.mjs'
import {until} from '../support/until'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()

afterAll(() => resignPrimaryServer())

/** Collects what a listener is told, by type. */
function listen(prefix: string) {
  const heard: PrimaryChange[] = []
  const stop = onPrimaryChange(prefix, (change) => heard.push(change))
  return {heard, stop, types: () => heard.map(({type}) => type)}
}

async function establish(prefix: string) {
  const lease = await establishPrimaryServer(redis.url, prefix, {ttl: TTL, eagerStart: true})
  expect(lease).toBeDefined()
  return lease as PrimaryLease
}

test('a listener may come before the campaign and hears it from the start', async () => {
  const prefix = newPrefix()
  const {heard, types} = listen(prefix)
  const lease = await establish(prefix)
  await until('elected', () => types().includes('elected'))
  const elected = heard.find((change) => change.type === 'elected')
  expect(elected?.lease.token).toBe(lease.token)
  await lease.release()
  await until('resigned', () => types().includes('resigned'))
  expect(types().filter((type) => type !== 'primary-changed')).toEqual(['elected', 'resigned'])
})

test('a late listener is told the present, once', async () => {
  const prefix = newPrefix()
  const lease = await establish(prefix)
  const late = listen(prefix)
  await until('elected', () => late.types().includes('elected'))
  const first = late.heard[0]
  expect(first?.type === 'elected' && first.lease.token).toBe(lease.token)
  await lease.release()
  await until('resigned', () => late.types().includes('resigned'))
  expect(late.types().filter((type) => type === 'elected')).toHaveLength(1)
})

test('a late listener of a standby is told who is primary', async () => {
  const election = redis.election({serverId: 'first'})
  await Server.establish(election)
  expect(await establishPrimaryServer(redis.url, election.prefix, {ttl: TTL})).toBeUndefined()
  const {heard} = listen(election.prefix)
  const change = await until('primary-changed', () => heard[0])
  expect(change).toMatchObject({type: 'primary-changed', primary: {serverId: 'first'}})
})

test('a server hears of the primary before it, of its end and of its own election, in order', async () => {
  const election = redis.election()
  const first = await Server.stand(election)
  const second = await Server.stand(election)
  await first.kill()
  await second.change('elected')
  const changes = second.lines.map(({change}) => change)
  expect(changes.at(0)).toBe('primary-changed')
  expect(changes.indexOf('elected')).toBeGreaterThan(0)
  const tokens = second.lines.flatMap(({change, token, primary}) =>
    change === 'elected' ? [Number(token)] : (primary?.token ?? []),
  )
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
})

test('all listeners are told the same in the same order', async () => {
  const prefix = newPrefix()
  const [one, two] = [listen(prefix), listen(prefix)]
  const lease = await establish(prefix)
  await lease.release()
  await until('resigned', () => two.types().includes('resigned'))
  expect(one.types()).toEqual(two.types())
})

test('after unsubscribing nothing is heard any more', async () => {
  const prefix = newPrefix()
  const [gone, staying] = [listen(prefix), listen(prefix)]
  const lease = await establish(prefix)
  await until('elected', () => gone.types().includes('elected'))
  gone.stop()
  gone.stop()
  const told = gone.heard.length
  await lease.release()
  await until('resigned', () => staying.types().includes('resigned'))
  expect(gone.heard).toHaveLength(told)
})

test('nothing follows resigned', async () => {
  const prefix = newPrefix()
  const {types} = listen(prefix)
  const lease = await establish(prefix)
  await lease.release()
  await until('resigned', () => types().includes('resigned'))
  const ended = now()
  await until('a ttl has passed', () => now() > ended + TTL)
  expect(types().at(-1)).toBe('resigned')
})

test('a listener that throws is logged and harms nobody', async () => {
  const {code, stdout} = await runScript(
    redis.url,
    `setLogger({
       debug() {}, info() {}, warn() {},
       error(message, {error, ...fields}) { console.log('logged', message, String(error), JSON.stringify(fields)) },
     })
     onPrimaryChange('${newPrefix()}-other', () => {})
     const prefix = '${newPrefix()}'
     onPrimaryChange(prefix, () => { throw new Error('a bug of the caller') })
     onPrimaryChange(prefix, ({type}) => console.log('heard', type))
     establishPrimaryServer(url, prefix, {ttl: ${TTL}}).then(async (lease) => {
       console.log('held', lease.isHeld)
       await lease.release()
     })`,
  )
  expect(stdout).toMatch(/logged .*a bug of the caller/)
  expect(stdout).toMatch(/heard elected/)
  expect(stdout).toMatch(/heard resigned/)
  expect(stdout).toMatch(/held true/)
  expect(code).toBe(0)
})

test('a release may be repeated, and rejects never', async () => {
  const prefix = newPrefix()
  const lease = await establish(prefix)
  expect(lease.isHeld).toBe(true)
  expect(lease.remainingMs).toBeGreaterThan(0)
  expect(() => lease.assertHeld()).not.toThrow()
  await Promise.all([lease.release(), lease.release()])
  await lease.release()
  expect(lease.isHeld).toBe(false)
  expect(lease.remainingMs).toBe(0)
  expect(lease.signal.aborted).toBe(true)
  expect(() => lease.assertHeld()).toThrow(expect.objectContaining({code: 'ERR_LEASE_LOST'}))
})

test('disposing of a lease releases it', async () => {
  const election = redis.election()
  const first = await Server.establish(election)
  await first.call('dispose')
  expect(await first.call('isHeld')).toBe(false)
  expect((await Server.establish(election)).lease).not.toBeNull()
})

test('a second call joins the first', async () => {
  const prefix = newPrefix()
  const [one, two] = await Promise.all([establish(prefix), establish(prefix)])
  expect(one.token).toBe(two.token)
  const three = await establish(prefix)
  expect(three.token).toBe(one.token)
  await one.release()
})

test('a second call with another configuration is refused', async () => {
  const prefix = newPrefix()
  const lease = await establish(prefix)
  await expect(establishPrimaryServer(redis.url, prefix, {ttl: 2 * TTL})).rejects.toMatchObject({
    name: 'PrimaryLeaseError',
    code: 'ERR_INVALID_CONFIG',
  })
  expect(lease.isHeld).toBe(true)
  await lease.release()
})

test('after a release the same process may stand again', async () => {
  const prefix = newPrefix()
  const lease = await establish(prefix)
  await lease.release()
  const again = await establish(prefix)
  expect(again.token).toBeGreaterThan(lease.token)
  await again.release()
})

test('the status is that of this server, and undefined without a campaign', async () => {
  const prefix = newPrefix()
  expect(primaryStatus(prefix)).toBeUndefined()
  const lease = await establish(prefix)
  expect(primaryStatus(prefix)).toBeDefined()
  await lease.release()
})
