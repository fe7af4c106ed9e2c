// The alerts, the dashboard and the page about them: that they name what there is, and say what they should.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {establishPrimaryServer, metrics, registerMetrics, withLease} from 'primary-lease'
import {Registry} from 'prom-client'
import {until} from '../support/until'
import {checkExpressions, filledIn, hasPromtool, promtool} from './support/prometheus'
import {newPrefix, TTL} from './support/redis'

const root = join(__dirname, '..')
const folder = join(root, 'docs/observability')
const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const alerts = read('alerts.yml')
const page = readFileSync(join(root, 'docs/observability.md'), 'utf8')
const runbook = readFileSync(join(root, 'docs/production.md'), 'utf8')

type Target = {refId: string; expr: string; datasource: {type: string; uid: string}}
type Panel = {
  id: number
  type: string
  title: string
  gridPos: {h: number; w: number; x: number; y: number}
  targets?: Target[]
}
type Variable = {name: string; type: string; definition?: string}
const dashboard: {
  title: string
  uid: string
  schemaVersion: number
  panels: Panel[]
  templating: {list: Variable[]}
} = JSON.parse(read('dashboard.json'))
const targets = dashboard.panels.flatMap(({targets = []}) => targets)
const queries = dashboard.templating.list.flatMap(({definition}) => definition ?? [])

// Without promtool it is among those that Jest says were skipped.
const checked = hasPromtool() ? test : test.skip

/** Where no server is, and no other test looks for one. */
const NOBODY = '127.0.0.9'

/** How many series there are of our election, of our connection, and besides. Others may be left in this process. */
const series = {election: 0, redis: 0, besides: 0}

/** What is exported, by its name, with the names of its labels. */
const exported = new Map<string, {type: string; labels: Set<string>}>()

beforeAll(async () => {
  const registry = new Registry()
  registerMetrics(registry)
  // So that there is one of everything.
  const source = {host: NOBODY, port: 1}
  const asked = withLease(source, newPrefix(), {acquireTimeout: 20}, () => {})
  await expect(asked).rejects.toMatchObject({code: 'ERR_STORE_UNAVAILABLE'})
  const prefix = newPrefix()
  const lease = await establishPrimaryServer('memory://observed', prefix, {ttl: TTL})
  await until('a renewal', () => metrics().elections[0]?.marginSeconds)
  for (const {name, type, values} of await registry.getMetricsAsJSON()) {
    const labels = new Set(values.flatMap(({labels}) => Object.keys(labels)))
    exported.set(name, {type: String(type), labels})
    const of = labels.has('election') ? 'election' : labels.has('redis') ? 'redis' : 'besides'
    const isOurs = (labels: {[label: string]: unknown}) =>
      of === 'besides' ||
      (of === 'election' ? labels.election === prefix : `${labels.redis}`.includes(NOBODY))
    series[of] += values.filter(({labels}) => isOurs(labels)).length
  }
  await lease?.release()
})

/** The metrics that an expression names, without what a histogram appends. */
const named = (expression: string) =>
  [...expression.matchAll(/primary_lease_\w+/g)].map(([name]) =>
    exported.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
  )

/** The labels that the expression selects or groups by, without those that Prometheus and its user add. */
const labelsIn = (expression: string) => {
  const selected = [...expression.matchAll(/(\w+)(?==~?"|!=")/g)].map(([label]) => label)
  const grouped = [...expression.matchAll(/(?:by|without|ignoring) \(([^)]*)\)/g)]
  const groups = grouped.flatMap(([, labels = '']) => labels.split(/, */))
  return [...selected, ...groups].filter((label) => label !== 'instance')
}

/** Each of an alert's lines, as they are written: two spaces further in than the group. */
const rules = alerts.split('      - alert: ').slice(1)
const expressionsOfAlerts = rules.map((rule) => {
  const [, inline, folded] = /expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)/.exec(rule) ?? []
  return (inline ?? folded ?? '').replace(/\s+/g, ' ').trim()
})

/** As GitHub makes it of a heading. */
const anchors = new Set(
  [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  ),
)

