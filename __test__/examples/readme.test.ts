import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import Redis from 'ioredis'
import {
  establishPrimaryServer,
  primaryStatus,
  resignPrimaryServer,
  whilePrimary,
} from 'primary-lease'
import {RedisServer} from '../../support/redis.mjs'
import {until} from '../../support/until'
import {TTL, useRedis} from '../support/redis'

const redis = useRedis()
const {REDIS_URL} = process.env
const SIGNALS = ['SIGTERM', 'SIGINT'] as const
const handlers = SIGNALS.map((signal) => process.listeners(signal))

afterAll(() => {
  if (REDIS_URL === undefined) delete process.env.REDIS_URL
  else process.env.REDIS_URL = REDIS_URL
  for (const [index, signal] of SIGNALS.entries()) {
    for (const handler of process.listeners(signal)) {
      if (!handlers[index]?.includes(handler)) process.removeListener(signal, handler)
    }
  }
})

const closed: number[] = []
async function closeOneInvoice({token, signal}: {token: number; signal: AbortSignal}) {
  closed.push(token)
  await until('the lease is lost', () => signal.aborted)
}

test('the primary closes invoices until it resigns', async () => {
  process.env.REDIS_URL = redis.url
  const said = jest.spyOn(console, 'log').mockImplementation()
  await useIt()
  await until('an invoice is closed', () => closed.length > 0)
  const {lease} = primaryStatus('billing') ?? {}
  expect(said).toHaveBeenCalledWith(`primary with token ${lease?.token}`)
  await resignPrimaryServer(undefined, {drain: 5000})
  expect(lease?.isHeld).toBe(false)
  expect(closed).toEqual([lease?.token])
})

async function useIt() {
  // First, since a signal may come before the answer. The invoice at hand has up to five seconds; only
  // then is another server let in.
  const leave = () => resignPrimaryServer(undefined, {drain: 5000}).finally(() => process.exit())
  process.once('SIGTERM', leave)
  process.once('SIGINT', leave)

  whilePrimary('billing', async (lease) => {
    const {token, signal} = lease
    // The first is right also just after a freeze, the second also while work is asked to stop.
    while (lease.isHeld && !signal.aborted) {
      // With the token the database can refuse a primary of the past: docs/fencing.md.
      await closeOneInvoice({token, signal})
    }
  })

  // On an empty Redis the first answer takes a ttl (5 s): in development it need not.
  const eagerStart = process.env.NODE_ENV !== 'production'
  const redis = process.env.REDIS_URL ?? 'redis://localhost'
  const lease = await establishPrimaryServer(redis, 'billing', {eagerStart})
  const status = primaryStatus('billing')
  if (lease) console.log(`primary with token ${lease.token}`)
  else if (!status) console.log('resigned before there was an answer')
  else if (status.available) console.log(`${status.primary?.serverId} is primary`)
  else console.log(`redis does not answer, and is asked again and again: ${status.cause}`)
}

describe('the first example, as it is copied into a program', () => {
  const root = join(__dirname, '../..')
  const running: Program[] = []
  let dir: string
  let server: RedisServer
  beforeAll(() => {
    // In this directory the package finds itself by its name.
    dir = mkdtempSync(join(root, 'target/readme-'))
    const [, example] =
      /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
    // A server listens, which keeps it running: a campaign does not.
    const work = `import {createServer} from 'node:http'
      import {setTimeout as sleep} from 'node:timers/promises'
      createServer().listen(0, () => console.log('listens'))
      const closeOneInvoice = async () => { console.log('an invoice'); await sleep(50) }\n`
    writeFileSync(join(dir, 'program.mjs'), work + example)
  })
  beforeEach(async () => {
    server = await RedisServer.reserve()
  })
  afterEach(async () => {
    for (const program of running.splice(0)) await program.end('SIGKILL')
    await server.close()
  })
  afterAll(() => rmSync(dir, {recursive: true}))

  class Program {
    output = ''
    readonly #child
    readonly #closed
    constructor(env: Record<string, string>) {
      this.#child = spawn(process.execPath, [join(dir, 'program.mjs')], {
        env: {...process.env, REDIS_URL: server.url, ...env},
      })
      this.#closed = once(this.#child, 'close')
      for (const stream of [this.#child.stdout, this.#child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          this.output += text
        })
      }
      running.push(this)
    }
    says(words: RegExp) {
      return until(`it says ${words}`, () => {
        if (this.#child.exitCode !== null) throw new Error(`it has ended: ${this.output}`)
        return words.exec(this.output)
      })
    }
    async end(signal: NodeJS.Signals) {
      this.#child.kill(signal)
      const [code] = await this.#closed
      return code
    }
  }
  const production = {NODE_ENV: 'production'}

  test('with Redis away it says so, and works as soon as Redis is there', async () => {
    const program = new Program(production)
    await program.says(/^redis does not answer, and is asked again and again: \S/m)
    await server.start()
    await program.says(/an invoice/)
    expect(await program.end('SIGTERM')).toBe(0)
  })

  test('a server beside the primary says who that is, and takes over from it', async () => {
    await server.start()
    const primary = new Program({...production, SERVER_ID: 'web-1'})
    await primary.says(/an invoice/)
    const other = new Program({...production, SERVER_ID: 'web-2'})
    await other.says(/^web-1 is primary/m)
    expect(await primary.end('SIGINT')).toBe(0)
    await other.says(/an invoice/)
    expect(await other.end('SIGTERM')).toBe(0)
  })

  test('a SIGTERM before the answer ends it, and it leaves no lease behind', async () => {
    await server.start()
    const program = new Program(production)
    const client = new Redis(server.url)
    try {
      await until('it stands', () => client.exists('primary:{billing}'))
      expect(await program.end('SIGTERM')).toBe(0)
      expect(program.output).not.toContain('an invoice')
      expect(await client.hget('primary:{billing}', 'token')).toBe('0')
    } finally {
      client.disconnect()
    }
  })

  test('in development it waits for nothing, where Redis has been up for a ttl', async () => {
    const uptime = async () =>
      /uptime_in_seconds:(\d+)/.exec(await redis.client.info('server'))?.[1]
    await until('Redis has been up', async () => Number(await uptime()) > 6)
    const program = new Program({NODE_ENV: 'development', REDIS_URL: `${redis.url}/1`})
    await program.says(/^listens/m)
    const begun = performance.now()
    await program.says(/^primary with token/m)
    // A watch of a ttl takes longer.
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(await program.end('SIGTERM')).toBe(0)
  })
})

test('stalled jobs are reset for as long as this server is primary', async () => {
  const resetStalledJobs = () => {}
  const timers = jest.spyOn(global, 'clearInterval')
  whilePrimary('jobs', ({signal}) => {
    const timer = setInterval(resetStalledJobs, 60_000)
    signal.addEventListener('abort', () => clearInterval(timer))
  })

  const begun = jest.spyOn(global, 'setInterval')
  const lease = await establishPrimaryServer(redis.url, 'jobs', {ttl: TTL})
  const timer = begun.mock.results[begun.mock.calls.findIndex(([, ms]) => ms === 60_000)]?.value
  expect(timer).toBeDefined()
  await lease?.release()
  expect(timers).toHaveBeenCalledWith(timer)
})
