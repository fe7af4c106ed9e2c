'use strict'

const {AsyncResource} = require('node:async_hooks')

/**
 * The present asynchronous context, in which functions are called later.
 *
 * @returns {<A extends unknown[], R>(call: (...args: A) => R, ...args: A) => R}
 */
function context() {
  // So called, it is not among what holds a test runner open.
  const resource = new AsyncResource('PROMISE')
  return (call, ...args) => resource.runInAsyncScope(call, undefined, ...args)
}

exports.context = context
