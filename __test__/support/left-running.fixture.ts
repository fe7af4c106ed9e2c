// Run by `lifetime.test.ts` in a Jest of its own: nothing is released, nothing is closed.

import {establishPrimaryServer, onPrimaryChange} from '../../index.js'

test('a campaign is left running', async () => {
  const prefix = `left-running-${process.pid}`
  onPrimaryChange(prefix, () => {})
  const lease = await establishPrimaryServer(String(process.env.LEFT_RUNNING_REDIS), prefix, {
    ttl: 500,
  })
  expect(lease?.isHeld).toBe(true)
})
