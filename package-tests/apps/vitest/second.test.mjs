import {
  establishPrimaryServer,
  onPrimaryChange,
  primaryStatus,
  resignPrimaryServer,
} from 'primary-lease'
import {expect, test, vi} from 'vitest'

test.each(['memory://vitest', process.env.REDIS_URL])('an election on %s', async (redis) => {
  const prefix = `vitest-NAME-${redis}`.replace(/\W+/g, '-')
  const lease = await establishPrimaryServer(redis, prefix)
  expect(lease?.isHeld).toBe(true)
  expect(primaryStatus(prefix)?.lease).toBe(lease)
  // Left as it is: a campaign keeps no test runner from ending.
})

test('what another file has left is not seen here', () => {
  for (const redis of ['memory', 'redis'])
    expect(primaryStatus(`vitest-OTHER-${redis}`)).toBeUndefined()
})
