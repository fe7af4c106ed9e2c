const own = require('../jest.config.js')

/** @type {import('jest').Config} */
module.exports = {
  ...own,
  testMatch: ['<rootDir>/*.test.ts'],
  // What is tested is the installed package, in processes of its own.
  moduleNameMapper: {},
  // Compilers and bundlers: what waits here waits for the processor.
  maxWorkers: 2,
  testTimeout: 300_000,
}
