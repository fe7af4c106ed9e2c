// One candidate in a worker thread of `server.mjs`: it says what it hears, and ends as it is told.

import {writeSync} from 'node:fs'
import {parentPort, workerData} from 'node:worker_threads'
import * as addon from '../../index.mjs'

const {name, url, prefix, options} = workerData
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)
/** @param {object} line */
const say = (line) => {
  const at = Number(process.hrtime.bigint()) / 1e6
  writeSync(1, `${JSON.stringify({at, worker: name, ...line})}\n`)
}

addon.onPrimaryChange(prefix, (change) => {
  const token = change.type === 'elected' ? change.lease.token : undefined
  say({token, ...change, lease: undefined, change: change.type})
})
await addon.establishPrimaryServer(url, prefix, options)

port.on('message', (how) => {
  say({doing: how})
  if (how === 'exit') process.exit(0)
  if (how === 'end') port.close()
  if (how === 'block') {
    const end = process.hrtime.bigint() + BigInt(4 * options.stallTimeout) * 1_000_000n
    while (process.hrtime.bigint() < end);
  }
  if (how === 'throw') throw new Error('thrown on purpose')
})
