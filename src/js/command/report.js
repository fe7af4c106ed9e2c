'use strict'

// An inspection as lines.

const {cut, printable, span, stamp, table} = require('./text.js')

/** @typedef {import('../../../index.js').PrimaryInspection} PrimaryInspection */

/** From how many columns on there is room for everything. */
const WIDE = 64

/** How many of the standbys are shown, where nothing else bounds them. */
const MOST_STANDBYS = 20

/**
 * @param {PrimaryInspection} seen
 * @param {number} columns
 * @param {{now?: number, rows?: number}} [view] Redis's clock in ms, and how many lines there is room for
 * @returns {string[]}
 */
function report(seen, columns, {now = seen.at.getTime(), rows = Number.POSITIVE_INFINITY} = {}) {
  const head = headOf(seen, columns, now)
  const changes = changesOf(seen, columns, now)
  // The standbys give way to the changes: most of them are alike.
  const room = Math.max(1, rows - head.length - changes.length)
  return [...head, ...standbysOf(seen, columns, now, room), ...changes].slice(0, Math.max(rows, 1))
}

/**
 * @param {PrimaryInspection} seen
 * @param {number} columns
 * @param {number} now
 */
function headOf({prefix, scope, state, primary}, columns, now) {
  const name = printable(prefix) + (scope === undefined ? '' : `  scope ${printable(scope)}`)
  const rows = [['election', name]]
  if (primary) {
    const {serverId, token, since, renewedAt, ttl, stepDownAt, asked} = primary
    const overdue = now - stepDownAt.getTime()
    const isPrimary = state === 'primary' && overdue <= 0
    rows.push(
      ['primary', isPrimary ? printable(serverId) : 'none at the moment'],
      ...(isPrimary
        ? []
        : [['silent', `${printable(serverId)}, for ${span(now - renewedAt.getTime())}`]]),
      ['token', String(token)],
      ['since', `${stamp(since)} UTC, for ${span(now - since.getTime())}`],
      ['renewed', `${span(now - renewedAt.getTime())} ago, ttl ${span(ttl)}`],
      ['deadline', overdue <= 0 ? `in ${span(-overdue)} unless renewed` : `${span(overdue)} ago`],
    )
    if (asked) rows.push(['asked', 'to resign: at its next renewal'])
  } else rows.push(['primary', NONE[state] ?? 'none'])
  return table(rows, columns)
}

/** @type {{[state: string]: string}} */
const NONE = {
  vacant: 'none: the lease is free',
  none: 'none: no such election',
  unreadable: 'none: the record cannot be read',
}

/**
 * @param {PrimaryInspection} seen
 * @param {number} columns
 * @param {number} now
 * @param {number} room
 */
function standbysOf({standbys, standbyCount = 0, standbysRefused}, columns, now, room) {
  if (!standbys) return [cut(`standbys  unknown: ${printable(standbysRefused ?? '')}`, columns)]
  const lines = [`standbys  ${standbyCount || 'none'}`]
  const most = Math.min(MOST_STANDBYS, room - 1)
  const shown = standbys.slice(0, standbyCount > most ? Math.max(0, most - 1) : most)
  if (shown.length) {
    const isWide = columns >= WIDE
    const rows = shown.map(({serverId, version, priority, since, seenAt}) => [
      `${span(now - seenAt.getTime())} ago`,
      `for ${span(now - since.getTime())}`,
      ...(isWide ? [String(priority), cut(printable(version ?? '-'), 16)] : []),
      printable(serverId),
    ])
    if (isWide) rows.unshift(['SEEN', 'STANDS BY', 'PRIORITY', 'VERSION', 'SERVER'])
    lines.push(...table(rows, columns, '  '))
  }
  if (shown.length < standbyCount) lines.push(`  and ${standbyCount - shown.length} more`)
  return lines
}

/**
 * @param {PrimaryInspection} seen
 * @param {number} columns
 * @param {number} now
 */
function changesOf({changes}, columns, now) {
  if (!changes.length) return []
  const isWide = columns >= WIDE
  const rows = changes.map(({at, type, reason, serverId}) => [
    isWide ? stamp(at) : `${span(now - at.getTime())} ago`,
    reason ? `${type} (${printable(reason)})` : type,
    printable(serverId),
  ])
  return ['changes', ...table(rows, columns, '  ')]
}

exports.report = report
