'use strict'

// What the package exports: index.d.ts says what it is.

const {addon} = require('./binary.js')
const {setLogger} = require('./core.js')
const {PrimaryLeaseError} = require('./errors.js')
const {
  establishPrimaryServer,
  onPrimaryChange,
  primaryStatus,
  resignPrimaryServer,
  whilePrimary,
} = require('./functions.js')
const {inspectPrimary} = require('./inspect.js')
const {LeaderRunner} = require('./leader-runner.js')
const {Lease} = require('./lease.js')
const {metrics} = require('./metrics.js')
const {PrimaryLease} = require('./primary-lease.js')
const {registerMetrics} = require('./prometheus.js')
const {runCoordinator} = require('./run-coordinator.js')
const {withLease} = require('./with-lease.js')

/** @type {typeof import('../../index.js')} */
module.exports = {
  LeaderRunner,
  Lease: /** @type {any} */ (Lease),
  PrimaryLease: /** @type {any} */ (PrimaryLease),
  PrimaryLeaseError,
  establishPrimaryServer,
  inspectPrimary,
  metrics,
  onPrimaryChange,
  postgresFence: addon.postgresFence,
  primaryStatus,
  registerMetrics,
  resignPrimaryServer,
  runCoordinator,
  setLogger,
  whilePrimary,
  withLease,
}
