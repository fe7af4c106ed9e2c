'use strict'

// What a registry of Prometheus is given: names, labels and where each value comes from.

/** @typedef {import('../../index.js').Metrics} Metrics */
/** @typedef {import('../../index.js').ElectionMetrics} ElectionMetrics */
/** @typedef {import('../../index.js').EndedElectionMetrics} EndedElectionMetrics */
/** @typedef {import('../../index.js').MetricsHistogram} Histogram */
/** @typedef {Record<string, string | number>} Labels */

/**
 * @typedef {object} Definition
 * @property {string} name without the prefix
 * @property {string} help
 * @property {'gauge' | 'counter' | 'histogram'} type
 * @property {'sum' | 'min' | 'max'} [across] what it is of several processes together, where that is not the sum
 * @property {(all: Metrics) => Iterable<[Labels, number]> | Histogram} read
 */

/**
 * Of each election that goes on.
 *
 * @param {(election: ElectionMetrics) => number | boolean | undefined} read
 * @returns {(all: Metrics) => Iterable<[Labels, number]>}
 */
const ofElections = (read) =>
  function* (all) {
    for (const election of all.elections) {
      const value = read(election)
      if (value !== undefined) yield [{election: shown(election.name)}, Number(value)]
    }
  }

/**
 * Of each election, also of those that have ended.
 *
 * @param {(election: ElectionMetrics | EndedElectionMetrics) => Iterable<[Labels, number]>} read
 * @returns {(all: Metrics) => Iterable<[Labels, number]>}
 */
const ofAllElections = (read) =>
  function* (all) {
    for (const election of [...all.elections, ...all.ended]) {
      for (const [labels, value] of read(election)) {
        yield [{election: shown(election.name), ...labels}, value]
      }
    }
  }

/**
 * Of each connection.
 *
 * @param {(connection: Metrics['connections'][number]) => number | boolean} read
 * @returns {(all: Metrics) => Iterable<[Labels, number]>}
 */
const ofConnections = (read) => (all) =>
  all.connections.map((connection) => [{redis: shown(connection.redis)}, Number(read(connection))])

