// What `npm run bench` makes of its figures: the page as a person would open it, in a browser, and the tables.

import {statSync} from 'node:fs'
import {join} from 'node:path'
import type {Page} from 'playwright-core'
import {useBrowser} from '../support/pages'
import {figureOf, goal, ratioOf} from './figures.mjs'
import {page as draw} from './page.mjs'
import {markdown, type Report, terminalTable} from './table.mjs'

const browser = useBrowser()
const {inBrowser} = browser

const ratio = ratioOf([130, 120, 110], [100, 100, 100])
const REPORT: Report = {
  facts: ['2 x a processor <of this test>; load before it began: 0.1'],
  results: [
    {
      name: 'pairs',
      title: 'Runs, 32 at once',
      outcome: {
        measures: [
          {
            what: 'pairs/s, release confirmed',
            unit: '',
            digits: 0,
            ours: figureOf([13_000, 12_000, 11_000]),
            peers: [
              {name: 'redis-semaphore', figure: figureOf([10_000, 10_000, 10_000])},
              {name: 'redlock', figure: figureOf([7_000, 7_100, 6_900])},
            ],
            ratio,
            ratioTo: 'redis-semaphore',
            goal: goal({least: 1.2, times: true}, ratio),
          },
          {
            what: 'pairs/s, release sent',
            unit: '',
            digits: 0,
            ours: 'not there',
            peers: [{name: 'redis-semaphore', figure: figureOf([10_000])}],
            goal: goal({least: 1.4, times: true}, 'not there'),
          },
        ],
        plots: [
          {
            title: 'Runs a second over how many at once',
            x: 'runs at once',
            y: 'runs a second',
            logarithmicX: true,
            series: [
              {
                name: 'primary-lease',
                points: [
                  [1, 900],
                  [32, 12_000],
                  [1024, 15_000],
                ],
              },
              {
                name: 'redis-semaphore',
                points: [
                  [1, 1_000],
                  [32, 10_000],
                  [1024, 11_000],
                ],
              },
            ],
          },
          {
            title: 'Latency of a run, one at a time',
            x: '',
            y: 'ms',
            logarithmicX: false,
            series: [
              {
                name: 'primary-lease',
                points: [
                  ['p50', 0.3],
                  ['p99', 0.9],
                ],
              },
            ],
          },
        ],
      },
    },
    {name: 'busy', title: 'Elections on a busy machine', failed: 'no redis-server </script>'},
  ],
}

/** How many pixels of the plot with this number have about this colour. */
const pixels = (page: Page, plot: number, [red, green, blue]: [number, number, number]) =>
  page
    .locator('canvas')
    .nth(plot)
    .evaluate(
      (element, wanted) => {
        // biome-ignore lint/suspicious/noExplicitAny: the browser's world is not this file's
        const canvas = element as any
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        let found = 0
        for (let at = 0; at < data.length; at += 4) {
          const near = wanted.every((part, of) => Math.abs(data[at + of] - part) < 20)
          if (near && data[at + 3] > 200) found++
        }
        return found
      },
      [red, green, blue],
    )

inBrowser('the page of the bench draws its plots and needs nothing else', async (page) => {
  await browser.open(draw(REPORT), 'canvas[style]')
  expect(await browser.texts('figcaption')).toEqual([
    'Runs a second over how many at once',
    'Latency of a run, one at a time',
  ])
  expect(browser.complaints).toEqual([])
  expect(browser.requests.filter((url) => !/^(file|data):/.test(url))).toEqual([])
  // The lines of ours, and of the peer.
  expect(await pixels(page, 0, [0x00, 0x72, 0xb2])).toBeGreaterThan(500)
  expect(await pixels(page, 0, [0x56, 0xb4, 0xe9])).toBeGreaterThan(200)
  expect(await pixels(page, 1, [0x00, 0x72, 0xb2])).toBeGreaterThan(500)
  const shot = join(browser.dir, 'page.png')
  await page.screenshot({path: shot, fullPage: true})
  expect(statSync(shot).size).toBeGreaterThan(20_000)
})

inBrowser('the page of the bench says what was measured, and what is reached', async () => {
  await browser.open(draw(REPORT), 'canvas[style]')
  expect(await browser.texts('.facts li')).toEqual(REPORT.facts)
  expect(await browser.texts('.row code')).toEqual([
    'npm run bench -- --row pairs',
    'npm run bench -- --row busy',
  ])
  expect(await browser.texts('td.yes')).toEqual(['yes'])
  expect(await browser.texts('td.no')).toEqual(['failed: no redis-server </script>'])
  const rows = await browser.texts('tbody tr')
  expect(rows[1]).toMatch(/12,000 11,000 to 13,000/)
  expect(rows[1]).toMatch(/1\.20 1\.10 to 1\.30, to redis-semaphore/)
  expect(rows[2]).toMatch(/not there/)
})

inBrowser('pointing at a plot of the bench tells the figures', async (page) => {
  await browser.open(draw(REPORT), 'canvas[style]')
  const tooltip = () =>
    page.evaluate(() => {
      // biome-ignore lint/suspicious/noExplicitAny: the browser's world is not this file's
      const {Chart, document} = globalThis as any
      const {tooltip} = Chart.getChart(document.querySelector('canvas'))
      const lines = tooltip.body?.flatMap(({lines}: {lines: string[]}) => lines)
      return {title: tooltip.title, lines}
    })
  const {width} = (await page.locator('canvas').first().boundingBox()) ?? {width: 0}
  await page
    .locator('canvas')
    .first()
    .hover({position: {x: width - 20, y: 100}})
  expect(await tooltip()).toEqual({
    title: ['1,024 runs at once'],
    lines: ['primary-lease: 15,000 runs a second', 'redis-semaphore: 11,000 runs a second'],
  })
})

test('the table of the bench fits 80 columns and tells what is reached from what is not there', () => {
  const table = terminalTable(REPORT)
  for (const line of table.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80)
  expect(table).toMatch(/release confirmed +12,000 +10,000 +1\.20 +≥ 1\.2 x yes/)
  expect(table).toMatch(/release sent +not there +10,000 +≥ 1\.4 x$/m)
  expect(table).toMatch(/failed: no redis-server/)
})

test('the results as Markdown name each command, the ranges and what is reached', () => {
  const text = markdown(REPORT)
  expect(text).toContain('`npm run bench -- --row pairs`')
  expect(text).toContain('12,000 (11,000 to 13,000)')
  expect(text).toContain('| 1.20 (1.10 to 1.30) to redis-semaphore | ≥ 1.2 x | yes |')
  expect(text).toContain('Failed: no redis-server')
})
