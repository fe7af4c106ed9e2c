'use strict'

// What is told to tools that watch a process from outside of its code. Nothing is made where nobody listens.

const {channel} = require('node:diagnostics_channel')
const {wordsOf} = require('./run-outcome.js')

const changes = channel('primary-lease:change')
const runs = channel('primary-lease:run')

/** A run that somebody watches. */
class WatchedRun {
  #asked
  #askedAt = Date.now()
  /** @type {number | undefined} */
  #beganAt

  /** @param {{prefix?: string, resource: string}} asked */
  constructor(asked) {
    this.#asked = asked
  }

  /**
   * Its work, which tells when it begins.
   *
   * @template {unknown[]} A
   * @param {(...args: A) => unknown} work
   * @returns {(...args: A) => unknown}
   */
  around(work) {
    return (...args) => {
      this.#beganAt = Date.now()
      return work(...args)
    }
  }

  /**
   * It has ended, or will never begin.
   *
   * @param {import('./run.js').Ending} ending
   */
  end(ending) {
    if (!runs.hasSubscribers) return
    const {prefix, resource} = this.#asked
    const times = {askedAt: this.#askedAt, beganAt: this.#beganAt, endedAt: Date.now()}
    runs.publish({prefix, resource, ...times, ...wordsOf(ending)})
  }
}

/**
 * To be called before the run is asked for.
 *
 * @param {{prefix?: string, resource: string}} asked
 */
const watched = (asked) => (runs.hasSubscribers ? new WatchedRun(asked) : undefined)

exports.changes = changes
exports.watched = watched
