// One library that gives runs a lease: node runs.mjs <library> <redis url>

import {open} from './libraries.mjs'
import {serve} from './serve.mjs'
import {spending} from './time.mjs'

const [name, url] = /** @type {[string, string]} */ (process.argv.slice(2))
const run = await open(name, url)
let keys = 0

/** Each key is new: nobody has left anything there. */
const newKey = () => `bench-${name}-${keys++}`

serve({
  /** Whether it can be had: what it says if not. */
  probe: () =>
    run(newKey()).then(
      () => undefined,
      (error) => error.message,
    ),
  /**
   * Runs after runs for so many ms, so many at once.
   *
   * @param {{atOnce: number, ms: number}} slice
   */
  slice: async ({atOnce, ms}) => {
    const end = performance.now() + ms
    let pairs = 0
    const spent = spending()
    const one = async () => {
      while (performance.now() < end) {
        await run(newKey())
        pairs++
      }
    }
    await Promise.all(Array.from({length: atOnce}, one))
    return {pairs, ...spent()}
  },
  /**
   * How long each run takes, one after the other for so many ms.
   *
   * @param {{ms: number}} slice
   */
  latencies: async ({ms}) => {
    const end = performance.now() + ms
    const latencies = []
    for (let asked = performance.now(); asked < end; ) {
      await run(newKey())
      const answered = performance.now()
      latencies.push(answered - asked)
      asked = answered
    }
    return latencies
  },
})
