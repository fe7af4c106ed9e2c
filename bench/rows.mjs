import {cost, isHeld} from './rows/addon.mjs'
import {burst, short} from './rows/bursts.mjs'
import {busy, rest, standby} from './rows/elections.mjs'
import {handOver} from './rows/hand-over.mjs'
import {listener} from './rows/listener.mjs'
import {mallocs} from './rows/mallocs.mjs'
import {latency, pairs} from './rows/runs.mjs'
import {stall} from './rows/stall.mjs'
import {vacancy} from './rows/vacancy.mjs'

export const ROWS = [
  handOver,
  stall,
  standby,
  vacancy,
  pairs,
  latency,
  mallocs,
  isHeld,
  rest,
  busy,
  burst,
  short,
  listener,
  cost,
]
