'use strict'

const {countRun} = require('./counters.js')
const {watched} = require('./diagnostics.js')
const {callable, reading, text} = require('./options.js')
const {Run} = require('./run.js')
const {errorOf} = require('./run-errors.js')
const {isBounded, isOfTick, ofWithLease} = require('./run-options.js')
const {storeOf} = require('./source.js')

/** @type {typeof import('../../index.js').withLease} */
async function withLease(redis, resource, options, run) {
  const asked = reading(() => ask(redis, resource, options, run))
  const {signal} = asked
  if (signal?.aborted) throw signal.reason
  /** @type {Run | undefined} */
  let running
  const abandon = signal && (() => void running?.abandon('abandoned'))
  // Before anything is asked: it may throw.
  if (abandon) reading(() => signal.addEventListener('abort', abandon))
  const watch = watched(asked)
  running = new Run(asked)
  const ending = await running.live(watch ? watch.around(run) : run)
  countRun(ending)
  watch?.end(ending)
  if (abandon) signal.removeEventListener('abort', abandon)
  running.keep(false)
  if (ending.kind === 'returned') return /** @type {any} */ (ending.value)
  if (ending.kind === 'threw') throw ending.error
  if (ending.kind === 'abandoned' && signal?.aborted) throw signal.reason
  throw errorOf(running.resource, ending)
}

/**
 * @param {unknown} redis
 * @param {unknown} resource
 * @param {unknown} options
 * @param {Function} run
 */
function ask(redis, resource, options, run) {
  const name = text('resource', resource)
  const {list, signal} = ofWithLease(options)
  callable('run', run)
  return {
    resource: name,
    list,
    signal,
    bounded: isBounded(list),
    ofTick: isOfTick(list),
    store: storeOf(redis),
  }
}

exports.withLease = withLease
