// Run by `jest.test.ts` in a Jest of its own, one file after the other in one process.

import {establishPrimaryServer, onPrimaryChange, whilePrimary, withLease} from '../../index.js'

test('a file leaves a campaign, its listeners and a run', async () => {
  const lease = await establishPrimaryServer('memory://left-over', 'shared', {ttl: 500})
  expect(lease?.isHeld).toBe(true)
  onPrimaryChange('shared', ({type}) => {
    if (type !== 'elected') throw new Error('of a test file that has ended')
  })
  whilePrimary('shared', () => new Promise(() => {}))
  void withLease('memory://left-over', 'a run', {ttl: 500}, () => new Promise(() => {}))
  await new Promise((resolve) => setTimeout(resolve, 100))
})
