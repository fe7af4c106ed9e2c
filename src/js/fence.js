'use strict'

const {addon} = require('./binary.js')
const {invalid, leaseLost, ofBinary} = require('./errors.js')
const {describe, reading, text} = require('./options.js')

/**
 * A lease that asks a resource.
 *
 * @typedef {{owner: number, id: number, of: string, token: number, isHeld: boolean}} Asker
 */

/**
 * Asks a resource whether it has seen a newer token.
 *
 * @param {Asker} lease
 * @param {unknown} resource
 */
async function fence(lease, resource) {
  await ask(lease, text('resource', resource), undefined)
}

/**
 * The same, and applies a command.
 *
 * @param {Asker} lease
 * @param {unknown} resource
 * @param {unknown} args
 */
async function command(lease, resource, args) {
  return await ask(
    lease,
    text('resource', resource),
    reading(() => readCommand(args)),
  )
}

/**
 * @param {Asker} lease
 * @param {string} resource
 * @param {(string | Uint8Array)[] | undefined} command
 */
async function ask({owner, id, of, token, isHeld}, resource, command) {
  if (!isHeld) throw leaseLost(of, token)
  try {
    return await addon.fence(owner, id, of, resource, command)
  } catch (error) {
    throw ofBinary(error)
  }
}

/**
 * @param {unknown} args
 * @returns {(string | Uint8Array)[]}
 */
function readCommand(args) {
  if (!Array.isArray(args)) {
    throw invalid(`args must be an array of strings and Buffers, got ${describe(args)}`)
  }
  return args.map((argument, index) => {
    // Of whatever realm.
    const tag = Object.prototype.toString.call(argument)
    if (typeof argument === 'string' || tag === '[object Uint8Array]') return argument
    const got = ArrayBuffer.isView(argument) ? 'an array of another type' : describe(argument)
    throw invalid(`args[${index}] must be a string or a Buffer, got ${got}`)
  })
}

exports.command = command
exports.fence = fence