describe('the alerts', () => {
  test('name what is exported, with the labels that it has', () => {
    expect(expressionsOfAlerts.length).toBeGreaterThan(7)
    for (const expression of expressionsOfAlerts) {
      const names = named(expression)
      expect(names.length).toBeGreaterThan(0)
      const labels = new Set(names.flatMap((name) => [...(exported.get(name)?.labels ?? [])]))
      expect([expression, names.filter((name) => !exported.has(name))]).toEqual([expression, []])
      const unknown = labelsIn(expression).filter((label) => !labels.has(label))
      expect([expression, unknown]).toEqual([expression, []])
    }
  })

  test('each link to a part of the runbook that is there', () => {
    for (const rule of rules) {
      const [, anchor] =
        /runbook_url: https:\/\/github\.com\/primary-lease\/primary-lease\/blob\/main\/docs\/production\.md#(.*)$/m.exec(
          rule,
        ) ?? []
      expect([rule.split('\n')[0], anchors.has(String(anchor))]).toEqual([
        rule.split('\n')[0],
        true,
      ])
    }
  })

  checked('say what they should, as promtool sees it', async () => {
    expect(await promtool(['check', 'rules', '--lint-fatal', 'alerts.yml'], '', folder)).toContain(
      `${rules.length} rules found`,
    )
    expect(await promtool(['test', 'rules', 'alerts.test.yml'], '', folder)).toContain('SUCCESS')
    const tested = read('alerts.test.yml')
    for (const rule of rules) expect(tested).toContain(`alertname: ${rule.split('\n')[0]}\n`)
  })
})

describe('the dashboard', () => {
  test('is one that Grafana reads', () => {
    expect(dashboard).toMatchObject({
      title: expect.any(String),
      uid: expect.stringMatching(/^[\w-]{1,40}$/),
      schemaVersion: expect.any(Number),
    })
    const ids = dashboard.panels.map(({id}) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const taken = new Set<string>()
    for (const {title, type, gridPos, targets} of dashboard.panels) {
      expect(title).not.toBe('')
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.has(`${x} ${y}`)]).toEqual([title, false])
          taken.add(`${x} ${y}`)
        }
      }
      if (type === 'row') continue
      const refs = targets?.map(({refId}) => refId) ?? []
      expect(refs.length).toBeGreaterThan(0)
      expect(new Set(refs).size).toBe(refs.length)
    }
    for (const {datasource} of targets) {
      expect(datasource).toEqual({type: 'prometheus', uid: '$' + '{datasource}'})
    }
    const variables = new Set([
      '__rate_interval',
      ...dashboard.templating.list.map(({name}) => name),
    ])
    for (const {expr} of targets) {
      for (const [, name] of expr.matchAll(/\$(\w+)/g)) expect(variables).toContain(name)
    }
  })

  test('names what is exported, with the labels that it has', () => {
    for (const expression of [...targets.map(({expr}) => expr), ...queries]) {
      const names = named(expression)
      expect([expression, names.length > 0]).toEqual([expression, true])
      expect([expression, names.filter((name) => !exported.has(name))]).toEqual([expression, []])
      const labels = new Set(names.flatMap((name) => [...(exported.get(name)?.labels ?? [])]))
      const unknown = labelsIn(expression).filter((label) => !labels.has(label))
      expect([expression, unknown]).toEqual([expression, []])
    }
  })

  test('shows everything that is exported', () => {
    const shown = new Set(targets.flatMap(({expr}) => named(expr)))
    // The token is for the alerts.
    const left = [...exported.keys()].filter((name) => !shown.has(name))
    expect(left).toEqual(['primary_lease_token'])
  })

  checked('has queries that Prometheus parses', async () => {
    const said = await checkExpressions(targets.map(({expr}) => filledIn(expr)))
    expect(said).toContain(`${targets.length} rules found`)
    await expect(checkExpressions(['sum by (election (x)'])).rejects.toThrow('parse error')
  })
})

test('the page says how many series there are', () => {
  const [, ofElection, ofConnection, besides] =
    /(\d+) for each election and .*?, (\d+) for each connection,\s+and (\d+) more\./s.exec(page) ??
    []
  expect(series).toEqual({
    election: Number(ofElection),
    redis: Number(ofConnection),
    besides: Number(besides),
  })
})

test('the page has each metric, its type and its labels', () => {
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| `primary_lease_'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const listed = new Map(
    rows.map(([, name = '', type, labels = '']) => [
      name.replaceAll('`', ''),
      {type, labels: new Set(labels.match(/\w+/g) ?? [])},
    ]),
  )
  const has = [...exported].map(([name, {type, labels}]) => {
    return [name, {type, labels: new Set([...labels].filter((label) => label !== 'le'))}] as const
  })
  expect(listed).toEqual(new Map(has))
})
