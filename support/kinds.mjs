// What can go wrong, as data: the plan draws from it, the checker judges by it, the pages name it.

/**
 * @typedef {'server' | 'redis' | 'network'} Channel one fault of a channel at a time
 *
 * @typedef {'none' | 'watch' | 'service'} Effect what a fault may excuse. `none`: nothing at all.
 *   `watch`: a candidate has to begin its watch again, so a vacancy may last longer. `service`:
 *   Redis is out of reach for those concerned: a primary may lose its place, and nobody can win it
 *
 * @typedef {{
 *   channel: Channel, effect: Effect, symbol: string, title: string, lasts?: [number, number],
 *   whom?: 'primary' | 'any' | 'all', costs?: number,
 * }} KindOfFault
 *   `lasts`: the shortest and the longest duration, in ttls; `whom`: always the primary or always
 *   all, or (`any`) drawn; `costs`: the most, in ttls, that it may keep a renewal waiting
 */

/**
 * The `stallTimeout` of the servers, in ttls: with the eighth that a hang may be noticed late, it
 * lies between the longest `block` and the shortest `hang`.
 */
export const STALL = 4

/** How many runs a burst asks for. */
export const BURST = 2000

/** @satisfies {Record<string, KindOfFault>} */
export const KINDS = {
  kill: server('☠', 'SIGKILL', [0.1, 1]),
  term: server('↓', 'SIGTERM, which releases', [0.1, 1]),
  exit: server('→', 'process.exit()', [0.1, 1]),
  throw: server('!', 'an uncaught exception', [0.1, 1]),
  resign: server('↺', 'resigns, and stands again', [0.1, 1]),
  doze: server('z', 'frozen for less than 0.4 ttl', [0.05, 0.38]),
  freeze: server('Z', 'frozen for more than the ttl (SIGSTOP)', [1.1, 3]),
  'late-riser': {
    ...server('Ƶ', 'frozen until its successor has died too', [0.1, 1]),
    whom: 'primary',
  },
  block: server('■', 'the event loop is blocked, for less than stallTimeout', [0.5, 3.2]),
  hang: server('▣', 'the event loop hangs, for longer than stallTimeout', [5, 7]),
  burst: {
    ...server('⁂', 'asks for the leases of thousands of runs at once', [0.2, 1]),
    whom: 'primary',
  },
  'burst-all': {...server('⁂', 'every server does', [0.2, 1]), whom: 'all'},
  'kill-all': {...server('☠', 'every server is killed', [0.1, 1]), whom: 'all'},

  restart: redis('R', 'killed, and restarted with its data', 'service', [0.05, 2]),
  wipe: redis('W', 'killed, and restarted without its data', 'service', [0.05, 2]),
  stop: redis('S', 'the Redis process is frozen', 'service', [0.1, 2]),
  pause: redis('P', 'CLIENT PAUSE', 'service', [0.1, 2]),
  sleep: redis('D', 'DEBUG SLEEP', 'service', [0.1, 2]),
  busy: redis('B', 'a script that does not end: BUSY, then SCRIPT KILL', 'service', [0.2, 1.5]),
  full: redis('M', 'out of memory: writes are refused with OOM', 'service', [0.1, 2]),
  misconf: redis('Ø', 'it cannot save: writes are refused with MISCONF', 'service', [0.1, 2]),
  replica: redis(
    'O',
    'a replica for a moment: READONLY, another replication id',
    'service',
    [0.1, 1],
  ),
  clients: redis('C', 'the client limit is reached', 'service', [0.1, 1.5]),
  flush: redis('F', 'FLUSHALL', 'watch'),
  delete: redis('X', 'the record is deleted', 'watch'),
  scripts: redis('L', 'SCRIPT FLUSH', 'none'),
  'client-kill': {...redis('K', 'CLIENT KILL of every connection', 'none'), costs: 1 / 8},
  forward: redis('»', 'the clock is stepped 10 minutes forward', 'none'),
  back: redis('«', 'the clock is stepped an hour back, later forward again', 'none', [1, 3]),

  slow: network('~', 'each packet is a little late', 'none', [0.5, 3]),
  late: network('≈', 'each packet is late by up to half a ttl', 'service', [0.5, 3]),
  drop: {...network('/', 'connections are dropped', 'none'), costs: 1 / 8},
  refuse: network('⊘', 'connections are dropped and refused', 'service', [0.1, 2]),
  'half-close': {...network('◐', 'connections are closed in one direction', 'none'), costs: 1 / 8},
  'cut-reply': {...network('✂', 'a reply is cut in the middle', 'none'), costs: 1 / 8},
  // A command's deadline, and another connection.
  dead: {
    ...network('†', 'established connections are black holes, new ones work', 'none'),
    costs: 1 / 6 + 1 / 8,
  },
  hole: network('●', 'a black hole: accepts, never answers', 'service', [0.1, 2.5]),
  deaf: network('◑', 'requests arrive, replies do not', 'service', [0.1, 2.5]),
  hold: network('∥', 'cut off; what was sent arrives when healed', 'service', [0.1, 2.5]),
}

/** @typedef {keyof typeof KINDS} Kind */

/** @param {string} kind */
export const kindOf = (kind) =>
  /** @type {KindOfFault | undefined} */ (KINDS[/** @type {Kind} */ (kind)])

/** How a process ends, where it ends in one of our ways. */
export const ENDS = {
  kill: {code: null, signal: 'SIGKILL'},
  term: {code: 0, signal: null},
  exit: {code: 7, signal: null},
  throw: {code: 1, signal: null},
}

/** What an uncaught exception of ours says, so that it is known from another. */
export const PLANTED = 'thrown by the fault run on purpose'

/**
 * @param {string} symbol
 * @param {string} title
 * @param {[number, number]} lasts
 * @returns {KindOfFault}
 */
function server(symbol, title, lasts) {
  return {channel: 'server', effect: 'none', symbol, title, lasts, whom: 'any'}
}

/**
 * @param {string} symbol
 * @param {string} title
 * @param {Effect} effect
 * @param {[number, number]} [lasts]
 * @returns {KindOfFault}
 */
function redis(symbol, title, effect, lasts) {
  return {channel: 'redis', effect, symbol, title, lasts, whom: 'all'}
}

/**
 * @param {string} symbol
 * @param {string} title
 * @param {Effect} effect
 * @param {[number, number]} [lasts]
 * @returns {KindOfFault}
 */
function network(symbol, title, effect, lasts) {
  return {channel: 'network', effect, symbol, title, lasts, whom: 'any'}
}
