import {join} from 'node:path'
import {root, run} from './run.mjs'

/**
 * It prints a line for each file of tests. After the last one an open handle may keep it from ending: that is
 * a failure too, not a wait without end.
 */
const SILENCE = 300_000

/**
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
export function jest(args, env) {
  // Not through npx: what hangs has to be ended itself.
  const all = [join(root, 'node_modules/jest/bin/jest.js'), ...args]
  return run(process.execPath, all, {env, show: true, silence: SILENCE})
}
