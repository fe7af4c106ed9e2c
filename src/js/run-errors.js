'use strict'

const {PrimaryLeaseError} = require('./errors.js')

/**
 * What a refusal or a loss is to a caller.
 *
 * @param {string} resource
 * @param {import('./run.js').Ending} ending
 */
function errorOf(resource, ending) {
  const name = JSON.stringify(resource)
  switch (ending.kind) {
    case 'held':
      return new PrimaryLeaseError(
        'ERR_LEASE_HELD',
        `the lease of ${name} is held by another, or was until just now`,
      )
    case 'ran':
      return new PrimaryLeaseError(
        'ERR_LEASE_HELD',
        `this tick of ${name} was run by another, or is being run`,
      )
    case 'unavailable':
      return new PrimaryLeaseError(
        'ERR_STORE_UNAVAILABLE',
        `could not get the lease of ${name}: ${ending.cause}`,
      )
    case 'denied':
      return new PrimaryLeaseError(
        'ERR_STORE_DENIED',
        `redis refuses this server: ${ending.cause.replace(/\.+$/, '')}`,
      )
    case 'lost':
      return lossOf(name, ending)
    case 'abandoned':
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} was abandoned`)
    default:
      return new PrimaryLeaseError('ERR_CLOSED', `the run of ${name} failed internally`)
  }
}

/**
 * @param {string} name
 * @param {import('./run.js').Ending & {kind: 'lost'}} ending
 */
function lossOf(name, {token, loss, result}) {
  const message =
    loss === 'overrun'
      ? `the run of ${name} under the lease ${token} took longer than maxRun`
      : `the lease ${token} of ${name} was lost: ${loss}`
  if (!result) return new PrimaryLeaseError('ERR_LEASE_LOST', message)
  const more = result.threw ? {cause: result.value} : {result: result.value}
  return new PrimaryLeaseError('ERR_LEASE_LOST', message, more)
}

exports.errorOf = errorOf
