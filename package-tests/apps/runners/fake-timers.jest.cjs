jest.useFakeTimers()

const {everything, expected} = require('./everything.cjs')

test('nothing waits for the timers of the test', async () => {
  expect(await everything(process.env.REDIS_URL, 'jest')).toEqual(expected)
}, 60_000)

test('neither where they are faked after the import', async () => {
  jest.useRealTimers()
  jest.useFakeTimers()
  expect(await everything('memory://jest', 'jest-again')).toEqual(expected)
}, 60_000)
