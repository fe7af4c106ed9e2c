import {execFile, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {guard} from '../../support/guard.mjs'
import {freePort} from '../../support/redis.mjs'
import {until} from '../../support/until'

const known = new Map<string, boolean>()

/** Whether a program is here that `npm run setup` installs on Debian. Where it is not, this is said once. */
function has(program: string) {
  let found = known.get(program)
  if (found === undefined) {
    try {
      execFileSync(program, ['--version'], {stdio: 'pipe'})
      found = true
    } catch {
      found = false
      console.warn(`skipped: no ${program} (Debian’s package prometheus) on the PATH`)
    }
    known.set(program, found)
  }
  return found
}

export const hasPromtool = () => has('promtool')
export const hasPrometheus = () => has('prometheus')

/** Runs promtool, and rejects with what it says where it finds something. */
export function promtool(args: string[], input = '', cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('promtool', args, {cwd}, (error, stdout, stderr) => {
      const said = stdout + stderr
      if (error) reject(new Error(`promtool ${args.join(' ')}: ${said}`))
      else resolve(said)
    })
    child.stdin?.end(input)
  })
}

/** Has promtool look at what a scrape brought. */
export async function checkMetrics(text: string) {
  const said = await promtool(['check', 'metrics'], text)
  if (said !== '') throw new Error(said)
}

/** An expression of the dashboard as Grafana fills it in. */
export const filledIn = (expression: string, interval = '1m') =>
  expression.replaceAll('$__rate_interval', interval).replace(/\$(election|instance)/g, '.*')

/** Has promtool parse expressions, as rules: each by itself. */
export async function checkExpressions(expressions: string[]) {
  const dir = await mkdtemp(join(tmpdir(), 'expressions-'))
  try {
    const rules = expressions.map((expr, at) => ({record: `checked:${at}`, expr}))
    // JSON is YAML.
    const file = JSON.stringify({groups: [{name: 'expressions', rules}]})
    await writeFile(join(dir, 'rules.yml'), file)
    return await promtool(['check', 'rules', '--lint-fatal', join(dir, 'rules.yml')])
  } finally {
    await rm(dir, {recursive: true})
  }
}

/** The samples of a scrape, by their names with their labels. */
export const samples = (text: string) =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ')
        return [line.slice(0, at), Number(line.slice(at + 1))] as const
      }),
  )

/** What Prometheus answers to a query: a vector of samples. */
export type Sample = {metric: Record<string, string>; value: [number, string]}

/** A Prometheus server that scrapes these ports every second. Its program comes with promtool. */
export async function startPrometheus(ports: number[], rules: string) {
  const dir = await mkdtemp(join(tmpdir(), 'prometheus-'))
  const port = await freePort()
  const targets = ports.map((scraped) => `127.0.0.1:${scraped}`)
  const config = {
    global: {scrape_interval: '1s', evaluation_interval: '1s'},
    rule_files: [rules],
    scrape_configs: [{job_name: 'servers', static_configs: [{targets}]}],
  }
  await writeFile(join(dir, 'config.yml'), JSON.stringify(config))
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(dir, 'config.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    {stdio: ['ignore', 'ignore', 'inherit']},
  )
  const gone = guard('kill -9 "$1"; rm -rf "$2"', String(child.pid), dir)
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const {status, error, data} = (await response.json()) as Record<string, unknown>
    if (status !== 'success') throw new Error(`${path}: ${error}`)
    return data
  }
  await until('Prometheus answers', () => get('query?query=1').catch(() => undefined))
  return {
    async query(expression: string) {
      const data = (await get(`query?query=${encodeURIComponent(expression)}`)) as {
        result: Sample[]
      }
      return data.result
    },
    /** The alerts, with what is wrong with each, if anything. */
    async rules() {
      type Rule = {name: string; health: string; lastError?: string; state: string}
      const {groups} = (await get('rules')) as {groups: {rules: Rule[]}[]}
      return groups.flatMap((group) => group.rules)
    },
    async stop() {
      gone.kill('SIGKILL')
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      await rm(dir, {recursive: true})
    },
  }
}
