#!/usr/bin/env node
'use strict'

// `primary-lease`: looks at elections from a terminal.

require('../../../index.js')
const {inspectPrimary} = require('../inspect.js')
const {Misuse, read} = require('./arguments.js')
const {list} = require('./list.js')
const {report} = require('./report.js')
const {resign} = require('./resign.js')
const {GONE} = require('./screen.js')
const {json, printable} = require('./text.js')
const {watch} = require('./watch.js')

/** @typedef {import('./arguments.js').Call} Call */

const [FOUND, MISUSED, UNREACHABLE, NONE] = [0, 1, 2, 3]

/** @type {{[command: string]: (call: Call, out: NodeJS.WriteStream) => Promise<number>}} */
const COMMANDS = {
  inspect,
  watch,
  list: (call, out) => list(call, out, columnsOf(out)),
  resign,
}

/**
 * @param {Call} call
 * @param {NodeJS.WriteStream} out
 */
async function inspect({redis, prefix, scope, timeout, ...call}, out) {
  const seen = await inspectPrimary(redis, prefix, {scope, timeout})
  out.write(call.json ? `${json(seen)}\n` : `${report(seen, columnsOf(out)).join('\n')}\n`)
  return seen.state === 'primary' ? FOUND : NONE
}

/**
 * A pipe has as much room as is needed.
 *
 * @param {NodeJS.WriteStream} out
 */
const columnsOf = (out) => (out.isTTY ? out.columns || 80 : Number.POSITIVE_INFINITY)

/** @param {unknown} error */
function explain(error) {
  const {code, message} = /** @type {NodeJS.ErrnoException} */ (error)
  process.stderr.write(`primary-lease: ${printable(String(message))}\n`)
  if (error instanceof Misuse) process.stderr.write('primary-lease --help says how\n')
  return error instanceof Misuse || code === 'ERR_INVALID_CONFIG' ? MISUSED : UNREACHABLE
}

async function main() {
  const asked = read(process.argv.slice(2), process.env)
  if ('help' in asked) {
    process.stdout.write(asked.help)
    return FOUND
  }
  return await /** @type {(typeof COMMANDS)[string]} */ (COMMANDS[asked.command])(
    asked.call,
    process.stdout,
  )
}

// Whoever reads has had enough (`| head -1`), or the terminal has gone away: there is nobody to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (/** @type {NodeJS.ErrnoException} */ {code}) => {
    process.exit(code === 'EPIPE' ? FOUND : GONE)
  })
}
main()
  .catch(explain)
  .then((code) => {
    process.exitCode = code
    // A look that nobody waits for any more would keep the process.
    process.stdout.write('', () => process.exit())
  })
