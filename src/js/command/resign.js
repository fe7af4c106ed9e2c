'use strict'

// `primary-lease resign`: asks the primary to resign.

const {addon} = require('../binary.js')
const {ofBinary} = require('../errors.js')
const {inspectPrimary} = require('../inspect.js')
const {readSource} = require('../source.js')
const {printable, span} = require('./text.js')

/** @typedef {import('./arguments.js').Call} Call */

/** From one look to the next, in ms. */
const PERIOD = 250

/**
 * @param {Call} call
 * @param {NodeJS.WriteStream} out
 * @returns {Promise<number>} the exit code
 */
async function resign(call, out) {
  const {state, primary} = await look(call)
  if (state !== 'primary') {
    out.write('there is no primary to ask\n')
    return 3
  }
  const {serverId, token, ttl} = primary
  // Bound to the term that was looked at: whoever is elected meanwhile is not meant.
  if (!(await ask(call, token))) {
    out.write('the primary has changed meanwhile, and was not asked\n')
    return 3
  }
  out.write(`asked ${printable(serverId)} (token ${token}) to resign with its next renewal\n`)
  return call.wait ? await change(call, out, token, ttl) : 0
}

/** @param {Call} call */
const look = ({redis, prefix, scope, timeout}) => inspectPrimary(redis, prefix, {scope, timeout})

/**
 * @param {Call} call
 * @param {number} token
 */
async function ask({redis, prefix, scope}, token) {
  try {
    const {asked} = await addon.requestResign(readSource(redis), prefix, scope, token)
    return asked
  } catch (error) {
    throw ofBinary(error)
  }
}

/**
 * Waits until another server is primary: longer than it takes where the primary goes on until its work has stopped.
 *
 * @param {Call} call
 * @param {NodeJS.WriteStream} out
 * @param {number} before the token of the term that was asked to end
 * @param {number} ttl
 */
async function change(call, out, before, ttl) {
  const patience = Math.max(30_000, 3 * ttl)
  const end = performance.now() + patience
  while (performance.now() < end) {
    const {state, primary} = await look(call)
    if (state === 'primary' && primary.token !== before) {
      out.write(`${printable(primary.serverId)} is primary (token ${primary.token})\n`)
      return 0
    }
    await new Promise((resolve) => setTimeout(resolve, PERIOD))
  }
  out.write(`no other primary within ${span(patience)}\n`)
  return 3
}

exports.resign = resign
