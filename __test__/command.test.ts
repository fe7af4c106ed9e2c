// `primary-lease` without a terminal: what it says, and its exit codes.

import {type ChildProcess, execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {establishPrimaryServer, inspectPrimary, withLease} from 'primary-lease'
import {Progress} from '../src/js/command/list.js'
import {keyOf} from '../support/record.mjs'
import {freePort} from '../support/redis.mjs'
import {until} from '../support/until'
import {micros, writeRecord, writeRoster} from './support/recorded'
import {newPrefix, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const MAIN = join(__dirname, '../src/js/command/main.js')
const {REDIS_URL: _, REDIS_PASSWORD: __, REDISCLI_AUTH: ___, ...clean} = process.env

function run(args: string[], env: {[name: string]: string} = {}) {
  return new Promise<{code: number; out: string; error: string}>((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      {env: {...clean, ...env}},
      (_, out, error) => resolve({code: Number(child.exitCode), out, error}),
    )
  })
}

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

describe('inspect', () => {
  test('a primary is 0, and the table says who, since when and who stands by', async () => {
    const prefix = newPrefix()
    const log = '1700000000000000 12 elected-silent web-1\n1690000000000000 11 left-exit web-2'
    const {token} = await writeRecord(redis.client, prefix, {log, ttl: 60_000})
    await writeRoster(redis.client, prefix, [[1, '1.4.0', 'web-2', 500]])
    const {code, out, error} = await run(['inspect', redis.url, prefix])
    const lines = out.trimEnd().split('\n')
    expect([code, error]).toEqual([0, ''])
    const patterns = [
      RegExp(`^election  ${prefix}$`),
      /^primary {3}web-1$/,
      RegExp(`^token {5}${token}$`),
      /^since {5}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, for \d+ (s|min)$/,
      /^renewed {3}\d+(\.\d)? s ago, ttl 60 s$/,
      /^deadline {2}in \d+ s unless renewed$/,
      /^standbys {2}1$/,
      /^ {2}SEEN {5,}STANDS BY {2}PRIORITY {2}VERSION {2}SERVER$/,
      /^ {2}\d+(\.\d)? s ago {2}for 3 min {2}1 {9}1\.4\.0 {4}web-2$/,
      /^changes$/,
      /^ {2}2023-11-14 22:13:20 {2}elected \(silent\) {2}web-1$/,
      /^ {2}2023-07-22 04:26:40 {2}left \(exit\) {7}web-2$/,
    ]
    expect(lines).toEqual(patterns.map((pattern) => expect.stringMatching(pattern)))

    // The example of the README is one of this, with the same labels at the same places.
    const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
    const example = /^\$ npx primary-lease inspect .*\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? ''
    const labels = (all: string[]) =>
      all.flatMap((line) => line.match(/^(\w+ *| {2}SEEN.*)/)?.[0] ?? [])
    expect(labels(example.trimEnd().split('\n'))).toEqual(labels(lines))
  })

  test('none is 3: nobody, a silent one, a lease that is free', async () => {
    const [missing, silent, free] = [newPrefix(), newPrefix(), newPrefix()]
    await writeRecord(redis.client, silent, {at: 1_000_000})
    await writeRecord(redis.client, free, {released: 1})
    for (const [prefix, words] of [
      [missing, /primary +none: no such election/],
      [silent, /primary +none at the moment\nsilent +web-1, for \d+ d\n/],
      [free, /primary +none: the lease is free/],
    ] as const) {
      const {code, out} = await run(['inspect', redis.url, prefix])
      expect([code, out]).toEqual([3, expect.stringMatching(words)])
    }
  })

  test('--json is the inspection, and nothing in it is obeyed by a terminal', async () => {
    const prefix = newPrefix()
    const server = 'a\u001b[2J\u009b\u202eb\u2028'
    await writeRecord(redis.client, prefix, {server, ttl: 60_000})
    const {code, out} = await run(['inspect', redis.url, prefix, '--json'])
    expect(code).toBe(0)
    expect(out).toMatch(/^[\n\x20-\x7e]*$/)
    expect(JSON.parse(out)).toMatchObject({
      prefix,
      state: 'primary',
      primary: {serverId: server, since: expect.stringMatching(/Z$/)},
    })
  })

  test('hostile names are shown and not obeyed', async () => {
    const prefix = newPrefix()
    const server = 'a\u001b]0;title\u0007\r\n\u009b2J\u202e\u200d\u0000b'
    await writeRecord(redis.client, prefix, {server, ttl: 60_000})
    await writeRoster(redis.client, prefix, [[0, '-', server, 1]])
    const {out} = await run(['inspect', redis.url, prefix])
    expect(out).toMatch(/^[\n\x20-\x7e]*$/)
    expect(out).toContain('a\\x1b]0;title\\x07\\x0d\\x0a\\x9b2J\\u{202e}\\u{200d}\\x00b')
  })

  test('of ten thousand standbys it shows some, and says how many more there are', async () => {
    const prefix = newPrefix()
    await writeRecord(redis.client, prefix, {ttl: 60_000})
    for (let from = 0; from < 10_000; from += 1_000) {
      const some = Array.from({length: 1_000}, (_, at) => [0, '-', `web-${from + at}`, 1])
      await writeRoster(redis.client, prefix, some as [number, string, string, number][])
    }
    const {code, out} = await run(['inspect', redis.url, prefix])
    expect(code).toBe(0)
    expect(out).toMatch(/^standbys +10000$/m)
    expect(out).toMatch(/^ {2}and 99\d\d more$/m)
    expect(out.split('\n').length).toBeLessThan(40)
  })

  test('a reader that has had enough ends it quietly', async () => {
    const prefix = newPrefix()
    await writeRecord(redis.client, prefix, {ttl: 60_000})
    const line = `"${process.execPath}" "${MAIN}" inspect ${redis.url} ${prefix} --json | head -1`
    const all = await new Promise<string>((resolve) =>
      execFile('sh', ['-c', `${line} 2>&1`], (_, out, error) => resolve(out + error)),
    )
    expect(all).toBe('{\n')
    const closed = spawn(process.execPath, [MAIN, 'watch', redis.url, prefix], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    started.push(closed)
    let said = ''
    closed.stderr.on('data', (data) => {
      said += data
    })
    closed.stdout.once('data', () => closed.stdout.destroy())
    await until('its first line', () => closed.stdout.destroyed)
    // The next change finds nobody who reads.
    await redis.client.hset(keyOf(prefix), {released: 1})
    const [code] = await once(closed, 'exit')
    expect([code, said]).toEqual([0, ''])
  })
})

describe('Redis', () => {
  test('that is not there is 2, with the reason and without the password', async () => {
    const port = await freePort()
    for (const args of [['inspect', '-', 'a'], ['watch', 'a'], ['list']]) {
      const {code, out, error} = await run(args, {REDIS_URL: `redis://u:geheim@127.0.0.1:${port}`})
      expect([code, out]).toEqual([2, ''])
      expect(error).toBe(
        `primary-lease: redis does not answer: connection refused (127.0.0.1:${port})\n`,
      )
    }
  })

  test('that wants a password has it from the environment', async () => {
    const acl = ['ACL', 'SETUSER', 'looker', 'on', '>p@ss/word', '~*', '+@all'] as const
    await redis.client.call(...acl)
    const prefix = newPrefix()
    await writeRecord(redis.client, prefix, {ttl: 60_000})
    const url = redis.url.replace('//', '//looker@')
    for (const name of ['REDIS_PASSWORD', 'REDISCLI_AUTH']) {
      expect(await run(['inspect', url, prefix], {[name]: 'p@ss/word'})).toMatchObject({code: 0})
    }
    const wrong = await run(['inspect', url, prefix], {REDIS_PASSWORD: 'geheim'})
    expect([wrong.code, wrong.out]).toEqual([2, ''])
    expect(wrong.error).toMatch(/^primary-lease: redis refuses this server: WRONGPASS/)
    expect(wrong.error).not.toContain('geheim')
    // That of the URL counts.
    const own = redis.url.replace('//', '//looker:p%40ss%2Fword@')
    expect(await run(['inspect', own, prefix], {REDIS_PASSWORD: 'geheim'})).toMatchObject({code: 0})
  })

  test('that holds a record of a later release is 2, by name', async () => {
    const prefix = newPrefix()
    await redis.client.hset(keyOf(prefix), {v: 2})
    const {code, error} = await run(['inspect', redis.url, prefix])
    expect([code, error]).toEqual([2, expect.stringMatching(/newer release: v is 2/)])
  })
})

test.each([
  [[], /a command is missing/],
  [['inspcet'], /there is no command "inspcet"/],
  [['inspect'], /the prefix of the election is missing/],
  [['inspect', 'redis://:geheim@localhost'], /the prefix of the election is missing/],
  [['inspect', 'billing'], /<redis> is missing: a URL, or REDIS_URL/],
  [['inspect', 'redis://localhost', 'a', 'b'], /too many arguments/],
  [['inspect', 'redis://localhost', 'a', '--jsno'], /Unknown option '--jsno'/],
  [['inspect', 'redis://localhost', 'a', '--timeout', 'soon'], /--timeout must be a number of ms/],
  [['inspect', 'redis://localhost', 'a', '--redis://:geheim@x'], /the options cannot be read/],
  [['inspect', 'http://:geheim@localhost', 'a'], /redis:\/\/, rediss:\/\/ or unix:\/\//],
  [['inspect', 'redis://localhost', '{'], /prefix must be 1 to 200/],
  [['inspect', 'memory://here', 'a'], /memory:\/\/ is seen by its own process only/],
  [['list', 'redis://localhost', 'a'], /list has no prefix/],
])('%j is wrong use: 1', async (args, words) => {
  const {code, out, error} = await run(args)
  expect([code, out]).toEqual([1, ''])
  expect(error).toMatch(words)
  expect(error).not.toContain('geheim')
})

test('--help says how each command is used, within 80 columns, with an example', async () => {
  const whole = await run(['--help'])
  const commands = [...whole.out.matchAll(/^ {2}primary-lease (\w+)/gm)].map(([, name]) =>
    String(name),
  )
  expect(commands).toEqual(['inspect', 'watch', 'list', 'resign'])
  for (const command of commands) {
    const {code, out} = await run([command, '--help'])
    expect(code).toBe(0)
    expect(out).toMatch(RegExp(`^ {2}(\\w+=\\S+ )?primary-lease ${command} `, 'm'))
    expect(out).not.toBe(whole.out)
    for (const line of (out + whole.out).split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  }
  expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})

describe('list', () => {
  test('finds elections and leases of runs under the key prefix, and nothing else', async () => {
    const [own, name] = ['a*[x]', newPrefix()]
    const url = `${redis.url}?keyPrefix=${encodeURIComponent(own)}`
    const options = {ttl: 2_000, scope: 'v1', serverId: 'web-1'}
    const lease = await establishPrimaryServer(url, `${name}:b`, options)
    await redis.client.set(`${own}primary:{odd}`, 'x')
    await redis.client.set(`${own}fence:{b}`, 'x')
    await redis.client.set(`${own}lease:{c}`, 'x')
    await withLease(url, 'mail:send', {ttl: 60_000}, async () => {
      const {code, out} = await run(['list', url, '--json'])
      expect(code).toBe(0)
      const found = JSON.parse(out)
      expect(found).toEqual(
        expect.arrayContaining([
          expect.objectContaining({kind: 'lease', resource: 'mail:send', state: 'held'}),
          expect.objectContaining({kind: 'lease', resource: 'c', state: 'odd'}),
          expect.objectContaining({kind: 'election', prefix: 'odd', state: 'odd'}),
          expect.objectContaining({prefix: `${name}:b`, scope: 'v1', serverId: 'web-1'}),
        ]),
      )
      expect(found).toHaveLength(4)
    })
    const {out} = await run(['list', url])
    expect(out).toMatch(/^KIND +STATE +TIME +NAME +SERVER$/m)
    if (lease)
      expect(out).toMatch(RegExp(`^election +primary +for .* ${name}:b scope v1 +web-1$`, 'm'))
    await lease?.release()
  })

  test('nothing is 3', async () => {
    const {code, out} = await run(['list', `${redis.url}?keyPrefix=nothing:`])
    expect([code, out]).toEqual([3, 'nothing found\n'])
  })

  test('a large database is looked through', async () => {
    const at = await micros(redis.client)
    const script = `for i = 1, 200000 do redis.call('SET', 'other:' .. i, '') end
      for i = 1, 20000 do redis.call('HSET', 'many:primary:{e' .. i .. '}', 'v', 1, 'token', 1, 'identity', 'a',
        'released', 0, 'ttl', 5000, 'at', ARGV[1], 'since', ARGV[1], 'server', 'web') end`
    await redis.client.eval(script, 0, String(at))
    const {code, out} = await run(['list', `${redis.url}?keyPrefix=many:`])
    expect(code).toBe(0)
    expect(out.split('\n')).toHaveLength(20_002)
  })
})

describe('resign', () => {
  test('without a primary is 3, and asks nobody', async () => {
    const [missing, silent] = [newPrefix(), newPrefix()]
    await writeRecord(redis.client, silent, {at: 1_000_000})
    for (const prefix of [missing, silent]) {
      const {code, out} = await run(['resign', redis.url, prefix])
      expect([code, out]).toEqual([3, 'there is no primary to ask\n'])
    }
    expect(await redis.client.hget(keyOf(silent), 'asked')).toBeNull()
  })

  test('asks the primary, and can wait until another is', async () => {
    const election = await redis.vacant({serverId: 'web\u202e-1'})
    await Server.establish(election)
    await Server.stand({...election, options: {...election.options, serverId: 'web-2'}})
    const {code, out} = await run(['resign', election.url, election.prefix, '--wait'])
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(
        /^asked web\\u\{202e\}-1 \(token \d+\) to resign with its next renewal\nweb-2 is primary \(token \d+\)\n$/,
      ),
    ])
    const {changes} = await inspectPrimary(election.url, election.prefix)
    expect(changes.slice(0, 2)).toMatchObject([
      {type: 'elected', reason: 'free', serverId: 'web-2'},
      {type: 'left', reason: 'asked', serverId: 'web\u202e-1'},
    ])
  })

  test('of an election that nobody leaves is only a request', async () => {
    const prefix = newPrefix()
    const {token, seq} = await writeRecord(redis.client, prefix, {ttl: 600_000})
    const {code} = await run(['resign', redis.url, prefix])
    expect(code).toBe(0)
    const {asked, ...record} = await redis.client.hgetall(keyOf(prefix))
    expect([asked, record.seq]).toEqual([String(token), String(seq)])
    const {out} = await run(['inspect', redis.url, prefix])
    expect(out).toMatch(/^asked +to resign: at its next renewal$/m)
  })
})

test('list says how far it is when that takes long: in a terminal in one line, in a file once', () => {
  for (const isTTY of [true, false]) {
    let [now, said] = [0, '']
    const out = {isTTY, write: (text: string) => (said += text)}
    const progress = new Progress(out, () => now)
    progress.show('1')
    now = 2_100
    progress.show('2')
    progress.show('3')
    progress.end()
    expect(said).toBe(isTTY ? '\r\u001b[K2\r\u001b[K3\r\u001b[K' : '2, and it goes on\n')
  }
})

test('watch without a terminal writes a line for each change', async () => {
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix, {ttl: 600_000})
  const child = spawn(process.execPath, [MAIN, 'watch', redis.url, prefix], {env: {...clean}})
  started.push(child)
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
  })
  await until('the first line', () => /primary web-1 token \d+\n/.test(said))
  await writeRecord(redis.client, prefix, {ttl: 600_000, token: 12, server: 'web\u001b-2'})
  await until('a change', () => said.includes('primary web\\x1b-2 token 12\n'))
  await redis.client.hset(keyOf(prefix), {released: 1})
  await until('the end', () => said.includes('no primary (vacant)\n'))
  expect(said.split('\n')).toHaveLength(4)
  for (const line of said.trimEnd().split('\n'))
    expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /)
})
