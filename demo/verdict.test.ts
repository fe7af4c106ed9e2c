// The demo's judge: an honest record passes, and each promise that a record breaks is found.

import type {DemoRecord, Entry} from './record.mjs'
import {figures, judge} from './verdict.mjs'

/** Two servers, a crash, an exit, a blocked loop and a flush, all as they should be. */
const entries: Entry[] = [
  {at: 0, server: 'A', type: 'elected', token: 100},
  {at: 990, server: 'A', type: 'held', token: 100},
  {at: 1000, server: 'A', type: 'departed', how: 'kill', lastRenewal: 800},
  {at: 2870, server: 'B', type: 'elected', token: 200},
  {at: 3000, server: 'B', type: 'held', token: 200},
  {at: 3001, server: 'B', type: 'departed', how: 'exit'},
  {at: 3002, server: 'B', type: 'ended', token: 200, reason: 'exit'},
  {at: 3005, server: 'C', type: 'elected', token: 300},
  {at: 4000, server: 'C', type: 'began', trial: 'block'},
  {at: 10_000, server: 'C', type: 'over', trial: 'block'},
  {at: 10_100, server: 'redis', type: 'began', trial: 'flush'},
  {at: 13_000, server: 'redis', type: 'over', trial: 'flush'},
  {at: 13_001, server: 'C', type: 'held', token: 300},
]

const broken = (record: DemoRecord) =>
  judge(record).flatMap(({promise, broken}) => broken.map((how) => `${promise}: ${how}`))

const withChanged = (at: number, change: Partial<Entry>): DemoRecord => ({
  ttl: 2000,
  entries: entries.map((entry) => (entry.at === at ? ({...entry, ...change} as Entry) : entry)),
})

const withAdded = (...added: Entry[]): DemoRecord => ({ttl: 2000, entries: [...entries, ...added]})

test('an honest record is accepted', () => {
  expect(broken({ttl: 2000, entries})).toEqual([])
})

test.each<[string, DemoRecord, string]>([
  [
    'a second primary while the first still held',
    withChanged(990, {at: 2900}),
    'never two primaries at once: A and B both held it for 30.0 ms',
  ],
  [
    'a second primary before the first was killed',
    withChanged(2870, {at: 999}),
    'never two primaries at once: A and B both held it for 1.0 ms',
  ],
  [
    'a second primary within a longer term',
    withAdded(
      {at: 12_000, server: 'D', type: 'elected', token: 250},
      {at: 12_005, server: 'D', type: 'held', token: 250},
    ),
    'never two primaries at once: C and D both held it for 5.0 ms',
  ],
  [
    'a token that falls',
    withChanged(3005, {token: 150}),
    'tokens rise: C was given 150 after B had 200',
  ],
  [
    'a token that is given twice',
    withChanged(2870, {token: 100}),
    'tokens rise: B was given 100 after A had 100',
  ],
  [
    'a crash that is taken over too late',
    withChanged(2870, {at: 2961}),
    'every vacancy is filled in time: the place of A (kill) was filled after 2161.0 ms, the limit is 2160 ms',
  ],
  [
    'a release that is taken over too late',
    withChanged(3005, {at: 4200}),
    'every vacancy is filled in time: the place of B (exit) was filled after 1199.0 ms, the limit is 1100 ms',
  ],
  [
    'a place that is never filled',
    withAdded({at: 14_000, server: 'C', type: 'departed', how: 'term'}),
    'every vacancy is filled in time: the place of C (term) was never filled, the limit is 1100 ms',
  ],
  [
    'an election while the loop is blocked',
    withAdded({at: 9000, server: 'D', type: 'elected', token: 400}),
    'a blocked event loop causes no election: D was elected meanwhile',
  ],
  [
    'a loss by the flush',
    withAdded({at: 11_000, server: 'C', type: 'ended', token: 300, reason: 'store-lost'}),
    'a flushed Redis causes no election: C lost its place meanwhile',
  ],
])('%s is found', (_, record, expected) => {
  expect(broken(record)).toContain(expected)
})

describe('under Sentinel', () => {
  const followed: Entry[] = [
    ...entries.filter(({type}) => type !== 'began' && type !== 'over'),
    {at: 20_000, server: 'Redis', type: 'failover', how: 'manual'},
    {at: 21_200, server: 'C', type: 'followed', kept: true},
    {at: 30_000, server: 'Redis', type: 'failover', how: 'kill'},
    {at: 34_500, server: 'A', type: 'elected', token: 400},
    {at: 34_500, server: 'A', type: 'followed', kept: false},
  ]
  const record = {ttl: 2000, downAfter: 1000, entries: followed}

  test('an honest record is accepted', () => {
    expect(broken(record)).toEqual([])
  })

  test('a failover without a primary after it is found', () => {
    const lost = followed.filter(({at}) => at < 34_000)
    const promise = 'every failover is followed: nobody was primary after the one by kill'
    expect(broken({...record, entries: lost})).toEqual([promise])
    const none = followed.filter(({type}) => type !== 'failover')
    expect(broken({...record, entries: none})).toEqual([
      'every failover is followed: there was none',
    ])
  })

  test('the figures tell how long each kind of failover took', () => {
    const found = figures(record).filter(({what}) => what.includes('to a primary'))
    expect(found.map(({what, times, reached}) => ({what, times, reached}))).toEqual([
      {what: 'manual failover, to a primary', times: [1200], reached: true},
      {what: 'master killed, to a primary', times: [4500], reached: true},
    ])
  })
})

test('a record in which nothing happened proves nothing', () => {
  expect(broken({ttl: 2000, entries: []})).toEqual([
    'every vacancy is filled in time: no primary ever went, so nothing is proved',
    'a blocked event loop causes no election: it was never tried',
    'a flushed Redis causes no election: it was never tried',
  ])
})

test('the figures tell a crash, from the last renewal, from a gentle end', () => {
  const found = figures({ttl: 2000, entries})
  expect(found.map(({what, times, reached}) => ({what, times, reached}))).toEqual([
    {what: 'SIGKILL, from the last renewal', times: [2070], reached: true},
    {what: 'process.exit()', times: [4], reached: true},
  ])
})
