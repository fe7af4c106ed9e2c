// A rolling deploy of three versions of Parabol's servers, two embedders and two web servers of each, as
// docs/migrating-from-parabol.md has them: real processes, real signals.

import type {AppServer, Told} from '../support/app-server'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {compileModel, Embedders} from './support/embedders'

const VERSIONS = ['v1', 'v2', 'v3']
/** The servers of a version in the order of their start, each with the signal that ends it. */
const SERVERS = [
  ['embedder.js', 'SIGTERM'],
  ['server.js', 'SIGTERM'],
  ['embedder.js', 'SIGINT'],
  ['server.js', 'SIGINT'],
] as const

const model = compileModel()
let redis: RedisServer
let database: RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
  database = await RedisServer.start()
})
afterAll(async () => {
  model.remove()
  await redis?.close()
  await database?.close()
})

test('one primary at a time, tables of each version, each job and each tick once', async () => {
  const app = new Embedders(model.dir, 'whilePrimary', redis.url, database, 0)
  const jobs: string[] = []
  const producing = setInterval(() => {
    jobs.push(`job ${jobs.length}`)
    app.database.rpush('jobs', `job ${jobs.length - 1}`)
  }, 50)
  let servers: AppServer[] = []
  try {
    for (const version of VERSIONS) {
      const old = servers
      servers = []
      for (const [index, [entry, signal]] of SERVERS.entries()) {
        const server = app.start(version, entry)
        await server.tells('listens')
        servers.push(server)
        expect(await old[index]?.end(signal)).toBe(old[index] && 0)
      }
      await until('the tables are made', () => !app.withoutTables().includes(version))
    }
    expect(await app.goesOn(20_000)).toBe(true)
    clearInterval(producing)
    await until('every job is done', async () => (await app.database.llen('done')) >= jobs.length)
    const living = servers.filter((server) => server.runs && server.count('reset') > 0)
    for (const [index, [, signal]] of SERVERS.entries()) {
      expect(await servers[index]?.end(signal)).toBe(0)
    }

    expect(living).toHaveLength(1)
    expect(app.intervalsAtOnce()).toBe(1)
    expect(app.leasesAtOnce('primary:embedder')).toBe(1)
    for (const version of VERSIONS) {
      expect(app.leasesAtOnce(`primary:embedder-tables:${version}`)).toBe(1)
    }
    expect(app.all('made tables').map(({version}) => version)).toEqual(VERSIONS)
    expect((await app.database.lrange('done', 0, -1)).sort()).toEqual(jobs.sort())

    // A server that is leaving runs none, and another is there that asks for it.
    const asked = app.all('tick').filter(({reason}) => reason !== 'closed')
    const runs = asked.filter(({outcome}) => outcome !== 'skipped')
    // On a busy machine a run may last until the next tick, which is skipped then: docs/jobs.md.
    const comesDuringARun = ({name, from}: Told) =>
      runs.some(
        (run) => run.name === name && Number(run.from) < Number(from) && Number(from) < run.at,
      )
    const due = asked.filter((told) => told.reason !== 'held' || !comesDuringARun(told))
    const sorted = (told: Told[]) => told.map(({tick}) => String(tick)).sort()
    expect(runs.length).toBeGreaterThan(20)
    expect(new Set(runs.map(({name, outcome}) => `${name} ${outcome}`))).toEqual(
      new Set(['everySecond ran', 'failing failed']),
    )
    // None twice, and none lost.
    expect(sorted(runs)).toEqual([...new Set(sorted(runs))])
    expect(sorted(due).filter((tick) => !sorted(runs).includes(tick))).toEqual([])
  } finally {
    clearInterval(producing)
    await app.close()
  }
}, 240_000)
