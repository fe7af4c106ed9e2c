// The binary without the layer of JavaScript over it: plain arguments, lists of numbers, a promise, a callback.

import {join} from 'node:path'
import {setLogger} from '../index.js'
import {until} from '../support/until'
import {newPrefix} from './support/redis'

const binary = require(join(__dirname, '../primary-lease.node')) as typeof import('../src/js/addon')

const numbers = new Float64Array(16)
const verbs = binary.attach(
  () => binary.turned(false),
  new Float64Array(3),
  numbers,
  new Float64Array(1),
)

// Of a file before this one, in the same process.
beforeAll(() => setLogger(null))

test('an election is held with nothing but the .node file', async () => {
  const prefix = newPrefix()
  const heard: import('../src/js/addon').PlainChange[] = []
  const listener = binary.onPrimaryChange(prefix, (change) => heard.push(change))
  const lease = await binary.establishPrimaryServer('memory://binary', prefix, {serverId: 'mine'})
  expect(lease).toMatchObject({serverId: 'mine', token: expect.any(Number)})
  const {id, campaign, token} = lease as NonNullable<typeof lease>
  // What it is asked about stands in this list, behind the options of a run.
  numbers[13] = id
  expect(verbs.isHeld()).toBe(true)
  expect(verbs.remainingMs()).toBeGreaterThan(0)
  expect(binary.primaryStatus(prefix)).toMatchObject({role: 'primary', lease: {id, token}})
  await binary.resign(campaign, 0)
  expect(verbs.isHeld()).toBe(false)
  await until('resigned', () => heard.some(({type}) => type === 'resigned'))
  expect(heard.map(({type}) => type)).toEqual(['elected', 'resigned'])
  expect(heard[0]).toMatchObject({prefix, lease: {id, token}})
  binary.offPrimaryChange(listener)
  expect(binary.primaryStatus(prefix)).toBeNull()
})

test('a wrong argument rejects with a code', async () => {
  await expect(
    binary.establishPrimaryServer('memory://binary', newPrefix(), {ttl: 1}),
  ).rejects.toMatchObject({code: 'ERR_INVALID_CONFIG', message: expect.stringContaining('ttl')})
})

test('a callback that throws harms nobody', async () => {
  const prefix = newPrefix()
  const heard: string[] = []
  binary.onPrimaryChange(prefix, () => {
    throw new Error('a bug of the caller')
  })
  binary.onPrimaryChange(prefix, ({type}) => heard.push(type))
  const lease = await binary.establishPrimaryServer('memory://binary', prefix)
  await binary.resign(Number(lease?.campaign), 0)
  await until('resigned', () => heard.includes('resigned'))
})
