const {
  LeaderRunner,
  establishPrimaryServer,
  resignPrimaryServer,
  whilePrimary,
} = require('primary-lease')

const TTL = 2000

/** All that takes time, for a test whose own clock stands still. */
exports.everything = async (redis, prefix) => {
  const heard = []
  whilePrimary(prefix, ({signal}) => {
    signal.addEventListener('abort', () => heard.push('asked to stop'))
    // It does not stop, so that the drain has to end.
    return new Promise(() => {})
  })
  const lease = await establishPrimaryServer(redis, prefix, {ttl: TTL})
  // Blocks this thread, in which nothing can be renewed then.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * TTL)
  heard.push(lease?.isHeld ? 'still held' : 'not held')
  await resignPrimaryServer(prefix, {drain: 100})
  const runner = new LeaderRunner(redis, prefix, 10_000)
  const tick = new Date()
  heard.push((await runner.runLocked('job', () => 'done', undefined, {tick})).outcome)
  await runner.close({drain: 1000})
  return heard
}

exports.expected = ['still held', 'asked to stop', 'ran']
