// A server as PID 1, which is what it is in a container: the kernel ignores signals to PID 1 for which it has
// no handler. In namespaces of its own, as a container has them.

import {spawnSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {useApps} from './support/apps'

const UNSHARE = ['--pid', '--fork', '--mount-proc', '--kill-child']
const permitted = spawnSync('unshare', [...UNSHARE, 'true']).status === 0
/** Skipped where no namespace can be made: not root, not Linux. */
const inNamespace = permitted ? test : test.skip

/** A server that takes no notice of signals. */
const NO_HANDLER = `
  const {establishPrimaryServer, whilePrimary} = require('primary-lease')
  import('./work.mjs').then(({work}) => whilePrimary('app', work))
  establishPrimaryServer(process.env.REDIS_URL, 'app')
  setInterval(() => {}, 1000)
`
const place = useApps()

/** Starts a command as PID 1, with a way to signal it as `docker stop` does. */
function startAsInit(...command: string[]) {
  const server = place.start([...UNSHARE, ...command], {node: 'unshare'})
  const init = () => Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8'))
  return {server, stop: (signal: NodeJS.Signals) => process.kill(init(), signal)}
}

inNamespace.each([
  ['node', ['node', 'server.mjs']],
  ['exec in a shell', ['sh', '-c', 'exec node server.mjs']],
])('with the handler of the README SIGTERM releases at once: %s', async (_, command) => {
  const {server, stop} = startAsInit(...command)
  expect(await server.tells('primary')).toMatchObject({pid: 1})
  stop('SIGTERM')
  expect(await server.ended()).toBe(0)
  expect(await place.released('app')).toBe(true)
})

inNamespace.each([
  ['no handler', ['node', '-e', NO_HANDLER]],
  ['a shell as PID 1', ['sh', '-c', 'node server.mjs; echo ended']],
])('with %s SIGTERM is ignored until SIGKILL, and nothing is released', async (_, command) => {
  const {server, stop} = startAsInit(...command)
  await server.tells('primary')
  stop('SIGTERM')
  await place.renewed('app')
  stop('SIGKILL')
  await server.ended()
  expect(server.told('asked to stop')).toEqual([])
  expect(await place.released('app')).toBe(false)
})

inNamespace(
  'with `npm start` the server is killed at SIGTERM, and nothing is released',
  async () => {
    const {server, stop} = startAsInit('npm', 'start')
    await server.tells('primary')
    stop('SIGTERM')
    await server.ended()
    expect(server.told('stopped')).toEqual([])
    expect(await place.released('app')).toBe(false)
  },
)
