// Real pm2, with a daemon of its own.

import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {guard} from '../support/guard.mjs'
import {until} from '../support/until'
import {apps, program, Told, useApps} from './support/apps'
import {ended} from './support/installed'

const PM2 = program('pm2/bin/pm2')
const place = useApps()
let home: string
let guarded: ReturnType<typeof guard>

beforeAll(async () => {
  // Short: the path of a socket has a limit.
  home = await mkdtemp(join(tmpdir(), 'pm2-'))
  // Its daemon outlives whoever has started it.
  guarded = guard('PM2_HOME="$1" "$2" "$3" kill; rm -rf "$1"', home, process.execPath, PM2)
})
afterAll(async () => {
  await pm2(['kill'])
  guarded.kill('SIGKILL')
  await rm(home, {recursive: true, force: true})
})

/** Runs pm2 with what its servers find in their environment, and resolves with what they tell. */
async function pm2(args: string[], {stopsIn = '0', prefix = 'app'} = {}) {
  const file = join(home, `told-${prefix}`)
  const env = {TOLD: file, STOPS_IN: stopsIn, PREFIX: prefix, REDIS_URL: place.url}
  const {status, output} = await ended(process.execPath, [PM2, ...args], {
    cwd: apps,
    env: {PM2_HOME: home, ...env},
  })
  expect({status, output}).toMatchObject({status: 0})
  return new Told(file)
}

test('in cluster mode one is primary, and drains at a reload and at a stop', async () => {
  const servers = await pm2(['start', 'ecosystem.config.cjs'], {stopsIn: '2500'})
  const first = await servers.tells('primary')
  await pm2(['reload', 'app'])
  await until('a server of the reload is primary', () =>
    servers.told('primary').some(({pid}) => pid !== first.pid),
  )
  expect(servers.told('stopped')).toContainEqual(expect.objectContaining({pid: first.pid}))
  await pm2(['stop', 'app'])
  expect(servers.told('stopped')).toHaveLength(servers.told('primary').length)
  expect(await place.released('app')).toBe(true)
})

test('its own kill_timeout of 1.6 s cuts a longer drain, and the lease is not released', async () => {
  const args = ['start', 'server.mjs', '--name', 'cut']
  const servers = await pm2(args, {stopsIn: '60000', prefix: 'cut'})
  await servers.tells('primary')
  await pm2(['stop', 'cut'])
  expect(servers.told().map(({event}) => event)).toEqual(['listens', 'primary', 'asked to stop'])
  expect(await place.released('cut')).toBe(false)
})
