// All that stands between JavaScript and a server and depends on the platform: the binary, threads, the clock,
// names and the network, TLS, the exit. Prints JSON.

const {establishPrimaryServer, resignPrimaryServer, withLease} = require('primary-lease')

const {PLAIN_URL = '', TLS_PORT, CA} = process.env
const ttl = 3000
const overTls = {host: 'localhost', port: Number(TLS_PORT), tls: {ca: CA}}

async function main() {
  const loaded = Object.keys(require.cache).filter((path) => path.endsWith('.node'))
  const lease = await establishPrimaryServer(PLAIN_URL, 'platform', {ttl})
  const held = [lease?.isHeld]
  // The event loop stands still for longer than the lease lasts.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * ttl)
  held.push(lease?.isHeld)
  await resignPrimaryServer()
  held.push(lease?.isHeld)
  const run = await withLease(overTls, 'job', {ttl}, () => 'ended')
  const left = await establishPrimaryServer(overTls, 'left', {ttl})
  held.push(left?.isHeld)
  console.log(JSON.stringify({arch: process.arch, loaded, held, run}))
  process.exit()
}

main()
