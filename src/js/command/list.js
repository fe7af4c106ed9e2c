'use strict'

// `primary-lease list`: all elections and leases of runs.

const {addon} = require('../binary.js')
const {ofBinary} = require('../errors.js')
const {Texts, recordOf} = require('../inspect.js')
const {readSource} = require('../source.js')
const {cut, json, printable, span, table} = require('./text.js')

/**
 * @typedef {{kind: 'election' | 'lease', prefix?: string, scope?: string, resource?: string, state: string, token?: number, serverId?: string, since?: Date, left?: number, why?: string}} Listed
 */

/** For so long nobody wonders whether it goes on. */
const QUIET = 2_000

/**
 * @param {import('./arguments.js').Call} call
 * @param {NodeJS.WriteStream} out
 * @param {number} columns
 * @returns {Promise<number>}
 */
async function list(call, out, columns) {
  const found = await findAll(call)
  const listed = [...found.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))
  if (call.json) out.write(`${json(listed)}\n`)
  else out.write(listed.length ? `${tableOf(listed, columns).join('\n')}\n` : 'nothing found\n')
  return listed.length ? 0 : 3
}

/** @param {Listed} listed */
const order = ({kind, prefix, scope, resource}) => JSON.stringify([kind, prefix, scope, resource])

/** @param {import('./arguments.js').Call} call */
async function findAll({redis, timeout}) {
  const source = readSource(redis)
  const progress = new Progress(process.stderr)
  /** @type {Map<string, Listed>} */
  const found = new Map()
  let [cursor, looked] = ['0', 0]
  try {
    do {
      const seen = new Texts(await addon.list(source, cursor, timeout))
      const micros = seen.number()
      cursor = seen.next()
      looked += seen.number()
      while (!seen.isAtEnd) {
        const listed = listedOf(seen, micros)
        // SCAN may find a key twice.
        found.set(order(listed), listed)
      }
      progress.show(`about ${looked} keys looked at, ${found.size} found`)
    } while (cursor !== '0')
  } catch (error) {
    throw ofBinary(error)
  } finally {
    progress.end()
  }
  return found
}

/**
 * @param {Texts} seen
 * @param {number} micros
 * @returns {Listed}
 */
function listedOf(seen, micros) {
  const kind = /** @type {Listed['kind']} */ (seen.next())
  const of = {kind, ...(kind === 'election' ? electionOf(seen.next()) : leaseOf(seen.next()))}
  if (seen.coming === 'odd') return {...of, state: seen.next(), why: seen.next()}
  if (kind === 'lease') {
    const [state, token, left] = [seen.next(), seen.number(), seen.next()]
    return {...of, state, token, ...(left === '' ? {} : {left: Number(left)})}
  }
  const {state, primary} = recordOf(seen, micros)
  if (!primary) return {...of, state}
  const {serverId, token, since} = primary
  return {...of, state, token, serverId, since}
}

/**
 * What callers gave, of the name that Redis has ("The record" in docs/protocol.md).
 *
 * @param {string} name
 */
function electionOf(name) {
  const [prefix = '', scope] = name.split(':').map(given)
  return scope === undefined ? {prefix} : {prefix, scope}
}

/**
 * As `Lease.resource` has it.
 *
 * @param {string} name
 */
const leaseOf = (name) => ({resource: name.includes(':') ? name : given(name)})

/** @param {string} part */
const given = (part) => part.replaceAll('%3A', ':').replaceAll('%25', '%')

/**
 * @param {Listed[]} listed
 * @param {number} columns
 */
function tableOf(listed, columns) {
  const now = Date.now()
  const rows = listed.map(({serverId, since, left, why, ...of}) => {
    const age = since ? `for ${span(now - since.getTime())}` : left === undefined ? '' : span(left)
    // Names lose their end before the server does.
    const most = columns === Number.POSITIVE_INFINITY ? columns : Math.floor((columns - 30) * 0.6)
    const scope = of.scope === undefined ? '' : ` scope ${of.scope}`
    const name = printable((of.prefix ?? of.resource ?? '') + scope)
    return [of.kind, of.state, age, cut(name, most), printable(serverId ?? why ?? '')]
  })
  return table([['KIND', 'STATE', 'TIME', 'NAME', 'SERVER'], ...rows], columns)
}

/** How far it is, on stderr, where it takes long. */
class Progress {
  #shown = false

  /**
   * @param {{isTTY: boolean, write(text: string): unknown}} out
   * @param {() => number} [now] in ms
   */
  constructor(out, now = () => performance.now()) {
    this.out = out
    this.now = now
    this.begun = now()
  }

  /** @param {string} text */
  show(text) {
    if (this.now() - this.begun < QUIET) return
    // Into a file one line is enough.
    if (this.out.isTTY) this.out.write(`\r\x1b[K${text}`)
    else if (!this.#shown) this.out.write(`${text}, and it goes on\n`)
    this.#shown = true
  }

  end() {
    if (this.#shown && this.out.isTTY) this.out.write('\r\x1b[K')
  }
}

exports.Progress = Progress
exports.list = list
