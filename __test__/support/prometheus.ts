import {execFile, execFileSync} from 'node:child_process'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

let known: boolean | undefined

/** Whether promtool is here, which `npm run setup` installs on Debian. Where it is not, this is said once. */
export function hasPromtool() {
  if (known === undefined) {
    try {
      execFileSync('promtool', ['--version'], {stdio: 'pipe'})
      known = true
    } catch {
      known = false
      console.warn('skipped: no promtool (Debian’s package prometheus) on the PATH')
    }
  }
  return known
}

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
