'use strict'

const {addon} = require('./binary.js')
const {Arguments} = require('./arguments.js')
const {keepAlive} = require('./core.js')
const {leaseLost, ofBinary} = require('./errors.js')
const {reading, text} = require('./options.js')

/**
 * A lease that asks.
 *
 * @typedef {{owner: number, id: number, of: string, token: number, isHeld: () => boolean}} Asker
 */

/**
 * Resolves when all that was asked before has been sent; undefined where it has.
 *
 * @type {Promise<void> | undefined}
 */
let sent

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
  const name = text('resource', resource)
  return await ask(
    lease,
    name,
    reading(() => new Arguments(args)),
  )
}

/**
 * What is asked for is sent in the order of the calls, though a large command takes some turns of the event loop to
 * be copied.
 *
 * @param {Asker} lease
 * @param {string} resource
 * @param {Arguments | undefined} args
 */
async function ask(lease, resource, args) {
  if (!lease.isHeld()) throw leaseLost(lease.of, lease.token)
  try {
    if (sent || args?.isLarge) await queue(args)
    const {owner, id, of} = lease
    if (!lease.isHeld()) throw leaseLost(of, lease.token)
    return await (args?.isLarge
      ? addon.fenceWith(owner, id, of, resource, args.copied)
      : addon.fence(owner, id, of, resource, args?.parts))
  } catch (error) {
    throw ofBinary(error)
  }
}

/**
 * Waits until it is the turn of this call, whose arguments are copied by then. Those behind it wait for that
 * too, however it ends.
 *
 * @param {Arguments | undefined} args
 */
function queue(args) {
  const before = sent
  keepAlive(true)
  const ready = (async () => {
    await before
    if (args?.isLarge) await args.copy()
  })()
  const done = () => {
    keepAlive(false)
    if (sent === mine) sent = undefined
  }
  // Behind a caller that waits for `ready`, who sends before anybody else.
  const mine = ready.then(
    () => Promise.resolve().then(done),
    () => Promise.resolve().then(done),
  )
  sent = mine
  return ready
}

exports.command = command
exports.fence = fence
