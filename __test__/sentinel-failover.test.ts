import {until} from '../support/until'
import {electedAfter, now, useSentinels} from './support/sentinels'

const sentinels = useSentinels()

test('after the master is killed the elections go on at the next, and so do commands', async () => {
  const {group, primaryAndStandby, renewed, note} = await sentinels.begin()
  const {primary, servers, token} = await primaryAndStandby()
  await primary.call('fence', 'resource')
  const master = await group.master()
  const at = now()
  await master.stop()
  const elected = await electedAfter(servers, at)
  note('from a killed master to the next primary', elected.at - at)
  expect(elected.token).toBeGreaterThan(token)
  const next = await group.master()
  expect(next).not.toBe(master)
  await renewed(next, elected.token)
  await servers.find((server) => server.lines.includes(elected))?.call('fence', 'resource')
  expect(await group.client(next).exists('fence:{resource}')).toBe(1)
})

test('a frozen master is replaced, and no server follows it when it thaws', async () => {
  const {group, primaryAndStandby, renewed, note} = await sentinels.begin()
  const {servers, token} = await primaryAndStandby()
  const master = await group.master()
  const at = now()
  master.freeze()
  const elected = await electedAfter(servers, at)
  expect(elected.token).toBeGreaterThan(token)
  master.thaw()
  // It goes on as a master until a sentinel has told it otherwise, for ten seconds or so.
  const [role] = (await group.client(master).role()) as [string]
  const what = 'from a frozen master to the next primary'
  note(what, elected.at - at, `; as it thaws, the old one says that it is a ${role}`)
  await renewed(await group.master(), elected.token)
  const clients = String(await group.client(master).client('LIST'))
  expect(clients).not.toContain('name=primary-lease')
})

test('a manual failover is followed', async () => {
  const {group, primaryAndStandby, record, renewed, note} = await sentinels.begin()
  const {primary, servers} = await primaryAndStandby()
  const master = await group.master()
  const before = await record(master)
  const at = now()
  const next = await group.replaceMaster('manual')
  // Either it keeps its lease, and writes its record there, or somebody is elected there.
  const written = await until('a primary there', async () => {
    const lost = primary.changes('lost').length > 0
    if (lost) return (await electedAfter(servers, at)).at
    return (await record(next)).seq > before.seq + 1 ? now() : undefined
  })
  await renewed(next)
  const kept = primary.changes('lost').length === 0
  note('from a manual failover to a primary', written - at, kept ? ', which kept its lease' : '')
})
