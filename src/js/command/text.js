'use strict'

// Text on a terminal: what others wrote never reaches it as a command, and columns stay columns.

/** What a terminal obeys or does not show: controls, marks of direction, joiners, separators, and halves of pairs. */
const ODD = /[\p{C}\p{Zl}\p{Zp}]/gu

/** More marks on one letter than any language has. */
const HEAPED = /(\p{M}{4})\p{M}+/gu

/** Two columns wide: East Asian scripts, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u
const MARK = /^\p{M}$/u

/**
 * Somebody else's text as it can be shown.
 *
 * @param {string} text
 */
const printable = (text) => text.replace(ODD, escapeOf).replace(HEAPED, '$1')

/** @param {string} c */
function escapeOf(c) {
  const code = /** @type {number} */ (c.codePointAt(0))
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/**
 * The same in JSON, whose own escapes spare what only some terminals obey.
 *
 * @param {unknown} value
 */
const json = (value) =>
  JSON.stringify(value, null, 2).replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu, unitsOf)

/** @param {string} c */
const unitsOf = (c) =>
  c
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

/** @param {string} c a code point */
function widthOf(c) {
  if (MARK.test(c)) return 0
  return WIDE.test(c) ? 2 : 1
}

/**
 * How many columns printable text takes.
 *
 * @param {string} text
 */
const width = (text) => [...text].reduce((sum, c) => sum + widthOf(c), 0)

/**
 * Cut to so many columns, with `…` where something is missing.
 *
 * @param {string} text
 * @param {number} columns
 */
function cut(text, columns) {
  if (width(text) <= columns) return text
  let [kept, used] = ['', 0]
  for (const c of text) {
    used += widthOf(c)
    if (used > columns - 1) break
    kept += c
  }
  return columns > 0 ? `${kept}…` : ''
}

/**
 * Rows of cells as lines: each column but the last as wide as its widest cell, the last as long as the line lets it be.
 *
 * @param {string[][]} rows
 * @param {number} columns of the line
 * @param {string} [indent]
 */
function table(rows, columns, indent = '') {
  const widths = (rows[0] ?? []).map((_, at) =>
    rows.reduce((most, row) => Math.max(most, width(row[at] ?? '')), 0),
  )
  return rows.map((row) => {
    const cells = row.map((cell, at) =>
      at === row.length - 1 ? cell : cell + ' '.repeat((widths[at] ?? 0) - width(cell)),
    )
    return cut(indent + cells.join('  '), columns).trimEnd()
  })
}

/**
 * A time that has passed or is to come, as people say it: `0.8 s`, `5 s`, `3 min`, `2 h`, `5 d`.
 *
 * @param {number} ms
 */
function span(ms) {
  const seconds = Math.max(0, ms) / 1_000
  if (seconds < 9.95) return `${seconds.toFixed(1).replace('.0', '')} s`
  if (seconds < 100) return `${Math.round(seconds)} s`
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/**
 * `2026-11-25 14:01:02`, in UTC as the logs of servers are.
 *
 * @param {Date} date
 */
function stamp(date) {
  const iso = Number.isNaN(date.getTime()) ? '?' : date.toISOString()
  return iso.replace('T', ' ').replace(/\.\d+Z$/, '')
}

exports.cut = cut
exports.json = json
exports.printable = printable
exports.span = span
exports.stamp = stamp
exports.table = table
exports.width = width
