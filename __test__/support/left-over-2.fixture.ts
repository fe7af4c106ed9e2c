import {
  establishPrimaryServer,
  onPrimaryChange,
  type PrimaryChange,
  primaryStatus,
  resignPrimaryServer,
  setLogger,
} from '../../index.js'

afterAll(() => resignPrimaryServer())

test('the next file shares the native side, and is told so', async () => {
  setLogger(null)
  expect(primaryStatus('shared')).toMatchObject({role: 'primary'})
  const other = establishPrimaryServer('memory://left-over', 'shared', {ttl: 1000})
  await expect(other).rejects.toThrow(
    /ttl is 500 ms there, got 1000 ms; an earlier test file left it/,
  )
  const heard: PrimaryChange['type'][] = []
  onPrimaryChange('shared', ({type}) => heard.push(type))
  const lease = await establishPrimaryServer('memory://left-over', 'shared', {ttl: 500})
  expect(lease?.isHeld).toBe(true)
  expect(primaryStatus('shared')).toMatchObject({role: 'primary', lease})
  await resignPrimaryServer('shared')
  expect(lease?.signal.aborted).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(heard).toEqual(['elected', 'resigned'])
  const again = await establishPrimaryServer('memory://left-over', 'shared', {ttl: 1000})
  expect(again?.isHeld).toBe(true)
})
