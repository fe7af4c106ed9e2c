// Bundled by webpack 5 in the two modes of a server such as Parabol's.

import {cp, mkdtemp, readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {AppServer} from '../support/app-server'
import {RedisServer} from '../support/redis.mjs'
import {app, dir, output, platform} from './support/installed'

let redis: RedisServer

beforeAll(async () => {
  redis = await RedisServer.start()
})
afterEach(AppServer.killAll)
afterAll(() => redis?.close())

/** Bundles the app, and returns the warnings. */
async function bundle(noDeps: boolean) {
  const script = `
    const config = require('./webpack.config.cjs')({noDeps: ${noDeps}})
    require('webpack')(config, (error, stats) => {
      const {errors, warnings} = error ? {errors: [error]} : stats.toJson({all: false, errors: true, warnings: true})
      console.log(JSON.stringify({errors, warnings}))
    })`
  const {errors, warnings} = JSON.parse(await output(process.execPath, ['-e', script]))
  expect(errors).toEqual([])
  return JSON.stringify(warnings)
}

const start = (file: string, cwd: string) =>
  new AppServer(file, cwd, {
    REDIS_URL: redis.url,
    DATABASE_URL: `${redis.url}/1`,
    RESET_MS: '50',
  })

test('with externals, the bundle finds the package in node_modules', async () => {
  expect(await bundle(false)).toBe('[]')
  const embedder = start('bundled/externals/embedder.js', app)
  await embedder.tells('reset')
  expect(await embedder.end('SIGTERM')).toBe(0)
})

test('without node_modules, the bundle and the binary beside it hold an election', async () => {
  expect(await bundle(true)).not.toContain('primary-lease')
  const image = await mkdtemp(join(dir, 'image-'))
  await cp(join(app, 'bundled/noDeps'), image, {recursive: true})
  expect((await readdir(image, {recursive: true})).sort()).toEqual([
    'embedder.js',
    'node',
    'node/binaries',
    `node/binaries/primary-lease.${platform}.node`,
    'server.js',
  ])
  const embedder = start('embedder.js', image)
  await embedder.tells('reset')
  expect(await embedder.end('SIGTERM')).toBe(0)
  const server = start('server.js', image)
  await server.tells('ran')
  expect(await server.end('SIGTERM')).toBe(0)
})
