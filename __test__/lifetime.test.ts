import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {newPrefix, TTL, useRedis} from './support/redis'
import {runScript, Server} from './support/servers'

const redis = useRedis()

describe('a script that elects and does nothing else', () => {
  test('exits by itself as primary, with its place released', async () => {
    const prefix = newPrefix()
    const {code, stdout, stderr} = await runScript(
      redis.url,
      `establishPrimaryServer(url, '${prefix}', {ttl: ${TTL}})
         .then((lease) => console.log(lease.isHeld))`,
    )
    expect({code, stdout, stderr}).toEqual({code: 0, stdout: 'true\n', stderr: ''})
    expect((await redis.client.hget(`primary:{${prefix}}`, 'released')) === '1').toBe(true)
  })

  test('exits by itself as a standby that listens', async () => {
    const election = redis.election()
    await Server.establish(election)
    const {code, stdout} = await runScript(
      redis.url,
      `onPrimaryChange('${election.prefix}', () => {})
       establishPrimaryServer(url, '${election.prefix}', {ttl: ${TTL}})
         .then((lease) => console.log(lease))`,
    )
    expect({code, stdout}).toEqual({code: 0, stdout: 'undefined\n'})
  })

  test('ends with its own exit code when it throws', async () => {
    const {code, stderr} = await runScript(
      redis.url,
      `establishPrimaryServer(url, '${newPrefix()}', {ttl: ${TTL}})
         .then(() => setImmediate(() => { throw new Error('thrown on purpose') }))`,
    )
    expect(code).toBe(1)
    expect(stderr).toContain('thrown on purpose')
  })
})

test('a listener alone does not keep a script alive', async () => {
  const {code} = await runScript(redis.url, `onPrimaryChange('${newPrefix()}', () => {})`)
  expect(code).toBe(0)
})

test('a logger is given what would go to the console', async () => {
  const election = redis.election()
  await Server.establish(election)
  // Kept alive by itself: what is said in the last turn of an event loop is not heard any more.
  const script = (logger: string) => `${logger}
    establishPrimaryServer(url, '${election.prefix}', {ttl: ${TTL}})
      .then(() => setTimeout(() => {}, ${TTL}))`
  // One that only looked at the answer is warned that it will not take over, with its first poll:
  // until then it may still add a listener.
  const byDefault = await runScript(redis.url, script(''))
  expect(byDefault.stderr).toContain('onPrimaryChange')
  const logged = await runScript(
    redis.url,
    script(`const log = (level) => (...message) => console.log(level, ...message)
      setLogger({debug() {}, info() {}, warn: log('WARN'), error: log('ERROR')})`),
  )
  expect(logged.stderr).toBe('')
  expect(logged.stdout).toMatch(/^WARN .*onPrimaryChange/)
})

test('Jest ends by itself while a campaign is running', async () => {
  const root = join(__dirname, '..')
  const jest = join(root, 'node_modules/jest/bin/jest.js')
  const fixture = '<rootDir>/__test__/support/left-running.fixture.ts'
  const args = [jest, '--runInBand', '--ci', '--testMatch', fixture]
  const result = await new Promise<{code: number; output: string; hung: boolean}>((resolve) => {
    const env = {...process.env, LEFT_RUNNING_REDIS: redis.url}
    execFile(process.execPath, args, {cwd: root, env, timeout: 30_000}, (error, out, err) => {
      resolve({code: Number(error?.code ?? 0), output: out + err, hung: error?.killed === true})
    })
  })
  expect(result.output).toContain('1 passed')
  expect(result.output).not.toContain('did not exit')
  expect(result).toMatchObject({code: 0, hung: false})
})
