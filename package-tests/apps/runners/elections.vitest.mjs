import {establishPrimaryServer, primaryStatus} from 'primary-lease'
import {expect, test} from 'vitest'
import {isolated} from './isolated.mjs'

test('no other file has left a campaign here', isolated)

test.each(['memory://vitest', process.env.REDIS_URL])('an election on %s', async (redis) => {
  const prefix = `${process.env.POOL} ${redis}`
  const lease = await establishPrimaryServer(redis, prefix)
  expect(lease?.isHeld).toBe(true)
  expect(primaryStatus(prefix)?.lease).toBe(lease)
  // It is left as it is, and keeps no test runner from ending.
})
