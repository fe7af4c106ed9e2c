// The page of a fault run, and the demo's, as a person would open them: in a browser.

import {mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Browser, chromium, type Page} from 'playwright-core'
import {check} from '../chaos/checker.mjs'
import {pictureOf} from '../chaos/picture.mjs'
import type {Line} from '../chaos/record.mjs'
import {draw} from '../chaos/timeline.mjs'
import {pictureOf as pictureOfDemo} from '../demo/picture.mjs'
import type {Entry} from '../demo/record.mjs'
import {findBrowser} from '../scripts/browser.mjs'
import {goodRecord, term} from './support/chaos-record'

const dir = mkdtempSync(join(tmpdir(), 'primary-lease-page-'))
let browser: Browser | undefined
let page: Page
const complaints: string[] = []
const requests: string[] = []

beforeAll(async () => {
  const executablePath = await findBrowser()
  if (!executablePath) return
  // Chromium does not sandbox what root starts; the page is our own.
  browser = await chromium.launch({executablePath, args: ['--no-sandbox']})
  page = await browser.newPage({viewport: {width: 1400, height: 900}})
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => requests.push(request.url()))
})

afterAll(async () => {
  await browser?.close()
  rmSync(dir, {recursive: true, force: true})
})

/** Skipped where no browser can be had, and says so. */
const inBrowser = (name: string, body: () => Promise<void>) =>
  test(name, async () => {
    if (!browser) return console.warn(`skipped, there is no Chromium or Chrome: ${name}`)
    await body()
  })

const pageOf = (lines: Line[]) => {
  const ordered = [...lines].sort((a, b) => a.at - b.at)
  return draw(pictureOf(ordered, check(ordered)))
}

async function open(html: string) {
  const file = join(dir, 'page.html')
  writeFileSync(file, html)
  complaints.length = 0
  requests.length = 0
  await page.goto(`file://${file}`)
  await page.waitForSelector('#chart svg .interval')
}

const texts = (selector: string) => page.locator(selector).allTextContents()

inBrowser(
  'a record is drawn with a lane per server, its terms, faults and hand-overs',
  async () => {
    await open(pageOf(goodRecord()))
    expect(await texts('#chart .lane')).toEqual(['A', 'B', 'C', 'Redis'])
    expect(await texts('#chart .interval .label')).toEqual(['#1', '#2', '#3', '#4'])
    expect(await texts('#chart .mark .fault')).toEqual(['kill', 'freeze', 'restart'])
    expect(await texts('#chart .handover')).toEqual(['1,049 ms', '1,000 ms', '2,999 ms'])
    expect(await page.locator('#chart .frozen-bar').count()).toBe(1)
    expect(await texts('.verdict')).toEqual(['✓ No violation'])
    const shot = join(dir, 'page.png')
    await page.screenshot({path: shot, fullPage: true})
    expect(statSync(shot).size).toBeGreaterThan(20_000)
    expect(complaints).toEqual([])
    // Self-contained: nothing but the page itself, and its empty icon.
    expect(requests.filter((url) => !/^(file|data):/.test(url))).toEqual([])
  },
)

inBrowser('pointing at something tells what it is', async () => {
  await open(pageOf(goodRecord()))
  const details = page.locator('#details')
  expect(await details.isHidden()).toBe(true)
  await page.locator('#chart .interval').first().hover()
  expect(await details.textContent()).toMatch(/A is primary, term #1\ntoken 100\nfor 1,900 ms/)
  await page.locator('#chart .mark circle').last().hover()
  expect(await details.textContent()).toMatch(/Redis\nrestart: killed, and restarted/)
  await page.locator('h1').hover()
  expect(await details.isHidden()).toBe(true)
})

inBrowser('it can be zoomed by buttons, keys and the wheel', async () => {
  await open(pageOf(goodRecord()))
  const shown = () => page.locator('#chart svg').getAttribute('aria-label')
  const whole = 'Who was primary from 0.0 s to 14.0 s'
  expect(await shown()).toBe(whole)
  await page.click('[data-do="in"]')
  await expect(changed(shown, whole)).resolves.toBe('Who was primary from 2.8 s to 11.2 s')
  await page.keyboard.press('0')
  await expect(changed(shown, 'Who was primary from 2.8 s to 11.2 s')).resolves.toBe(whole)
  await page.locator('#chart').hover()
  await page.mouse.wheel(0, -300)
  expect(await changed(shown, whole)).not.toBe(whole)
})

inBrowser('a violation is said first, marked, and a click away', async () => {
  await open(pageOf([...goodRecord(), ...term('B', 350, 8000, 8100)]))
  expect((await texts('.verdict'))[0]).toMatch(/✗ 1 violation/)
  expect(await page.locator('#chart .violation').count()).toBeGreaterThan(0)
  await page.click('.promises .broken a >> nth=0')
  await page.waitForSelector('[aria-label="Who was primary from 5.5 s to 10.5 s"]')
})

inBrowser('on paper the whole run stands in strips', async () => {
  await open(pageOf(goodRecord()))
  await page.pdf({path: join(dir, 'page.pdf'), preferCSSPageSize: true})
  expect(await page.locator('#strips svg').count()).toBe(1)
})

inBrowser("the demo's page shows its record", async () => {
  const entries: Entry[] = [
    {at: 0, server: 'A', type: 'started'},
    {at: 0, server: 'B', type: 'started'},
    {at: 2100, server: 'A', type: 'elected', token: 100},
    {at: 5000, server: 'A', type: 'held', token: 100},
    {at: 5001, server: 'A', type: 'departed', how: 'exit'},
    {at: 5004, server: 'B', type: 'elected', token: 200},
    {at: 6000, server: 'B', type: 'began', trial: 'block'},
    {at: 12_000, server: 'B', type: 'over', trial: 'block'},
    {at: 12_100, server: 'Redis', type: 'began', trial: 'flush'},
    {at: 15_100, server: 'Redis', type: 'over', trial: 'flush'},
    {at: 15_101, server: 'B', type: 'held', token: 200},
  ]
  await open(draw(pictureOfDemo({ttl: 2000, entries}, ['A', 'B'])))
  expect(await texts('#chart .lane')).toEqual(['A', 'B', 'Redis'])
  expect(await texts('#chart .interval .label')).toEqual(['#1', '#2'])
  expect(await texts('#chart .mark .fault')).toEqual(['exit', 'block', 'flush'])
  expect(await texts('#chart .handover')).toEqual(['4.0 ms'])
  expect(complaints).toEqual([])
})

/** What a question's answer becomes once it is another. */
async function changed<T>(ask: () => Promise<T>, from: T) {
  for (let tries = 0; tries < 500; tries++) {
    const answer = await ask()
    if (answer !== from) return answer
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return from
}
