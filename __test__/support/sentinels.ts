import {keyOf, now} from '../../support/record.mjs'
import type {RedisServer} from '../../support/redis.mjs'
import {type GroupOptions, SentinelGroup} from '../../support/sentinel.mjs'
import {until} from '../../support/until'
import {newPrefix} from './redis'
import {type Election, Server} from './servers'

const TTL = 2000

/**
 * A master with replicas and sentinels for each test that begins one, and what is measured on them,
 * printed after the last test.
 */
export function useSentinels() {
  const measured: string[] = []
  let group: SentinelGroup | undefined

  afterEach(async () => {
    await Server.killAll()
    await group?.close()
    group = undefined
  })
  afterAll(() => void process.stdout.write(`${measured.join('\n')}\n`))

  return {
    async begin(options?: GroupOptions) {
      const started = await SentinelGroup.start(options)
      group = started
      const election: Election = {url: started.url, prefix: newPrefix(), options: {ttl: TTL}}
      const record = async (server: RedisServer) => {
        const {token, seq} = await started.client(server).hgetall(keyOf(election.prefix))
        return {token: Number(token), seq: Number(seq)}
      }
      return {
        group: started,
        election,
        record,
        async primaryAndStandby() {
          const primary = await Server.stand(election)
          const {token} = await primary.change('elected')
          const standby = await Server.stand(election)
          return {primary, standby, servers: [primary, standby], token: Number(token)}
        },
        /** Waits until a primary has renewed on this server, with the token where one is given. */
        async renewed(server: RedisServer, token?: number) {
          const from = (await record(server)).seq || 0
          await until('renewals', async () => {
            const now = await record(server)
            return now.seq > from + 1 && (token === undefined || now.token === token)
          })
        },
        note(what: string, ms: number, rest = '') {
          const setting = `ttl ${TTL} ms, down-after ${started.downAfter} ms`
          measured.push(`Sentinel, ${setting}: ${what} ${Math.round(ms)} ms${rest}`)
        },
      }
    },
  }
}

/** The next election after a moment, wherever it is. */
export const electedAfter = (servers: Server[], at: number) =>
  until('the next primary', () => {
    const elected = servers.flatMap((server) => server.changes('elected'))
    return elected.find((line) => line.at > at)
  })

export {now}
