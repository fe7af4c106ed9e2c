// Who is primary while servers are restarted, one after the other.

import {until} from '../support/until'
import {useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const SERVERS = 6
/** No watch ripens, and no poll falls into a vacancy, while one server is restarted. */
const TTL = 20_000

/** Who was elected, the first one first. */
async function primaries(prefix: string) {
  const log = (await redis.client.hget(`primary:{${prefix}}`, 'log')) ?? ''
  const elected = log.split('\n').filter((line) => line.includes(' elected-'))
  return elected.map((line) => line.split(' ').slice(3).join(' ')).reverse()
}

const ranks = async (prefix: string) =>
  (await redis.client.hget(`primary:{${prefix}}`, 'ranks')) ?? ''
const standbys = async (prefix: string) =>
  redis.client.zrange(`primary:{${prefix}}:standbys`, 0, -1)

test('a rolling restart of six servers moves the primary twice at most, to a new one', async () => {
  const election = await redis.vacant({ttl: TTL, renewInterval: 300})
  const {prefix} = election
  const start = async (version: string, number: number) => {
    const options = {...election.options, version, serverId: `${version} ${number}`}
    const server = await Server.stand({...election, options})
    await until('it is primary, or stands by', async () => {
      const entries = await standbys(prefix)
      return (
        server.changes('elected').length > 0 ||
        entries.some((entry) => entry.endsWith(` 0 ${version} ${version} ${number}`))
      )
    })
    return server
  }
  const old: Server[] = []
  for (let number = 0; number < SERVERS; number++) old.push(await start('1.9.0', number))
  expect(await standbys(prefix)).toHaveLength(SERVERS - 1)
  const before = (await primaries(prefix)).length
  // The worst order: the primary is the first to go, while no new server stands.
  for (const [number, server] of old.entries()) {
    const was = (await primaries(prefix)).length
    const isPrimary = (await primaries(prefix)).at(-1) === `1.9.0 ${number}`
    await server.call('resign', prefix)
    await server.kill()
    if (isPrimary) await until('another', async () => (await primaries(prefix)).length > was)
    await start('1.10.0-rc.1', number)
    await until('its rank is known', async () => (await ranks(prefix)).includes('10'))
  }
  const moves = (await primaries(prefix)).slice(before)
  expect(moves.length).toBeGreaterThan(0)
  expect(moves.length).toBeLessThanOrEqual(2)
  expect(moves.at(-1)).toMatch(/^1\.10\.0-rc\.1 /)
})

test('the highest priority takes a vacant place, and among equals the newest version', async () => {
  const election = await redis.vacant({ttl: TTL, renewInterval: 300})
  const {prefix} = election
  const start = async (serverId: string, options: {priority?: number; version?: string}) => {
    const server = await Server.stand({
      ...election,
      options: {...election.options, ...options, serverId},
    })
    await until('it is primary, or stands by', async () => {
      const entries = await standbys(prefix)
      return server.changes('elected').length > 0 || entries.some((all) => all.endsWith(serverId))
    })
    return server
  }
  const first = await start('first', {})
  const older = [start('old-1', {version: '1.9.9'}), start('old-2', {version: '1.9.9'})]
  const newest = await start('newest', {version: '1.10.0'})
  const chosen = await start('chosen', {version: '1.0.0', priority: 1})
  // None of them comes before those that are above it, whatever it knows of the versions.
  older.push(start('unwanted', {version: '9.0.0', priority: -1}), start('unversioned', {}))
  await Promise.all(older)
  for (const [leaves, takes] of [
    [first, chosen],
    [chosen, newest],
  ] as const) {
    await leaves.call('resign', prefix)
    await takes.change('elected')
  }
  expect((await primaries(prefix)).slice(-3)).toEqual(['first', 'chosen', 'newest'])
})
