import cluster from 'node:cluster'

if (cluster.isPrimary) {
  // Cluster's own primary starts the workers and is no candidate: each worker is one.
  let leaves = false
  for (let worker = 0; worker < 2; worker++) cluster.fork()
  cluster.on('exit', () => {
    if (!leaves) cluster.fork()
  })
  // A signal comes to this process alone.
  process.once('SIGTERM', () => {
    leaves = true
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
  })
  process.once('SIGUSR2', () => {
    leaves = true
    cluster.disconnect()
  })
} else {
  await import('./server.mjs')
}
