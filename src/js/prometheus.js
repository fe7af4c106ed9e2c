'use strict'

// The metrics as prom-client's registry wants them, whose classes are not needed for that: a registry asks each
// metric for its values when it is scraped.

const {invalid} = require('./errors.js')
const {DEFINITIONS, LABELS, shown} = require('./metric-definitions.js')
const {metrics} = require('./metrics.js')
const {describe, given, reading} = require('./options.js')

/** @typedef {import('../../index.js').Metrics} Metrics */
/** @typedef {import('../../index.js').MetricsHistogram} Histogram */
/** @typedef {import('./metric-definitions.js').Definition} Definition */
/** @typedef {import('./metric-definitions.js').Labels} Labels */
/** @typedef {{labels: Labels, value: number, metricName?: string}} Value */

/** A metric as a registry knows it. */
class Metric {
  #definition
  #snapshot
  #labels
  #isLabelled

  /**
   * @param {Definition} definition
   * @param {string} prefix
   * @param {Labels} labels
   * @param {() => Metrics} snapshot
   */
  constructor(definition, prefix, labels, snapshot) {
    this.#definition = definition
    this.#snapshot = snapshot
    this.#labels = labels
    this.#isLabelled = Object.keys(labels).length > 0
    // A registry of OpenMetrics writes another here.
    this.name = prefix + definition.name
    this.help = definition.help
    this.type = definition.type
    this.aggregator = definition.across ?? 'sum'
  }

  get() {
    const {name, help, type, aggregator} = this
    const read = this.#definition.read(this.#snapshot())
    const values = 'bounds' in read ? bucketsOf(name, read) : [...read].map(valueWith)
    if (this.#isLabelled) {
      for (const value of values) value.labels = {...this.#labels, ...value.labels}
    }
    return {name, help, type, aggregator, values}
  }

  /** What was counted is not ours to forget. */
  reset() {}
}

/**
 * @param {[Labels, number]} read
 * @returns {Value}
 */
const valueWith = ([labels, value]) => ({labels, value})

/**
 * @param {string} name
 * @param {Histogram} histogram
 * @returns {Value[]}
 */
function bucketsOf(name, {bounds, counts, sum, count}) {
  let upTo = 0
  const buckets = bounds.map((le, at) => {
    upTo += counts[at] ?? 0
    return {metricName: `${name}_bucket`, labels: {le}, value: upTo}
  })
  return [
    ...buckets,
    {metricName: `${name}_bucket`, labels: {le: '+Inf'}, value: count},
    {metricName: `${name}_sum`, labels: {}, value: sum},
    {metricName: `${name}_count`, labels: {}, value: count},
  ]
}

/** @type {typeof import('../../index.js').registerMetrics} */
function registerMetrics(registry, options) {
  const {prefix, labels} = reading(() => readOptions(registry, options))
  /** @type {Metrics | undefined} */
  let taken
  // A scrape asks all metrics in one turn: they are of one moment.
  const snapshot = () => {
    if (!taken) {
      taken = metrics()
      queueMicrotask(() => {
        taken = undefined
      })
    }
    return taken
  }
  const registered = DEFINITIONS.map((definition) => {
    return new Metric(definition, prefix, labels, snapshot)
  })
  const names = registered.map(({name}) => name)
  const known = names.find((name) => registry.getSingleMetric(name) !== undefined)
  if (known) {
    throw invalid(`registry has a metric ${known} already: give a prefix of another name`)
  }
  for (const metric of registered) registry.registerMetric(/** @type {never} */ (metric))
  return () => {
    for (const name of names) registry.removeSingleMetric(name)
  }
}

/**
 * @param {unknown} registry
 * @param {unknown} options
 */
function readOptions(registry, options) {
  for (const method of ['registerMetric', 'getSingleMetric', 'removeSingleMetric']) {
    if (typeof Object(registry)[method] !== 'function') {
      throw invalid(`registry must be one of prom-client, got ${describe(registry)}`)
    }
  }
  const read = given(options, ['prefix', 'labels'])
  const prefix = read.prefix ?? 'primary_lease_'
  if (typeof prefix !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]{0,99}$/.test(prefix)) {
    const got = typeof prefix === 'string' ? JSON.stringify(prefix.slice(0, 40)) : describe(prefix)
    throw invalid(
      `prefix must be the beginning of a name: letters, digits, _ and :, no digit first, got ${got}`,
    )
  }
  /** @type {Labels} */
  const labels = {}
  const asked = read.labels ?? {}
  if (typeof asked !== 'object' || Array.isArray(asked)) {
    throw invalid(`labels must be an object, got ${describe(asked)}`)
  }
  for (const [name, value] of Object.entries(asked)) {
    const shownName = JSON.stringify(name.slice(0, 40))
    if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/.test(name) || name.startsWith('__')) {
      throw invalid(`labels must have names of letters, digits and _, got ${shownName}`)
    }
    if (LABELS.includes(name)) throw invalid(`labels must not have ${shownName}, which is ours`)
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw invalid(`labels must be texts or numbers, got ${describe(value)} for ${shownName}`)
    }
    labels[name] = typeof value === 'string' ? shown(value) : value
  }
  return {prefix, labels}
}

exports.registerMetrics = registerMetrics
