import {defineConfig} from 'vitest/config'

const {POOL} = process.env

export default defineConfig({
  test: {
    pool: POOL,
    include: ['*.vitest.mjs'],
    testTimeout: 60_000,
    fileParallelism: false,
    env: {POOL},
  },
})
