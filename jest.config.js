/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/{__test__,chaos,demo}/**/*.test.ts'],
  // Two cores' worth of work, but the tests mostly wait for leases to run out.
  maxWorkers: 3,
  testTimeout: 60_000,
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
