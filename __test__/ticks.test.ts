// Five servers with a real scheduler each: late ones, ones that stand still, ones that are killed. Every
// tick of every job is run once, or its runner was killed in it.

import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {sleep, until} from '../support/until'
import {newPrefix, useRedis} from './support/redis'

const redis = useRedis()
/**
 * Longer than a server is frozen for, its latest start, the longest run and what a busy machine adds together: none
 * reaches into the next tick.
 */
const PERIOD = 6_000
const TICKS = 9
const NAMES = Array.from({length: 20}, (_, i) => `job ${i}`)
/** By how much each server is late at most with what is not its own share of the jobs. */
const LATE = [50, 75, 100, 250, 400]

type Entry = {pid: number; did: string; name?: string; tick?: number; why?: string}

test('every tick runs once, or its runner was killed in it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'primary-lease-ticks-'))
  const record = join(dir, 'record.jsonl')
  const prefix = newPrefix()
  const servers: ChildProcess[] = []
  const killed: {pid: number; at: number}[] = []
  const errors: string[] = []

  const entries = async (): Promise<Entry[]> => {
    const text = await readFile(record, 'utf8').catch(() => '')
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  const start = async (late: number, index: number) => {
    const own = NAMES.filter((_, job) => job % LATE.length === index)
    const given = {url: redis.url, prefix, names: NAMES, own, period: PERIOD, late, record}
    const script = join(__dirname, 'support/scheduler.mjs')
    const child = spawn(process.execPath, [script, JSON.stringify(given)])
    child.stderr.on('data', (text) => errors.push(String(text)))
    servers.push(child)
    const started = ({pid, did}: Entry) => pid === child.pid && did === 'start'
    await until('it has started', async () => (await entries()).some(started))
    return child
  }

  try {
    const fleet = await Promise.all(LATE.map(start))
    const first = Math.ceil(Date.now() / PERIOD) * PERIOD
    const last = first + (TICKS - 1) * PERIOD
    const runs = async (child: ChildProcess) => {
      const all = await entries()
      const done = new Set(all.filter(({did}) => did === 'end').map(keyOf))
      return all.some((e) => e.did === 'begin' && e.pid === child.pid && !done.has(keyOf(e)))
    }

    // A server is killed in the middle of a run and started again; others stand still in theirs.
    for (const [index, trouble] of ['SIGKILL', 'SIGUSR2', 'SIGSTOP', 'SIGKILL'].entries()) {
      await sleep(first + (2 * index + 1) * PERIOD - Date.now())
      const child = fleet[index] as ChildProcess
      await until('it runs a job', () => runs(child))
      child.kill(trouble as NodeJS.Signals)
      if (trouble === 'SIGSTOP') {
        // Longer than its leases last.
        await sleep(2_300)
        child.kill('SIGCONT')
      }
      if (trouble === 'SIGKILL') {
        killed.push({pid: Number(child.pid), at: Date.now()})
        fleet[index] = await start(Number(LATE[index]), index)
      }
    }
    await sleep(last + PERIOD - 500 - Date.now())
    for (const child of fleet) child.kill('SIGTERM')
    await Promise.all(fleet.map((child) => child.exitCode ?? once(child, 'exit')))

    const all = await entries()
    const ended = new Set(all.filter(({did}) => did === 'end').map(keyOf))
    const begun = new Map<string, Entry[]>()
    for (const entry of all.filter(({did}) => did === 'begin')) {
      begun.set(keyOf(entry), [...(begun.get(keyOf(entry)) ?? []), entry])
    }
    const told = (key: string) =>
      JSON.stringify(all.filter((entry) => keyOf(entry) === key).map(({did, why}) => [did, why]))
    const wrong: string[] = []
    let inKilled = 0
    for (let tick = first; tick <= last; tick += PERIOD) {
      for (const name of NAMES) {
        const key = keyOf({name, tick})
        const times = begun.get(key) ?? []
        const shown = `${key} ran ${times.length} times`
        if (times.length > 1) wrong.push(`${shown}: ${times.map(({pid}) => pid)}`)
        const byKilled = times.some(({pid}) => killed.some((one) => one.pid === pid))
        if (times.length === 1 && ended.has(key)) continue
        // Killed in the run, or between the grant and the run's first line: Redis remembers the grant.
        const granted = await redis.client.exists(`lease:{${prefix}:${name}}:tick:${tick}`)
        const near = killed.some(({at}) => at > tick - 100 && at < tick + PERIOD)
        if (byKilled || (times.length === 0 && granted && near)) inKilled++
        else if (times.length !== 1) wrong.push(`${shown}, nobody was killed in it: ${told(key)}`)
        else wrong.push(`${shown} and did not end`)
      }
    }
    console.log(`${TICKS * NAMES.length} ticks, ${inKilled} of them in a server that was killed`)
    expect(wrong).toEqual([])
    expect(inKilled).toBeGreaterThan(0)
    expect(all.filter(({did}) => did === 'unavailable' || did === 'failed')).toEqual([])
    // Lost leases are logged, and nothing else is.
    expect(errors.join('').replace(/primary-lease: (lost|a job ran on)[^}]*}\n/g, '')).toBe('')
  } finally {
    for (const child of servers) child.kill('SIGKILL')
    await rm(dir, {recursive: true, force: true})
  }
}, 180_000)

const keyOf = ({name, tick}: {name?: string; tick?: number}) => `${name} at ${tick}`
