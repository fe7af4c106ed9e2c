// What a logger is given, and what it may do.

import {
  establishPrimaryServer,
  LeaderRunner,
  onPrimaryChange,
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

test('a logger that wants the fields first has them first, with the error as `err`', async () => {
  const error = new Error('of a job')
  const throws = () => {
    throw error
  }
  const run = () => new LeaderRunner(store, newPrefix(), 1000).runLocked('job', throws)
  const pino = {bindings: () => ({}), isLevelEnabled: () => true}
  const bunyan = {addSerializers: nothing, streams: []}
  for (const marks of [pino, bunyan]) {
    const lines: unknown[][] = []
    setLogger({...LEVELS, ...marks, error: (...line: unknown[]) => lines.push(line)} as never)
    await run()
    expect(lines).toContainEqual([
      {resource: expect.any(String), err: error},
      'primary-lease: a job failed',
    ])
  }
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
