// What `npm test` makes of a step that fails.

import {CommandError, run} from '../support/run.mjs'
import {Proof} from './proof.mjs'

const fail = () => Promise.reject(new CommandError('jest', 'exited with 1', 'what it printed', ''))

let said: string[]
beforeEach(() => {
  said = []
  for (const method of ['log', 'error'] as const) {
    jest.spyOn(console, method).mockImplementation((...texts) => {
      said.push(texts.join(' '))
    })
  }
})
afterEach(() => jest.restoreAllMocks())

test('a step that fails keeps no other from being taken, and is named at the end', async () => {
  const proof = new Proof()
  const taken: string[] = []
  await proof.step('lint', fail)
  await proof.step('tests', async () => {
    proof.passed += 7
    proof.failed += 2
    await fail()
  })
  await proof.step('faults', async () => taken.push('faults'))
  expect(taken).toEqual(['faults'])
  expect(proof.holds).toBe(false)
  // The lint counts as one, and the tests as those that failed.
  expect(proof.summary).toBe('7 passed, 3 failed\nfailed: lint, tests')
})

test('a step without what it needs is skipped, and says so', async () => {
  const proof = new Proof()
  const taken: string[] = []
  await proof.step('addon', fail)
  await proof.step('tests', async () => taken.push('tests'), {needs: ['addon']})
  await proof.step('faults', async () => taken.push('faults'), {needs: ['tests']})
  await proof.step('package', async () => taken.push('package'))
  expect(taken).toEqual(['package'])
  expect(said.filter((line) => /^skip {2}tests +for want of: addon/.test(line))).toHaveLength(1)
  expect(proof.summary).toBe('0 passed, 1 failed\nfailed: addon\nskipped: tests, faults')
})

test('a step that is done without says why, and is named at the end', () => {
  const proof = new Proof()
  proof.skip('stores on Redis 0', 'no such server')
  expect(said).toContainEqual(expect.stringMatching(/^skip {2}stores on Redis 0 +no such server$/))
  expect(proof.holds).toBe(true)
  expect(proof.summary).toBe('0 passed, 0 failed\nskipped: stores on Redis 0')
})

test('one that succeeds holds', async () => {
  const proof = new Proof()
  await proof.step('lint', async () => {})
  expect(proof.holds).toBe(true)
  expect(proof.summary).toBe('0 passed, 0 failed')
})

test('a command that hangs is killed, and one that is only slow is not', async () => {
  const shell = (script: string, silence: number) => run('sh', ['-c', script], {silence})
  await expect(shell('echo a; exec sleep 60', 2_000)).rejects.toThrow(
    'was killed: it had printed nothing for 2 s',
  )
  // Slower than that in all, and never silent for as long.
  const output = await shell('for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done', 6_000)
  expect(output).toMatch(/8\n$/)
})
