import {now} from '../support/record.mjs'

const EVERY = 5000

/**
 * Says every few seconds how far a run is.
 *
 * @param {import('./journal.mjs').Journal} journal
 * @param {number} minutes
 * @returns how to stop it
 */
export function progress(journal, minutes) {
  const begun = now()
  let faults = 0
  let terms = 0
  let primary = 'nobody'
  let doing = ''
  const stop = journal.each((line) => {
    if (line.type === 'fault') {
      faults++
      doing = [line.kind, ...line.scope].join(' ')
    } else if (line.type === 'elected') {
      terms++
      primary = line.server
    } else if (line.type === 'unheld') primary = 'nobody'
  })
  const timer = setInterval(() => {
    const time = `${clock(now() - begun)} of ${clock(minutes * 60_000)}`
    const sums = `${String(faults).padStart(4)} faults  ${String(terms).padStart(4)} terms`
    console.log(`  ${time}  ${sums}  primary: ${primary.padEnd(7)} last fault: ${doing}`)
  }, EVERY)
  return () => {
    clearInterval(timer)
    stop()
  }
}

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
