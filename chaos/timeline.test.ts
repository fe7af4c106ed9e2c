// The page of a fault run, as a person would open it: in a browser.

import {statSync} from 'node:fs'
import {join} from 'node:path'
import {useBrowser} from '../support/pages'
import {draw} from '../support/timeline.mjs'
import {check} from './checker.mjs'
import {goodRecord, term} from './good-record'
import {pictureOf} from './picture.mjs'
import type {Line} from './record.mjs'

const {inBrowser, open, texts, complaints, requests, dir} = useBrowser()

const pageOf = (lines: Line[]) => {
  const ordered = [...lines].sort((a, b) => a.at - b.at)
  return draw(pictureOf(ordered, check(ordered)))
}

inBrowser(
  'a record is drawn with a lane per server, its terms, faults and hand-overs',
  async (page) => {
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

inBrowser('pointing at something tells what it is', async (page) => {
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

inBrowser('it can be zoomed by buttons, keys and the wheel', async (page) => {
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

inBrowser('a violation is said first, marked, and a click away', async (page) => {
  await open(pageOf([...goodRecord(), ...term('B', 350, 8000, 8100)]))
  expect((await texts('.verdict'))[0]).toMatch(/✗ 1 violation/)
  expect(await page.locator('#chart .violation').count()).toBeGreaterThan(0)
  await page.click('.promises .broken a >> nth=0')
  await page.waitForSelector('[aria-label="Who was primary from 5.5 s to 10.5 s"]')
})

inBrowser('on paper the whole run stands in strips', async (page) => {
  await open(pageOf(goodRecord()))
  await page.pdf({path: join(dir, 'page.pdf'), preferCSSPageSize: true})
  expect(await page.locator('#strips svg').count()).toBe(1)
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
