import {primaryStatus} from 'primary-lease'
import {afterAll, expect, test, vi} from 'vitest'
import {everything, expected} from './everything.cjs'

vi.useFakeTimers()
afterAll(() => vi.useRealTimers())

test('nothing waits for the timers of the test', async () => {
  const {POOL, REDIS_URL} = process.env
  expect(await everything(REDIS_URL, `timers ${POOL}`)).toEqual(expected)
})

test('no other file has left a campaign here', () => {
  const {POOL, REDIS_URL} = process.env
  expect(primaryStatus(`${POOL} ${REDIS_URL}`)).toBeUndefined()
})
