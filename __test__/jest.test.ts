// This package under Jest: the files of one process share its native side, and nothing of it holds Jest open.

import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {useRedis} from './support/redis'

const redis = useRedis()
const root = join(__dirname, '..')

function jest(fixtures: string, ...switches: string[]) {
  const args = [
    join(root, 'node_modules/jest/bin/jest.js'),
    ...['--runInBand', '--ci', '--testMatch', `<rootDir>/__test__/support/${fixtures}`],
    ...switches,
  ]
  return new Promise<{code: number; output: string}>((resolve) => {
    const env = {...process.env, LEFT_RUNNING_REDIS: redis.url}
    execFile(process.execPath, args, {cwd: root, env, timeout: 30_000}, (error, out, err) => {
      resolve({code: Number(error?.code ?? (error ? -1 : 0)), output: out + err})
    })
  })
}

test('a test file that leaves everything running harms neither the next one nor the end', async () => {
  const {code, output} = await jest('left-over-*.fixture.ts', '--testSequencer', SEQUENCER)
  expect(output).toContain('2 passed, 2 total')
  expect(output).not.toMatch(/did not exit|torn down|of a test file that has ended/)
  expect(code).toBe(0)
})

test('--detectOpenHandles lists nothing of ours', async () => {
  const {code, output} = await jest('left-running.fixture.ts', '--detectOpenHandles')
  expect(output).toContain('1 passed')
  expect(output).not.toMatch(/open handle|\u25cf/)
  expect(code).toBe(0)
})

const SEQUENCER = join(__dirname, 'support/by-name.cjs')
