// The demo's page, as a person would open it: in a browser.

import {useBrowser} from '../support/pages'
import {draw} from '../support/timeline.mjs'
import {pictureOf} from './picture.mjs'
import type {Entry} from './record.mjs'

const {inBrowser, open, texts, complaints} = useBrowser()

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
  await open(draw(pictureOf({ttl: 2000, entries}, ['A', 'B'])))
  expect(await texts('#chart .lane')).toEqual(['A', 'B', 'Redis'])
  expect(await texts('#chart .interval .label')).toEqual(['#1', '#2'])
  expect(await texts('#chart .mark .fault')).toEqual(['exit', 'block', 'flush'])
  expect(await texts('#chart .handover')).toEqual(['4.0 ms'])
  expect(complaints).toEqual([])
})

inBrowser('failovers stand in the lane of Redis', async () => {
  const entries: Entry[] = [
    {at: 0, server: 'A', type: 'started'},
    {at: 2100, server: 'A', type: 'elected', token: 100},
    {at: 5000, server: 'Redis', type: 'failover', how: 'manual'},
    {at: 6200, server: 'A', type: 'followed', kept: true},
    {at: 8000, server: 'Redis', type: 'failover', how: 'kill'},
    {at: 8001, server: 'A', type: 'held', token: 100},
    {at: 12_000, server: 'A', type: 'elected', token: 200},
    {at: 12_000, server: 'A', type: 'followed', kept: false},
    {at: 15_000, server: 'A', type: 'held', token: 200},
  ]
  await open(draw(pictureOf({ttl: 2000, downAfter: 1000, entries}, ['A'])))
  expect(await texts('#chart .mark .fault')).toEqual(['manual', 'kill'])
  expect(complaints).toEqual([])
})
