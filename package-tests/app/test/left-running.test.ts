import {establishPrimaryServer, onPrimaryChange} from 'primary-lease'

// Another file in the same process: its modules are fresh, and the binary is the one of before.
test('an election that nobody ends keeps Jest from nothing', async () => {
  const heard: string[] = []
  onPrimaryChange('left running', ({type}) => heard.push(type))
  const lease = await establishPrimaryServer(`memory://jest-${process.pid}`, 'left running')
  expect(lease?.isHeld).toBe(true)
  await new Promise(setImmediate)
  expect(heard).toContain('elected')
})
