// Whatever of the caller's is called, is called in the asynchronous context of the caller that gave it.

import {AsyncLocalStorage} from 'node:async_hooks'
import {
  establishPrimaryServer,
  LeaderRunner,
  onPrimaryChange,
  resignPrimaryServer,
  whilePrimary,
  withLease,
} from 'primary-lease'
import {until} from '../support/until'
import {newPrefix} from './support/redis'

const store = 'memory://contexts'
const context = new AsyncLocalStorage<string>()

afterAll(() => resignPrimaryServer())

test('run and skip', async () => {
  const seen: (string | undefined)[] = []
  const see = async () => {
    seen.push(context.getStore())
    await null
    seen.push(context.getStore())
  }
  const runner = new LeaderRunner(store, newPrefix(), 1000)
  await context.run('a run', () => withLease(store, newPrefix(), {}, see))
  await context.run('a job', () => runner.runLocked('job', see))
  await context.run('a skip', () => runner.runLocked('job', () => {}, see))
  expect(seen).toEqual(['a run', 'a run', 'a job', 'a job', 'a skip', 'a skip'])
})

test('listeners and work', async () => {
  const prefix = newPrefix()
  const seen: (string | undefined)[] = []
  context.run('a listener', () =>
    onPrimaryChange(prefix, async () => {
      await null
      seen.push(context.getStore())
    }),
  )
  context.run('work', () => whilePrimary(prefix, () => void seen.push(context.getStore())))
  await context.run('an election', () => establishPrimaryServer(store, prefix))
  await until('both are called', () => seen.length === 2)
  expect(seen.sort()).toEqual(['a listener', 'work'])
})
