import Redis from 'ioredis'
import {establishPrimaryServer, resignPrimaryServer, setLogger} from '../index.js'
import {keyOf} from '../support/record.mjs'
import {freePort, RedisServer} from '../support/redis.mjs'
import {SentinelServer} from '../support/sentinel.mjs'
import {LOCAL, useCertificates} from './support/certificates'
import {newPrefix} from './support/redis'
import {electedAfter, now, useSentinels} from './support/sentinels'
import {Server} from './support/servers'

const TTL = 2000
const sentinels = useSentinels()
const certificates = useCertificates()

// What is refused here is warned of too; that is tested where the log is read.
beforeAll(() => setLogger(null))
afterAll(() => resignPrimaryServer())

const establish = (redis: object) => establishPrimaryServer(redis as never, newPrefix(), {ttl: TTL})

test('sentinels that lie, are gone or hang keep nobody from the others', async () => {
  const {group, election, primaryAndStandby, renewed, note} = await sentinels.begin()
  const foreign = await RedisServer.start()
  try {
    // One that watches another Redis under the same name, and one that names nobody, with a high epoch.
    const liars = [await group.liar(foreign.port, 0), await group.liar(1, 99)]
    election.url = group.urlOf([...liars, ...group.sentinels])
    const {primary, standby} = await primaryAndStandby()
    await renewed(await group.master())
    const [first, second] = group.sentinels as [RedisServer, RedisServer]
    await first.stop()
    second.freeze()
    const at = now()
    await primary.kill()
    // Whoever is connected stays so, although the liars outnumber the only one that is left.
    const elected = await electedAfter([standby], at)
    const what = 'with two liars, one gone and one hung sentinel, from a killed primary to the next'
    note(what, elected.at - at)
    expect(await group.client(foreign).exists(keyOf(election.prefix))).toBe(0)
  } finally {
    await foreign.close()
  }
})

test('while all sentinels are gone nothing is lost, and when they are back they are heard again', async () => {
  const {group, primaryAndStandby, renewed, note} = await sentinels.begin({password: 'hush-hush'})
  const {primary, servers} = await primaryAndStandby()
  const master = await group.master()
  await Promise.all(group.sentinels.map((sentinel) => sentinel.stop()))
  await renewed(master)
  expect(primary.changes('lost')).toEqual([])
  await master.stop()
  await primary.change('lost')
  const at = now()
  await Promise.all(group.sentinels.map((sentinel) => sentinel.start()))
  const elected = await electedAfter(servers, at)
  const what = 'from the return of all sentinels, with the master gone, to the next primary'
  note(what, elected.at - at)
  await renewed(await group.master(), elected.token)
})

test('what sentinels are asked with is judged at once, and repeated nowhere', async () => {
  const {group, note} = await sentinels.begin({password: 'hush-hush'})
  const {options} = group
  await expect(establish({...options, name: 'nobody'})).rejects.toMatchObject({
    code: 'ERR_STORE_DENIED',
    message: expect.stringContaining("no master named 'nobody'"),
  })
  for (const sentinelPassword of ['wr0ng-one', undefined]) {
    const error = await establish({...options, sentinelPassword}).catch((error) => error)
    expect(error).toMatchObject({code: 'ERR_STORE_DENIED'})
    expect(`${error.message}${error.stack}`).not.toContain('wr0ng-one')
  }
  const client = new Redis({...options, lazyConnect: true})
  const at = now()
  const lease = await establish(client)
  note('from an ioredis client with sentinels to a first primary', now() - at)
  expect(lease?.isHeld).toBe(true)
  expect(client.status).toBe('wait')
  await lease?.release()
})

test('the sentinels and the master are each encrypted where the options say so', async () => {
  const ca = certificates.ca()
  const {certFile, keyFile} = certificates.make({by: ca, extensions: LOCAL})
  const files = [
    ...['--tls-cert-file', certFile, '--tls-key-file', keyFile],
    ...['--tls-ca-cert-file', ca.certFile, '--tls-auth-clients', 'no'],
  ]
  const [ofMaster, ofSentinel] = [await freePort(), await freePort()]
  const master = await RedisServer.start(['--tls-port', String(ofMaster), ...files])
  const encrypted = ['--tls-port', String(ofSentinel), '--tls-replication', 'yes', ...files]
  const watching = [`sentinel monitor main 127.0.0.1 ${ofMaster} 1`]
  const sentinel = await SentinelServer.watch(watching, encrypted)
  try {
    const trusted = {ca: ca.cert}
    const at = (port: number) => ({name: 'main', sentinels: [{host: '127.0.0.1', port}]})
    const both = {tls: trusted, enableTLSForSentinelMode: true, sentinelTLS: trusted}
    const held = [
      await establish({...at(ofSentinel), ...both}),
      await establish({...at(sentinel.port), tls: trusted, enableTLSForSentinelMode: true}),
    ]
    expect(held.map((lease) => lease?.isHeld)).toEqual([true, true])
    // What a URL asks for is trusted as Node does.
    const trusting = new Server([], {NODE_EXTRA_CA_CERTS: ca.certFile})
    const url = `rediss+sentinel://127.0.0.1:${ofSentinel}/main`
    expect(await trusting.call('establish', url, newPrefix(), {ttl: TTL})).not.toBeNull()
    const stranger = {ca: certificates.ca().cert}
    for (const changed of [{sentinelTLS: stranger}, {tls: stranger}]) {
      const refused = establish({...at(ofSentinel), ...both, ...changed})
      await expect(refused).rejects.toMatchObject({code: 'ERR_STORE_DENIED'})
    }
    await Promise.all(held.map((lease) => lease?.release()))
  } finally {
    await sentinel.close()
    await master.close()
  }
})
