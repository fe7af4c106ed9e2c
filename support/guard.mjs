import {spawn} from 'node:child_process'

/**
 * A process that waits for the end of this one, even by SIGKILL, to end a server and remove what it
 * leaves: its standard input closes then.
 *
 * @param {string} script what the shell does at that moment
 * @param {...string} args its `$1`, `$2` and so on
 */
export function guard(script, ...args) {
  const child = spawn('sh', ['-c', `read -r _; ${script}`, 'sh', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Not in the group that Ctrl-C is sent to.
    detached: true,
  })
  child.unref()
  const input = /** @type {import('node:net').Socket | null} */ (child.stdin)
  input?.unref()
  return child
}
