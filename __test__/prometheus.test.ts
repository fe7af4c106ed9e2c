// Prometheus itself: what it makes of the scrapes, of the queries of the dashboard and of the alerts.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {until} from '../support/until'
import {filledIn, hasPrometheus, startPrometheus} from './support/prometheus'
import {TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

const redis = useRedis()
const folder = join(__dirname, '../docs/observability')

type Panel = {title: string; targets?: {expr: string}[]}
const {panels}: {panels: Panel[]} = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8'))
const expressions = panels.flatMap(({targets = []}) => targets.map(({expr}) => expr))

/** A name that is hard on whoever writes it into a text without care. */
const HOSTILE = `${'"} 1 \\n\\\\'.repeat(10)}${'𐍈'.repeat(60)}`

// One that cannot be had here is among those that Jest says were skipped.
const here = hasPrometheus() ? test : test.skip

here(
  'each query of the dashboard has an answer, each alert works, and names come as they are',
  async () => {
    const {url, prefix, options} = await redis.vacant({ttl: TTL})
    const election = {url, prefix: `${prefix} "\\`, options: {...options, eagerStart: true}}
    const servers: Server[] = []
    const ports: number[] = []
    for (const serverId of [HOSTILE, 'two']) {
      const server = await Server.stand({...election, options: {...election.options, serverId}})
      servers.push(server)
      ports.push(Number(await server.call('serveMetrics')))
    }
    const prometheus = await startPrometheus(ports, join(folder, 'alerts.yml'))
    try {
      const value = async (expression: string) => {
        const [sample] = await prometheus.query(expression)
        return sample && Number(sample.value[1])
      }
      await until('both are scraped', async () => (await value('sum(up)')) === 2)
      await until('a primary', async () => (await value('sum(primary_lease_is_primary)')) === 1)
      const info = await until('who is primary', async () => {
        const all = await prometheus.query('primary_lease_primary_info')
        return all.length === 2 ? all : undefined
      })
      for (const {metric} of info) {
        expect(metric).toMatchObject({election: election.prefix, server_id: HOSTILE})
      }
      // Something of everything: runs, a failure, a lost connection, another primary.
      await servers[1]?.call('crowd', election.url, 20, 5_000)
      redis.server.freeze()
      await servers[1]?.call('crowd', election.url, 20, 500)
      redis.server.thaw()
      await until('all that happened is scraped', async () => {
        const failures = await value('sum(primary_lease_runs_total{outcome="unavailable"})')
        return Number(failures) >= 20 && (await value('sum(primary_lease_is_primary)')) === 1
      })
      await servers[0]?.call('release')
      await until('the other is primary', async () => {
        const [sample] = await prometheus.query('primary_lease_is_primary == 1')
        return sample?.metric.instance?.endsWith(String(ports[1]))
      })
      const empty: string[] = []
      for (const expression of expressions) {
        const result = await prometheus.query(filledIn(expression, '1m'))
        if (result.length === 0) empty.push(expression)
      }
      expect(empty).toEqual([])
      const rules = await until('each alert was looked at', async () => {
        const all = await prometheus.rules()
        const isDone = all.every(({health}) => health !== 'unknown')
        const firing = all.some(({state}) => state === 'firing')
        return isDone && firing ? all : undefined
      })
      expect(rules.map(({health, lastError = ''}) => `${health}${lastError}`)).toEqual(
        rules.map(() => 'ok'),
      )
      const firing = rules.filter(({state}) => state === 'firing').map(({name}) => name)
      expect(firing).toContain('PrimaryLeaseRunsUnavailable')
      expect(firing).not.toContain('PrimaryLeaseNoPrimary')
      expect(firing).not.toContain('PrimaryLeaseTwoPrimaries')
    } finally {
      await prometheus.stop()
    }
  },
)
