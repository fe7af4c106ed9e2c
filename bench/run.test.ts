// `npm run bench` as a user calls it.

import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type CommandError, run} from '../support/run.mjs'
import {ROWS} from './rows.mjs'

const out = mkdtempSync(join(tmpdir(), 'primary-lease-bench-'))
afterAll(() => rmSync(out, {recursive: true, force: true}))

const bench = (...options: string[]) =>
  run('node', ['bench/run.mjs', '--no-build', '--out', out, ...options])

test('one row of the bench is measured, and its table and its page are written', async () => {
  const said = await bench('--quick', '--row', 'cost')
  expect(said).toMatch(/The addon itself {2}\(--row cost\)\n {2}require +[\d.]+ ms/)
  const [text, page] = ['results.md', 'results.html'].map((name) =>
    readFileSync(join(out, name), 'utf8'),
  )
  expect(text).toMatch(/\| require \| [\d.]+ ms .*\| ≤ 20 ms \| (yes|no) \|/)
  expect(page).toMatch(/<td>≤ 20 ms<\/td>\s*<td class="(yes|no)">/)
})

test('a row that is not there is refused, with the names of those that are', async () => {
  const refused: CommandError = await bench('--row', 'nothing').catch((error) => error)
  expect(refused.output).toMatch(/there is no row nothing, but .*pairs/)
})

test('each row of the bench has a name of its own', () => {
  const names = ROWS.map(({name}) => name)
  expect(new Set(names).size).toBe(names.length)
})