/** @type {Definition[]} */
const DEFINITIONS = [
  {
    name: 'is_primary',
    help: 'Whether this server is primary: 1 or 0.',
    type: 'gauge',
    read: ofElections(({isPrimary}) => isPrimary),
  },
  {
    name: 'standing',
    help: 'Whether this server is primary, or takes over when the primary goes: 1 or 0.',
    type: 'gauge',
    read: ofElections(({isStanding}) => isStanding),
  },
  {
    name: 'primary_info',
    help: 'Which server is primary, as this one sees it: always 1.',
    type: 'gauge',
    across: 'max',
    *read(all) {
      for (const {name, primary} of all.elections) {
        if (primary) yield [{election: shown(name), server_id: shown(primary.serverId)}, 1]
      }
    },
  },
  {
    name: 'token',
    help: 'The fencing token of the primary, as this server sees it. It rises with every election.',
    type: 'gauge',
    across: 'max',
    read: ofElections(({primary}) => primary?.token),
  },
  {
    name: 'ttl_seconds',
    help: 'How long a grant lasts without a renewal.',
    type: 'gauge',
    across: 'max',
    read: ofElections(({ttlSeconds}) => ttlSeconds),
  },
  {
    name: 'healthy',
    help: 'Whether this server can do its part, as a primary or a standby: 0 when Redis has not answered for long.',
    type: 'gauge',
    across: 'min',
    read: ofElections(({healthy}) => healthy),
  },
  {
    name: 'redis_available',
    help: 'Whether Redis answers: 1, or 0 when it has not for a third of the ttl, or refuses.',
    type: 'gauge',
    across: 'min',
    read: ofElections(({available}) => available),
  },
  {
    name: 'primary_seconds_total',
    help: 'For how long this server has been primary.',
    type: 'counter',
    read: ofAllElections(({primarySeconds}) => [[{}, primarySeconds]]),
  },
  {
    name: 'changes_total',
    help: 'Changes of an election as this server saw them, by their type and the reason of an end.',
    type: 'counter',
    read: ofAllElections(changesOf),
  },
  {
    name: 'renewal_margin_seconds',
    help: 'What was left to the step-down deadline as the last renewal of this primary was confirmed.',
    type: 'gauge',
    across: 'min',
    read: ofElections(({marginSeconds}) => marginSeconds),
  },
  {
    name: 'renewal_margin_ratio',
    help: 'What was left to the step-down deadline as a renewal was confirmed, as a share of the ttl.',
    type: 'histogram',
    read: ({renewals}) => renewals.margin,
  },
  {
    name: 'renewal_round_trip_seconds',
    help: 'From the request for a renewal to its confirmation.',
    type: 'histogram',
    read: ({renewals}) => renewals.roundTrip,
  },
  {
    name: 'commands_total',
    help: 'Commands, by what they are of and what came of them.',
    type: 'counter',
    *read({commands}) {
      for (const {of, command, ...results} of commands) {
        for (const [result, count] of Object.entries(results)) yield [{of, command, result}, count]
      }
    },
  },
  {
    name: 'retries_total',
    help: 'Commands that followed one without an answer, or with a refusal.',
    type: 'counter',
    read: ({retries}) => Object.entries(retries).map(([of, count]) => [{of}, count]),
  },
  {
    name: 'standby_polls_total',
    help: 'Questions of servers that are not primary, which found nothing to take.',
    type: 'counter',
    read: ({polls}) => [[{}, polls]],
  },
  {
    name: 'event_loop_delay_seconds',
    help: 'How late the event loop answered the background thread, which asks it now and then.',
    type: 'histogram',
    read: ({eventLoop}) => eventLoop.delay,
  },
  {
    name: 'event_loop_delay_max_seconds',
    help: 'The longest of these since the process began.',
    type: 'gauge',
    across: 'max',
    read: ({eventLoop}) => [[{}, eventLoop.delay.max]],
  },
  {
    name: 'runs_total',
    help: 'Runs by their outcome, and why.',
    type: 'counter',
    *read({runs}) {
      yield [{outcome: 'ran', reason: ''}, runs.ran]
      yield [{outcome: 'failed', reason: ''}, runs.failed]
      for (const outcome of /** @type {const} */ (['skipped', 'lost', 'unavailable'])) {
        for (const [reason, count] of Object.entries(runs[outcome])) {
          yield [{outcome, reason}, count]
        }
      }
    },
  },
  {
    name: 'runs_active',
    help: 'Runs that have begun and not ended.',
    type: 'gauge',
    read: ({runs}) => [[{}, runs.active]],
  },
  {
    name: 'run_held_seconds',
    help: 'How long the lease of a run was held.',
    type: 'histogram',
    read: ({runs}) => runs.held,
  },
  {
    name: 'connected',
    help: 'Whether the connection is open: 1 or 0. One that nobody uses is closed.',
    type: 'gauge',
    read: ofConnections(({connected}) => connected),
  },
  {
    name: 'connections_opened_total',
    help: 'How often the connection was opened.',
    type: 'counter',
    read: ofConnections(({opened}) => opened),
  },
  {
    name: 'connections_lost_total',
    help: 'How often the connection was lost, or dropped because nothing was answered on it.',
    type: 'counter',
    read: ofConnections(({lost}) => lost),
  },
  {
    name: 'connections_failed_total',
    help: 'Attempts to open the connection that failed.',
    type: 'counter',
    read: ofConnections(({failed}) => failed),
  },
  {
    name: 'messages_total',
    help: 'Messages of Redis that came.',
    type: 'counter',
    read: ofConnections(({messages}) => messages),
  },
  {
    name: 'queued_commands',
    help: 'Commands that wait to be sent.',
    type: 'gauge',
    read: ofConnections(({queued}) => queued),
  },
  {
    name: 'commands_not_sent_total',
    help: 'Commands that came to the end of their time unsent: there was no connection, or Redis was behind.',
    type: 'counter',
    read: ofConnections(({notSent}) => notSent),
  },
  {
    name: 'log_lines_total',
    help: 'Lines that were handed to the logger.',
    type: 'counter',
    read: ({log}) => Object.entries(log.lines).map(([level, count]) => [{level}, count]),
  },
  {
    name: 'log_lines_dropped_total',
    help: 'Lines for which the logger threw, or rejected.',
    type: 'counter',
    read: ({log}) => [[{}, log.dropped]],
  },
]

/** Those that are ours. */
const LABELS = [
  'election',
  'server_id',
  'type',
  'reason',
  'of',
  'command',
  'result',
  'outcome',
  'redis',
  'level',
  'le',
]

/**
 * @param {ElectionMetrics | EndedElectionMetrics} election
 * @returns {Iterable<[Labels, number]>}
 */
function* changesOf({changes}) {
  yield [{type: 'elected', reason: ''}, changes.elected]
  for (const type of /** @type {const} */ (['lost', 'resigned'])) {
    for (const [reason, count] of Object.entries(changes[type])) {
      // Of ten thousand elections only what happened.
      if (count > 0) yield [{type, reason}, count]
    }
  }
  yield [{type: 'primary-changed', reason: ''}, changes.primaryChanged]
  yield [{type: 'unavailable', reason: ''}, changes.unavailable]
}

/**
 * As a label may have it: what another server calls itself can be anything.
 *
 * @param {string} text
 */
function shown(text) {
  // Nearly all are.
  if (text.length <= MOST_SHOWN && !CONTROL.test(text)) return text
  const start = [...text].slice(0, MOST_SHOWN).join('')
  return start.replaceAll(CONTROLS, (control) => `\\x${hex(control)}`)
}

const CONTROL = /\p{Cc}/u
const CONTROLS = /\p{Cc}/gu

/** In code points: as long as two names of ours with a colon between. */
const MOST_SHOWN = 401

/** @param {string} control */
const hex = (control) => control.charCodeAt(0).toString(16).padStart(2, '0')

exports.DEFINITIONS = DEFINITIONS
exports.LABELS = LABELS
exports.shown = shown
