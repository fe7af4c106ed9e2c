// Under fake timers, which stand still until somebody moves them, leases go on.

import {newPrefix} from './support/redis'

test('runs, elections and large commands need no timer of the test', async () => {
  jest.useFakeTimers()
  try {
    jest.resetModules()
    const {establishPrimaryServer, withLease} =
      require('../index.js') as typeof import('../index.js')
    const names = Array.from({length: 4}, newPrefix)
    const run = (name: string) => withLease('memory://fake-timers', name, {}, async () => name)
    expect(await Promise.all(names.map(run))).toEqual(names)
    const lease = await establishPrimaryServer('memory://fake-timers', newPrefix())
    const large = lease?.command('large', ['SET', 'large', Buffer.alloc(3 * 1024 * 1024)])
    // Copied, and then refused: there is no Redis.
    await expect(large).rejects.toMatchObject({code: 'ERR_INVALID_CONFIG'})
    await lease?.release()
  } finally {
    jest.useRealTimers()
  }
}, 10_000)
