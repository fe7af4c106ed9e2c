'use strict'

// What was counted, in the words and units of the outside.

const {addon} = require('./binary.js')
const counters = require('./counters.js')
const {calling} = require('./errors.js')

/** @typedef {import('../../index.js').Metrics} Metrics */
/** @typedef {import('../../index.js').MetricsHistogram} Histogram */

/**
 * The kinds of commands, in the order of the binary.
 *
 * @type {Pick<Metrics['commands'][number], 'of' | 'command'>[]}
 */
const COMMANDS = [
  {of: 'election', command: 'acquire'},
  {of: 'election', command: 'renew'},
  {of: 'election', command: 'release'},
  {of: 'election', command: 'inspect'},
  {of: 'run', command: 'acquire'},
  {of: 'run', command: 'renew'},
  {of: 'run', command: 'begin'},
  {of: 'run', command: 'release'},
  {of: 'run', command: 'withdraw'},
  {of: 'fence', command: 'command'},
]

/** @returns {Metrics} */
function metrics() {
  const {numbers, texts} = calling(() => addon.metrics())
  let [at, textAt] = [0, 0]
  const next = () => Number(numbers[at++])
  const nextText = () => String(texts[textAt++])
  /** @param {number} count */
  const list = (count) => Array.from({length: count}, next)
  /** @param {number} count */
  const histogram = (count) => {
    const [bounds, counts] = [list(count), list(count + 1)]
    const [sum, max] = [next(), next()]
    return {bounds, counts, count: counts.reduce((a, b) => a + b), sum, max}
  }

  next() // The number of kinds, which are named above.
  next()
  const [bounds, connections, elections] = [next(), next(), next()]
  const commands = COMMANDS.map((command) => {
    const [answered, unanswered, refused, denied] = [next(), next(), next(), next()]
    return {...command, answered, unanswered, refused, denied}
  })
  const retries = {election: next(), run: next()}
  const polls = next()
  const renewals = {roundTrip: histogram(bounds), margin: histogram(bounds)}
  const held = histogram(bounds)
  const eventLoop = {delay: histogram(bounds)}
  const connection = () => ({
    redis: nextText(),
    connected: next() === 1,
    opened: next(),
    lost: next(),
    failed: next(),
    messages: next(),
    queued: next(),
    notSent: next(),
  })
  const counted = counters.countedElections()
  const election = () => {
    const [prefix, name, serverId, primaryId] = [nextText(), nextText(), nextText(), nextText()]
    const [isPrimary, isStanding, token] = [next() === 1, next() === 1, next()]
    const [ttl, term, margin] = [next(), next(), next()]
    const [available, healthy] = [next() === 1, next() === 1]
    const {changes, primarySeconds} = counted.get(prefix) ?? {
      changes: counters.noChanges(),
      primarySeconds: 0,
    }
    counted.delete(prefix)
    return {
      prefix,
      name,
      serverId,
      isPrimary,
      isStanding,
      primary: primaryId === '' ? undefined : {serverId: primaryId, token},
      ttlSeconds: ttl,
      primarySeconds: primarySeconds + term,
      marginSeconds: margin === 0 ? undefined : margin,
      available,
      healthy,
      changes,
    }
  }
  return {
    connections: merged(Array.from({length: connections}, connection)),
    elections: Array.from({length: elections}, election),
    // Those that are left.
    ended: [...counted.values()],
    renewals,
    commands,
    retries,
    polls,
    eventLoop,
    runs: {
      ...counters.runs,
      skipped: {...counters.runs.skipped},
      lost: {...counters.runs.lost},
      unavailable: {...counters.runs.unavailable},
      held,
    },
    log: {lines: {...counters.log.lines}, dropped: counters.log.dropped},
  }
}

/**
 * One for each address: connections that differ in their user alone are counted together.
 *
 * @param {Metrics['connections']} connections
 */
function merged(connections) {
  /** @type {Map<string, Metrics['connections'][number]>} */
  const all = new Map()
  for (const connection of connections) {
    const {redis, connected, ...counts} = connection
    const first = all.get(redis)
    if (!first) {
      all.set(redis, connection)
      continue
    }
    first.connected ||= connected
    for (const [name, count] of Object.entries(counts)) {
      first[/** @type {keyof typeof counts} */ (name)] += count
    }
  }
  return [...all.values()]
}

exports.metrics = metrics
