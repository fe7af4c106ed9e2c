import {defineConfig} from 'vitest/config'

export default defineConfig({test: {pool: process.env.POOL, fileParallelism: false}})
