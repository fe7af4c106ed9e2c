'use strict'

// How versions rank: as semantic versions do (https://semver.org, 11).

const {invalid} = require('./errors.js')

/** That of https://semver.org, without names. */
const VERSION =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/
const LONGEST = 64

/**
 * A text whose bytes sort as versions rank ("Ranks" in docs/protocol.md): the scripts and the rules compare it, and
 * need to know nothing of versions.
 *
 * @param {string} version
 */
function versionOrder(version) {
  const parts = version.length <= LONGEST && VERSION.exec(version)
  if (!parts) {
    const shown = JSON.stringify(version.slice(0, 40))
    throw invalid(
      `version must be a semantic version of at most ${LONGEST} characters, like 1.4.0 or 2.0.0-rc.1, got ${shown}`,
    )
  }
  const [, major, minor, patch, preRelease] = parts
  const numbers = [major, minor, patch].map(sorting).join('')
  return numbers + (preRelease === undefined ? '~' : preRelease.split('.').map(identifier).join(''))
}

/** @param {string} [digits] */
const sorting = (digits = '') => `${String(digits.length).padStart(2, '0')}${digits}`

/**
 * Numbers rank below words, and whoever has fewer identifiers below who has more.
 *
 * @param {string} text
 */
const identifier = (text) => (/^\d+$/.test(text) ? `0${sorting(text)}` : `1${text}!`)

exports.versionOrder = versionOrder
