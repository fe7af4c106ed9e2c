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
  const said = await bench('--quick', '--row', 'stall')
  expect(said).toMatch(
    /An event loop that stands still {2}\(--row stall\)\n {2}survived, in ttl +10/,
  )
  const [text, page] = ['results.md', 'results.html'].map((name) =>
    readFileSync(join(out, name), 'utf8'),
  )
  expect(text).toMatch(/\| survived, in ttl.*\| 10 \|.*\| ≥ 10 \| yes \|/)
  expect(page).toMatch(/<td>≥ 10<\/td>\s*<td class="yes">yes<\/td>/)
})

test('a row that is not there is refused, with the names of those that are', async () => {
  const refused: CommandError = await bench('--row', 'nothing').catch((error) => error)
  expect(refused.output).toMatch(/there is no row nothing, but .*pairs/)
})

test('each row of the bench has a name of its own', () => {
  const names = ROWS.map(({name}) => name)
  expect(new Set(names).size).toBe(names.length)
})
