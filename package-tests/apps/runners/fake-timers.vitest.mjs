import {expect, test, vi} from 'vitest'
import {everything, expected} from './everything.cjs'
import {isolated} from './isolated.mjs'

vi.useFakeTimers()

test('nothing waits for the timers of the test', async () => {
  const {POOL, REDIS_URL} = process.env
  expect(await everything(REDIS_URL, `timers ${POOL}`)).toEqual(expected)
})

test('no other file has left a campaign here', isolated)
