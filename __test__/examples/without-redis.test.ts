import {establishPrimaryServer, onPrimaryChange} from 'primary-lease'

// The code under test: a job that only the primary runs.
function startReports(redis: string, report: (token: number) => void) {
  const stop = onPrimaryChange('reports', (change) => {
    if (change.type === 'elected') report(change.lease.token)
  })
  return {lease: establishPrimaryServer(redis, 'reports'), stop}
}

test('the primary writes the report, with its token', async () => {
  // No Redis: an election within this process. A name of its own keeps tests apart.
  const written: number[] = []
  const {lease, stop} = startReports('memory://reports', (token) => written.push(token))
  const held = await lease
  expect(held?.isHeld).toBe(true)
  expect(written).toEqual([held?.token])
  await held?.release()
  stop()
})
