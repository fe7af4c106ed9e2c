// What a server does while it is primary, told to the test that has started it.

import {appendFileSync} from 'node:fs'
import {setTimeout} from 'node:timers/promises'

/**
 * @param {string} event
 * @param {object} [fields]
 */
export function tell(event, fields) {
  appendFileSync(process.env.TOLD, `${JSON.stringify({event, pid: process.pid, ...fields})}\n`)
}

/** Takes its time to stop. */
export async function work({token, signal}) {
  tell('primary', {token})
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  tell('asked to stop')
  await setTimeout(Number(process.env.STOPS_IN ?? 0))
  tell('stopped')
}
