import type {Line} from './record.mjs'

const NAMES = ['A', 'B', 'C']

const samples = (server: string, token: number, from: number, to: number): Line[] => {
  const count = Math.floor((to - from) / 10)
  return Array.from({length: count + 1}, (_, at) => ({
    at: from + at * 10,
    server,
    type: 'held' as const,
    token,
  }))
}

/** A primary from one moment to another, with looks at `isHeld` every 10 ms. */
export const term = (server: string, token: number, from: number, to: number): Line[] => [
  {at: from, server, type: 'elected', token, quiet: from - 5, held: true},
  ...samples(server, token, from, to),
]

const opening = (): Line[] => [
  {
    at: 0,
    type: 'begin',
    seed: 1,
    ttl: 1000,
    minutes: 1,
    names: NAMES,
    exitTimeout: 500,
    stallTimeout: 4000,
    redis: '/usr/bin/redis-server',
  },
  ...NAMES.flatMap((server): Line[] => [
    {at: 10, server, type: 'started', pid: 1},
    {at: 20, server, type: 'standing'},
  ]),
]

/**
 * A record of a fault run in which everything is as it should be, with a ttl of 1000 ms: A is killed,
 * B is frozen and superseded by C, which exits while Redis is away.
 */
export const goodRecord = (): Line[] => [
  ...opening(),
  ...term('A', 100, 1100, 3000),
  {at: 1200, type: 'write', order: 0, server: 'A', token: 100, accepted: true, woken: false},
  {at: 3000, type: 'fault', id: 1, kind: 'kill', scope: ['A'], lasts: 500},
  {at: 3001, server: 'A', type: 'ending', how: 'kill'},
  {at: 3005, server: 'A', type: 'died', code: null, signal: 'SIGKILL', stderr: ''},
  {at: 3500, server: 'A', type: 'started', pid: 2},
  {at: 3600, server: 'A', type: 'standing'},
  {at: 3600, type: 'over', id: 1},

  ...term('B', 200, 4050, 5000),
  {at: 4100, type: 'write', order: 1, server: 'B', token: 200, accepted: true, woken: false},
  {at: 5000, type: 'fault', id: 2, kind: 'freeze', scope: ['B'], lasts: 2000},
  {at: 5001, server: 'B', type: 'frozen'},
  ...term('C', 300, 6000, 9000),
  {at: 6100, type: 'write', order: 2, server: 'C', token: 300, accepted: true, woken: false},
  {at: 7000, server: 'B', type: 'thawed'},
  {at: 7000, type: 'over', id: 2},
  {at: 7001, server: 'B', type: 'woke', slept: 2001, token: 200, held: false},
  {at: 7001, type: 'write', order: 3, server: 'B', token: 200, accepted: false, woken: true},
  {at: 7002, server: 'B', type: 'unheld', token: 200},
  {at: 7003, server: 'B', type: 'ended', token: 200, reason: 'expired', held: false},

  {at: 8900, type: 'fault', id: 3, kind: 'restart', scope: [], lasts: 1500},
  {at: 9001, server: 'C', type: 'ending', how: 'exit'},
  {at: 9500, server: 'C', type: 'died', code: 7, signal: null, stderr: ''},
  {at: 10_400, type: 'over', id: 3},
  ...term('A', 400, 12_000, 14_000),
  {at: 12_100, type: 'write', order: 4, server: 'A', token: 400, accepted: true, woken: false},
  {at: 14_000, type: 'finish'},
]

/** Another: the event loop of A hangs from 3000 to 9000, and B takes its place. */
export const hungRecord = (): Line[] => [
  ...opening(),
  ...term('A', 100, 1100, 3000),
  {at: 1200, type: 'write', order: 0, server: 'A', token: 100, accepted: true, woken: false},
  {at: 3000, type: 'fault', id: 1, kind: 'hang', scope: ['A'], lasts: 6000},
  ...term('B', 200, 7400, 12_000),
  {at: 9000, server: 'A', type: 'woke', slept: 6000, token: 100, held: false},
  {at: 9001, server: 'A', type: 'unheld', token: 100},
  {at: 9002, server: 'A', type: 'ended', token: 100, reason: 'stalled', held: false},
  {at: 9003, type: 'over', id: 1},
  {at: 12_000, type: 'finish'},
]

/** Another: A is primary, and asks for the leases of many runs, of which some are refused. */
export const burstRecord = (): Line[] => [
  ...opening(),
  ...term('A', 100, 1100, 5000),
  {at: 1200, type: 'write', order: 0, server: 'A', token: 100, accepted: true, woken: false},
  {at: 3000, type: 'fault', id: 1, kind: 'burst', scope: ['A'], lasts: 500},
  {at: 4000, server: 'A', type: 'burst', ran: 1499, refused: 500, lost: 1, other: 0, longest: 990},
  {at: 4500, type: 'over', id: 1},
  {at: 5000, type: 'fault', id: 2, kind: 'kill', scope: ['A'], lasts: 500},
  {at: 5001, server: 'A', type: 'ending', how: 'kill'},
  {at: 5005, server: 'A', type: 'died', code: null, signal: 'SIGKILL', stderr: ''},
  ...term('B', 200, 6050, 7000),
  {at: 7000, type: 'finish'},
]
