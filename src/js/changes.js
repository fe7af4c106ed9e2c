'use strict'

/** @typedef {import('./addon').PlainChange} Change */
/** @typedef {import('./elections.js').Election} Election */

/**
 * A new object for every listener: none can spoil another's.
 *
 * @param {Election} election
 * @param {Change} change
 * @returns {import('../../index.js').PrimaryChange}
 */
function changeOf(election, {type, prefix, lease, token, reason, primary, cause}) {
  switch (type) {
    case 'elected':
      return /** @type {any} */ ({type, prefix, lease: lease && election.leaseOf(lease)})
    case 'lost':
      return /** @type {any} */ ({type, prefix, token, reason})
    case 'renewal-late':
    case 'renewed':
      return /** @type {any} */ ({type, prefix, token})
    case 'resigned':
      return /** @type {any} */ (
        token === undefined ? {type, prefix, reason} : {type, prefix, token, reason}
      )
    case 'primary-changed':
      return {type, prefix, primary}
    case 'unavailable':
      return /** @type {any} */ ({type, prefix, cause})
    default:
      return /** @type {any} */ ({type, prefix})
  }
}

exports.changeOf = changeOf
