// What a logger is given, and what it may do.

import {Writable} from 'node:stream'
import bunyan from 'bunyan'
import pino from 'pino'
import {
  establishPrimaryServer,
  LeaderRunner,
  onPrimaryChange,
  type PrimaryLogger,
  resignPrimaryServer,
  setLogger,
  whilePrimary,
} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix} from './support/redis'
import {runScript} from './support/servers'

const store = 'memory://logger'
const nothing = () => {}
const LEVELS = {debug: nothing, info: nothing, warn: nothing, error: nothing}

afterEach(() => resignPrimaryServer())

test('what the caller’s functions throw is logged as it is', async () => {
  const logged: unknown[] = []
  setLogger({...LEVELS, error: (_, {error}) => logged.push(error)})
  const thrown = [new Error('of a job'), new Error('of a listener'), new Error('of work')]
  const throws = (at: number) => () => {
    throw thrown[at]
  }
  const prefix = newPrefix()
  await new LeaderRunner(store, prefix, 1000).runLocked('job', throws(0))
  onPrimaryChange(prefix, throws(1))
  whilePrimary(prefix, throws(2))
  await establishPrimaryServer(store, prefix)
  await until('all are logged', () => thrown.every((error) => logged.includes(error)))
})

describe.each<[string, (out: Writable) => PrimaryLogger]>([
  ['pino', (out) => pino({level: 'debug'}, out)],
  [
    'a child of pino, whose names are others',
    (out) =>
      pino({level: 'debug', messageKey: 'message', errorKey: 'error'}, out).child({app: 'mine'}),
  ],
  [
    'bunyan',
    (stream) =>
      bunyan.createLogger({
        name: 'mine',
        level: 'debug',
        serializers: {err: bunyan.stdSerializers.err},
        stream,
      }),
  ],
])('%s', (_, make) => {
  test('has the fields, the message and the error with its stack', async () => {
    const lines: Record<string, unknown>[] = []
    const out = new Writable({
      write(text, _, done) {
        lines.push(JSON.parse(text))
        done()
      },
    })
    setLogger(make(out))
    const prefix = newPrefix()
    const job = () => {
      throw new TypeError('of a job')
    }
    await new LeaderRunner(store, prefix, 1000).runLocked('job', job)
    const failed = await until('it is logged', () =>
      lines.find(({msg, message}) => (msg ?? message) === 'primary-lease: a job failed'),
    )
    expect(failed).toMatchObject({level: 50, resource: expect.stringContaining(prefix)})
    expect(failed.err ?? failed.error).toMatchObject({
      message: 'of a job',
      stack: expect.stringMatching(/^TypeError: of a job\n {4}at job .*logger\.test/),
    })
  })
})

test('a logger that rejects harms nobody', async () => {
  const script = `
    const rejects = async () => { throw new Error('a bug of the logger') }
    setLogger({debug: rejects, info: rejects, warn: rejects, error: rejects})
    establishPrimaryServer(url, 'p').then(async (lease) => {
      await lease.release()
      console.log('done')
    })`
  expect(await runScript(store, script)).toMatchObject({code: 0, stdout: 'done\n', stderr: ''})
})
