/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/{__test__,bench,chaos,demo,scripts}/**/*.test.ts'],
  // Two cores' worth of work, but the tests mostly wait for leases to run out.
  maxWorkers: 4,
  // Of the tests that one file runs side by side, each of which waits nearly all of its time.
  maxConcurrency: 8,
  // For what never ends: a busy machine may take its time.
  testTimeout: 180_000,
  moduleNameMapper: {'^primary-lease$': '<rootDir>/index.js'},
  // The package that was packed there has our name.
  modulePathIgnorePatterns: ['<rootDir>/target/'],
  transform: {
    // `.mjs` too: the tests share helpers with the scripts and the demo, which Node runs as they are.
    '\\.(ts|mjs)$': [
      '@swc/jest',
      {
        // Decorators as NestJS has them.
        jsc: {
          target: 'es2022',
          parser: {syntax: 'typescript', decorators: true},
          transform: {legacyDecorator: true},
        },
        module: {type: 'commonjs'},
      },
    ],
  },
}
