// The command in a real terminal.

import {execFileSync} from 'node:child_process'
import {join} from 'node:path'
import {establishPrimaryServer} from 'primary-lease'
import {keyOf} from '../support/record.mjs'
import {findTmux, Terminal} from '../support/tmux.mjs'
import {until} from '../support/until'
import {micros, writeRecord, writeRoster} from './support/recorded'
import {newPrefix, useRedis} from './support/redis'

const hasTmux = execFileSync('sh', ['-c', 'command -v tmux || true']).length > 0
if (!hasTmux) console.warn('skipped: no tmux on the PATH; `npm run setup` installs it')
const inTerminal = hasTmux ? test : test.skip

const redis = useRedis()
const COMMAND = `${process.execPath} ${join(__dirname, '../src/js/command/main.js')}`
const ESCAPE = '\u001b'
const COLOUR = RegExp(`${ESCAPE}\\[3[123]m`)
const open: Terminal[] = []

async function terminal(size = {}, env = {}) {
  const opened = await Terminal.open({...size, env: {REDIS_URL: redis.url, CI: '', ...env}})
  open.push(opened)
  // What is typed before the shell reads is shown twice.
  await shown(opened, /^ready\$/)
  return opened
}

afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close()
})

/** Waits until a line of the screen is as said, and resolves with the whole. */
async function shown(at: Terminal, line: RegExp) {
  let last: string[] = []
  try {
    await until(`${line} is shown`, async () => {
      last = await at.screen()
      return last.some((one) => line.test(one))
    })
    return last
  } catch (error) {
    throw new Error(`${error}\n${last.join('\n')}`)
  }
}

/** A process whose arguments have this text, or nothing. */
const running = (text: string) =>
  execFileSync('sh', ['-c', 'ps -eo pid=,args= | grep -F -- "$0" | grep -v grep || true', text])
    .toString()
    .trim()

inTerminal('findTmux finds what the tests use', async () => {
  expect(await findTmux()).toBeDefined()
})

inTerminal.each([80, 40])(
  'inspect fits %i columns, whatever servers call themselves',
  async (columns) => {
    const prefix = newPrefix()
    const at = await micros(redis.client)
    const odd = [
      '\u001b[2J\u001b]0;owned\u0007',
      '漢字👍🏽'.repeat(50),
      'e\u0301\u202edrow',
      'x'.repeat(200),
    ]
    const log = odd.map((server) => `${at} 12 elected-silent ${server}`)
    await writeRecord(redis.client, prefix, {server: odd.join(''), log: log.join('\n')})
    await writeRoster(
      redis.client,
      prefix,
      odd.map((server) => [0, '1.0.0', server, 500]),
    )
    const window = await terminal({columns, rows: 60})
    await window.type(`${COMMAND} inspect ${prefix}; echo code $?`)
    const screen = await shown(window, /code \d$/)
    const from = screen.findIndex((line) => line.startsWith('election'))
    const lines = screen.slice(
      from,
      screen.findIndex((line) => /code \d$/.test(line)),
    )
    // A line that did not fit would begin a line of its own.
    const known = /^(election|primary|silent|token|since|renewed|deadline|standbys|changes| {2}\S)/
    for (const line of lines) expect(line).toMatch(known)
    expect(lines.join('\n')).toContain('\\x1b[2J')
    expect(await window.ask('pane_title')).not.toBe('owned')
  },
)

describe('watch', () => {
  inTerminal(
    'shows a primary with a bar, follows a change, and gives the terminal back',
    async () => {
      const election = await redis.vacant({ttl: 5_000, serverId: 'web-1'})
      const lease = await establishPrimaryServer(election.url, election.prefix, election.options)
      const window = await terminal({}, {NO_COLOR: '1'})
      await window.type(`${COMMAND} watch ${election.prefix}; echo code $?`)
      const screen = await shown(window, /^\[#+-*\] \d(\.\d)? s left/)
      expect(screen.join('\n')).toMatch(/primary +web-1\n/)
      expect(await window.ask('alternate_on')).toBe('1')
      expect(await window.ask('cursor_flag')).toBe('0')
      expect(await window.painted()).not.toMatch(COLOUR)

      await lease?.release()
      await shown(window, /^no primary/)
      await window.press('q')
      await shown(window, /code 0$/)
      expect(await window.ask('alternate_on')).toBe('0')
      expect(await window.ask('cursor_flag')).toBe('1')
      await window.type('echo as before')
      await shown(window, /^as before/)
    },
  )

  inTerminal('is drawn anew when the window is resized, and ends with Ctrl-C', async () => {
    const prefix = newPrefix()
    const at = await micros(redis.client)
    const log = Array.from({length: 10}, (_, n) => `${at - n} ${12 - n} elected-silent web-${n}`)
    await writeRecord(redis.client, prefix, {log: log.join('\n'), at: at + 600_000_000})
    await writeRoster(
      redis.client,
      prefix,
      Array.from({length: 30}, (_, n) => [n % 3, '1.2.3', `standby-${n}`, 100]),
    )
    const window = await terminal()
    await window.type(`${COMMAND} watch ${prefix}; echo code $?`)
    await shown(window, /^ {2}SEEN +STANDS BY +PRIORITY/)
    await window.resize(40, 24)
    let narrow: string[] = []
    await until('it is narrow', async () => {
      narrow = await window.screen()
      return !narrow.some((line) => line.includes('PRIORITY'))
    })
    expect(narrow.filter((line) => line !== '').length).toBeLessThanOrEqual(24)
    expect(narrow.join('\n')).toMatch(/and \d+ more/)
    expect(narrow.join('\n')).toMatch(/elected \(silent\)/)
    expect(narrow.some((line) => /^q ends it/.test(line))).toBe(true)
    // In colour, where nothing speaks against it.
    expect(await window.painted()).toMatch(COLOUR)
    await window.press('C-c')
    await shown(window, /code 0$/)
  })

  inTerminal('says that Redis is away, and goes on when it is back', async () => {
    const prefix = newPrefix()
    await writeRecord(redis.client, prefix)
    const window = await terminal()
    await window.type(`${COMMAND} watch ${prefix} --timeout 2000`)
    await shown(window, /^election +test/)
    await redis.server.stop()
    await shown(window, /^no answer for \d/)
    await redis.server.start()
    const screen = await shown(window, /^\[-+\] 0 s left/)
    expect(screen.join('\n')).not.toContain('no answer')
  })

  inTerminal('ends when its terminal goes away', async () => {
    const prefix = newPrefix()
    await writeRecord(redis.client, prefix)
    const window = await terminal()
    // Not in the group that a closing terminal tells.
    await window.type(`trap "" HUP; ${COMMAND} watch ${prefix}`)
    await shown(window, /^election +test/)
    expect(running(`watch ${prefix}`)).not.toBe('')
    await window.close()
    await until('it has ended', () => running(`watch ${prefix}`) === '')
  })
})

inTerminal('nothing of an election is changed by looks', async () => {
  const prefix = newPrefix()
  await writeRecord(redis.client, prefix)
  const before = await redis.client.hgetall(keyOf(prefix))
  const window = await terminal()
  await window.type(`${COMMAND} inspect ${prefix}; ${COMMAND} list; echo code $?`)
  await shown(window, /code 0$/)
  expect(await redis.client.hgetall(keyOf(prefix))).toEqual(before)
})
