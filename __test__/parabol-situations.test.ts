// The table of docs/migrating-from-parabol.md, cell by cell: embedders as Parabol's, real processes that
// become primary in each of the four ways, in each of the situations.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {now, ripeWatch} from '../support/record.mjs'
import {RedisServer} from '../support/redis.mjs'
import {until} from '../support/until'
import {compileModel, Embedders, type Way} from './support/embedders'

/** The columns of the table, in its order. */
const WAYS: Way[] = ['today', 'import', 'scope', 'whilePrimary']
/** The ttl of an election that is given none. */
const TTL = 5_000

/** How long to wait for what is to come: on a busy machine nothing comes at once. */
const PATIENCE = 15_000

type Situation = (embedders: Embedders, redis: RedisServer) => Promise<void>

const restart: Situation = async (embedders) => {
  const [primary, other] = await embedders.pair('v1')
  for (const server of [other, primary]) {
    await server.end('SIGTERM')
    await embedders.started('v1')
  }
}

/** Each new server is there before an old one goes, and the primary is the last to go. */
const roll = async (embedders: Embedders, version: string) => {
  const [primary, other] = await embedders.pair('v1')
  for (const server of [other, primary]) {
    await embedders.started(version)
    await server.end('SIGTERM')
  }
}

const crash: Situation = async (embedders) => {
  const [primary] = await embedders.pair('v1')
  await primary.end('SIGKILL')
}

const awayAtTheStart: Situation = async (embedders, redis) => {
  await redis.stop()
  await Promise.all([embedders.started('v1'), embedders.started('v1')])
  await redis.start()
}

const awayForAWhile: Situation = async (embedders, redis) => {
  const [, other] = await embedders.pair('v1')
  const intervals = embedders.intervals()
  const from = now()
  await redis.stop()
  await until('a lease would have run out', () => now() > from + ripeWatch(TTL))
  await redis.start()
  const back = now()
  await other.end('SIGTERM')
  await embedders.started('v1')
  // What was not ended has to be seen beside the interval of the next primary.
  const another = () => embedders.intervals() > intervals
  await until('another interval, or none', () => another() || now() > back + PATIENCE)
}

/** `pm2 restart all`, with a job at hand that takes until the other server is there again. */
const pm2Restart: Situation = async (embedders) => {
  await embedders.database.rpush('jobs', 'long')
  const primary = embedders.start('v1')
  await primary.tells('job begins')
  const other = await embedders.started('v1')
  const primaryHasEnded = primary.end('SIGINT')
  expect(await other.end('SIGINT')).toBe(0)
  await embedders.started('v1')
  await embedders.database.set('long jobs may end', 'now')
  expect(await primaryHasEnded).toBe(0)
  await embedders.started('v1')
  expect(await embedders.database.lrange('done', 0, -1)).toEqual(['long'])
}

const SITUATIONS: Record<string, Situation> = {
  'A restart': restart,
  'A rolling restart of one version': (embedders) => roll(embedders, 'v1'),
  'A deploy of a new version': (embedders) => roll(embedders, 'v2'),
  'The primary crashes': crash,
  'Redis is away as the servers start': awayAtTheStart,
  'Redis is away for longer than a ttl, then a server is restarted': awayForAWhile,
  'SIGINT under pm2 (`pm2 restart all`)': pm2Restart,
}

/** What is seen, in the words of the table. */
async function seen(embedders: Embedders, written = '') {
  // What is not to come is not waited for so long.
  const within = written.includes('nobody') ? 1.6 * ripeWatch(TTL) : PATIENCE
  const goesOn = await embedders.goesOn(within)
  const words = [
    embedders.intervalsAtOnce() > 1 && 'two at once',
    !goesOn && 'nobody',
    embedders.withoutTables().length > 0 && 'no tables',
  ]
  return words.filter(Boolean).join(', ') || 'one'
}

const page = readFileSync(join(__dirname, '../docs/migrating-from-parabol.md'), 'utf8')
const rows = page
  .slice(page.indexOf('| Situation |'))
  .split('\n\n')[0]
  ?.split('\n')
  .slice(2)
  .map((row) => row.split('|').map((cell) => cell.trim().replaceAll('**', '')))
const cells = (rows ?? []).flatMap(([, situation = '', ...written]) =>
  WAYS.map((way, index) => ({situation, way, written: written[index]})),
)

const model = compileModel()
const database = RedisServer.start(['--databases', String(cells.length)])
afterAll(async () => {
  model.remove()
  await (await database).close()
})

test('the table has every situation, and a column without a hole', () => {
  expect(rows?.map(([, situation]) => situation)).toEqual(Object.keys(SITUATIONS))
  const holes = (of: Way) => cells.filter(({way, written}) => way === of && written !== 'one')
  expect(WAYS.map((way) => holes(way).length > 0)).toEqual([true, true, true, false])
})

test.concurrent.each(cells)(
  '$situation, $way: $written',
  async ({situation, way, written}) => {
    const redis = await RedisServer.start()
    const db = cells.findIndex((cell) => cell.situation === situation && cell.way === way)
    const embedders = new Embedders(model.dir, way, redis.url, await database, db)
    try {
      await SITUATIONS[situation]?.(embedders, redis)
      expect(await seen(embedders, written)).toBe(written)
    } finally {
      await embedders.close()
      await redis.close()
    }
  },
  240_000,
)
