// Pages in a real browser, for the tests of what is drawn.

import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Browser, chromium, type Page} from 'playwright-core'
import {findBrowser} from './browser.mjs'

/** A browser of this test file's own, with one page. */
export function useBrowser() {
  const dir = mkdtempSync(join(tmpdir(), 'primary-lease-page-'))
  const complaints: string[] = []
  const requests: string[] = []
  let browser: Browser | undefined
  let page: Page

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

  return {
    /** Of the files that a test writes. */
    dir,
    /** What the page that was opened last has written to its console, and thrown. */
    complaints,
    /** The URLs that it has asked for. */
    requests,
    /** A test that is skipped where no browser can be had, and says so. */
    inBrowser: (name: string, body: (page: Page) => Promise<void>) =>
      test(name, async () => {
        if (!browser) return console.warn(`skipped, there is no Chromium or Chrome: ${name}`)
        await body(page)
      }),
    /** Opens a page, by default a timeline, and waits until this of it is there. */
    async open(html: string, drawn = '#chart svg .interval') {
      const file = join(dir, 'page.html')
      writeFileSync(file, html)
      complaints.length = 0
      requests.length = 0
      await page.goto(`file://${file}`)
      await page.waitForSelector(drawn)
    },
    texts: (selector: string) => page.locator(selector).allTextContents(),
  }
}
