'use strict'

// Passwords are rotated: where the server refuses the credentials of a source, what was given as the source
// is read again, as long as somebody has it.

const {addon} = require('./binary.js')
const {layer, readers} = require('./core.js')
const {calling} = require('./errors.js')

/** @typedef {import('./addon').RedisFields} RedisFields */

let last = 0

/** @type {FinalizationRegistry<number>} */
const given = new FinalizationRegistry((number) => readers.delete(number))

/**
 * Has a source read again whenever the server refuses what it said.
 *
 * @param {object} redis what was given as the source
 * @param {RedisFields} fields as they were read then
 * @param {(redis: object) => RedisFields} read
 */
function readAgainOnRefusal(redis, fields, read) {
  const number = ++last
  const source = new WeakRef(redis)
  readers.set(number, () => {
    const present = source.deref()
    if (present === undefined) return
    const {username, password} = read(present)
    addon.useCredentials(fields, username, password)
  })
  given.register(redis, number)
  calling(() => addon.readAgainOnRefusal(layer, number, fields))
}

exports.readAgainOnRefusal = readAgainOnRefusal
