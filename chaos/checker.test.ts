// The fault run's judge: an honest record passes, and each rule that a record breaks is found.

import {check} from './checker.mjs'
import {figuresOf} from './figures.mjs'
import {burstRecord, goodRecord, hungRecord, term} from './good-record'
import type {Line} from './record.mjs'

const inOrder = (lines: Line[]) => [...lines].sort((a, b) => a.at - b.at)

const broken = (lines: Line[]) =>
  check(inOrder(lines)).flatMap(({rule, violations}) =>
    violations.map(({text}) => `${rule}: ${text}`),
  )

const withAdded = (...added: Line[]) => [...goodRecord(), ...added]

const without = (unwanted: (line: Line) => boolean) =>
  goodRecord().filter((line) => !unwanted(line))

/** Every line of one type at one moment, changed. */
const withChanged = (type: Line['type'], at: number, change: object) =>
  goodRecord().map((line) =>
    line.type === type && line.at === at ? ({...line, ...change} as Line) : line,
  )

const of = (server: string, token: number) => (line: Line) =>
  'token' in line && 'server' in line && line.server === server && line.token === token

test.each([
  ['calm and trouble', goodRecord],
  ['an event loop that hangs', hungRecord],
  ['a burst of runs', burstRecord],
])('an honest record of %s is accepted', (_, record) => {
  expect(broken(record())).toEqual([])
})

test.each<[string, Line[], string]>([
  [
    'a second primary while the first still held',
    withAdded({at: 6020, server: 'B', type: 'held', token: 200}),
    'never two primaries at once: at 6.000 s B (token 200) and C (token 300) both held it, for 20.0 ms',
  ],
  [
    'a second primary within a longer term',
    withAdded(...term('B', 350, 8000, 8100)),
    'never two primaries at once: at 8.000 s C (token 300) and B (token 350) both held it, for 100.0 ms',
  ],
  [
    'a token that falls',
    goodRecord().map((line) => (of('C', 300)(line) ? ({...line, token: 150} as Line) : line)),
    'tokens rise in the order of the grants: at 6.000 s C was granted token 150 after B had 200',
  ],
  [
    'a token that is granted twice',
    goodRecord().map((line) => (of('C', 300)(line) ? ({...line, token: 200} as Line) : line)),
    'tokens rise in the order of the grants: at 5.995 s C was granted token 200, which B had',
  ],
  [
    'a stale write that is accepted',
    withChanged('write', 7001, {accepted: true}),
    'the resource accepts no token after a higher one: a write that B sent at 7.001 s with token 200 was accepted after 300',
  ],
  [
    'a write that is refused though it was not stale',
    withChanged('write', 6100, {accepted: false}),
    'the resource accepts no token after a higher one: a write that C sent at 6.100 s with token 300 was refused, though nothing above 200 had been accepted',
  ],
  [
    'a primary that has not noticed that it was frozen',
    without(({type, at}) => type === 'unheld' && at === 7002).map((line) =>
      line.type === 'woke' ? {...line, held: true} : line,
    ),
    'a lost lease stays lost, also on waking: at 7.001 s isHeld of B (token 200) was true, after it was frozen for 1999 ms',
  ],
  [
    'a lease that comes back',
    withAdded({at: 7100, server: 'B', type: 'held', token: 200}),
    'a lost lease stays lost, also on waking: at 7.100 s isHeld of B (token 200) was true again, after it was false at 7.002 s',
  ],
  [
    'a lease that is held as its loss is told',
    withChanged('ended', 7003, {held: true}),
    "a lost lease stays lost, also on waking: at 7.003 s isHeld of B (token 200) was true as it was told 'expired'",
  ],
  [
    'a crashed primary that is replaced too late',
    without((line) => of('B', 200)(line) && line.at < 4600).concat(...term('B', 200, 4600, 4600)),
    'every vacancy is filled in time: from 3.005 s to 4.595 s nobody was primary, though B stood and Redis was well from 3.005 s on for 1590 ms; the limit is 1290 ms',
  ],
  [
    'a vacancy that lasts after Redis is back',
    without((line) => of('A', 400)(line) && line.at > 11_000).concat({at: 15_000, type: 'finish'}),
    'every vacancy is filled in time: from 9.500 s to 14.000 s nobody was primary, though A stood and Redis was well from 10.400 s on for 3600 ms',
  ],
  [
    'a first primary that never comes',
    [...goodRecord().filter(({at}) => at < 1000), {at: 9000, type: 'finish'}],
    'every vacancy is filled in time: from 0.000 s to 9.000 s nobody was primary, though A stood and Redis was well from 0.020 s on for 8980 ms',
  ],
  [
    'a loss without a cause',
    withAdded({
      at: 13_900,
      server: 'A',
      type: 'ended',
      token: 400,
      reason: 'store-lost',
      held: false,
    }),
    "nobody loses the lease without a cause: at 13.900 s A lost the lease (token 400, 'store-lost') and nothing had happened that explains it",
  ],
  [
    'an error of ours, which nothing excuses',
    withChanged('ended', 7003, {reason: 'internal'}),
    "nobody loses the lease without a cause: at 7.003 s B lost the lease (token 200, 'internal') and nothing had happened that explains it",
  ],
  [
    'two elections without a loss between them',
    without((line) => line.type === 'ended').concat(...term('B', 350, 9600, 9700)),
    'events come in order: at 9.600 s B was elected as primary',
  ],
  [
    'a loss that is never told',
    without(({type, at}) => type === 'ended' && at === 7003),
    'every loss is told: at 7.002 s isHeld of B (token 200) turned false, and no event had told so 6998 ms later',
  ],
  [
    'a loss that is told too late',
    without(({type}) => type === 'ended').concat({
      at: 8500,
      server: 'B',
      type: 'ended',
      token: 200,
      reason: 'expired',
      held: false,
    }),
    'every loss is told: at 7.002 s isHeld of B (token 200) turned false, and no event had told so 1498 ms later',
  ],
  [
    'a primary that has not given way as it hung',
    hungRecord().map((line) => (line.type === 'woke' ? {...line, held: true} : line)),
    'a lost lease stays lost, also on waking: at 9.000 s isHeld of A (token 100) was true, after its event loop hung for 6000 ms',
  ],
  [
    'a hung primary whose place is filled too late',
    hungRecord()
      .filter((line) => !of('B', 200)(line))
      .concat(term('B', 200, 8700, 12_000)),
    'every vacancy is filled in time: from 7.750 s to 8.695 s nobody was primary, though B stood and Redis was well from 7.750 s on for 945 ms; the limit is 750 ms',
  ],
  [
    'a loop that is said to have hung, and has not',
    hungRecord().map((line) => (line.type === 'woke' ? {...line, slept: 3900} : line)),
    "nobody loses the lease without a cause: at 9.002 s A lost the lease (token 100, 'stalled') and nothing had happened that explains it",
  ],
  [
    'a loop that is said to have hung as its process was frozen',
    [
      ...hungRecord(),
      {at: 3500, server: 'A', type: 'frozen'},
      {at: 6000, server: 'A', type: 'thawed'},
    ],
    "nobody loses the lease without a cause: at 9.002 s A lost the lease (token 100, 'stalled') and nothing had happened that explains it",
  ],
  [
    'an event after the campaign was resigned',
    withAdded(
      {at: 7500, server: 'B', type: 'ended', reason: 'resigned', held: false},
      {at: 7600, server: 'B', type: 'ended', reason: 'resigned', held: false},
    ),
    "events come in order: at 7.600 s B was told 'resigned' as resigned",
  ],
  [
    'a crash that nobody ordered',
    withAdded({at: 13_000, server: 'B', type: 'died', code: null, signal: 'SIGSEGV', stderr: 'oh'}),
    "nobody crashes, and everybody ends as told: at 13.000 s B ended with SIGSEGV, untold, saying 'oh'",
  ],
  [
    'another exit code than the one of the order',
    withChanged('died', 9500, {code: 1, stderr: 'panicked'}),
    "nobody crashes, and everybody ends as told: at 9.500 s C ended with code 1, after 'exit', saying 'panicked'",
  ],
  [
    'a process that is kept from ending',
    withChanged('died', 9500, {at: 10_900}),
    "no process is kept from ending: C took 1899 ms to end after 'exit' at 9.001 s; the limit is 1500 ms",
  ],
  [
    'a run of a burst that is answered too late',
    burstRecord().map((line) => (line.type === 'burst' ? {...line, longest: 2001} : line)),
    'a burst of runs is served, or refused in its time: of the burst of A that was over at 4.000 s the last run was answered after 2001 ms',
  ],
  [
    'a run of a burst that fails in another way',
    burstRecord().map((line) => (line.type === 'burst' ? {...line, other: 2} : line)),
    'a burst of runs is served, or refused in its time: of the burst of A that was over at 4.000 s 2 runs failed',
  ],
  [
    'a lease that is lost to the runs beside it',
    [
      ...burstRecord(),
      {at: 4000, server: 'A', type: 'ended', token: 100, reason: 'store-lost', held: false},
    ],
    "nobody loses the lease without a cause: at 4.000 s A lost the lease (token 100, 'store-lost') and nothing had happened that explains it",
  ],
])('%s is found', (_, lines, expected) => {
  expect(broken(lines)).toContainEqual(expect.stringContaining(expected))
})

test('a record in which nothing happened proves nothing', () => {
  const [begin] = goodRecord()
  expect(broken([begin as Line])).toEqual([
    'the run proves something: there were no two terms',
    'the run proves something: nothing ever went wrong',
    'the run proves something: nobody ever wrote to the resource',
  ])
})

test('a loss is explained by a fault, by a freeze or by a machine that stood still', () => {
  const lost: Line = {
    at: 14_001,
    server: 'A',
    type: 'ended',
    token: 400,
    reason: 'store-lost',
    held: false,
  }
  expect(
    broken(
      withAdded(lost, {at: 13_300, type: 'fault', id: 9, kind: 'hole', scope: ['A'], lasts: 1}),
    ),
  ).toEqual([])
  expect(broken(withAdded(lost, {at: 13_800, type: 'lag', ms: 500}))).toEqual([])
  // A dead connection or a doze can be borne, both at once may be too much.
  const dead: Line = {at: 13_300, type: 'fault', id: 9, kind: 'dead', scope: ['A'], lasts: 0}
  const over: Line = {at: 13_301, type: 'over', id: 9}
  const doze: Line[] = [
    {at: 13_500, server: 'A', type: 'frozen'},
    {at: 13_800, server: 'A', type: 'thawed'},
  ]
  const dozing = goodRecord().filter(
    ({at, type}) => !(type === 'held' && at > 13_500 && at < 13_800),
  )
  expect(broken([...dozing, lost, dead, over, ...doze])).toEqual([])
  expect(broken([...dozing, lost, ...doze])).toHaveLength(1)
  expect(broken(withAdded(lost, dead, over))).toHaveLength(1)
  // What has to cost nothing explains nothing.
  expect(
    broken(withAdded(lost, {at: 13_300, type: 'fault', id: 9, kind: 'flush', scope: [], lasts: 1})),
  ).toHaveLength(1)
  // Nor does what happens to another server.
  expect(
    broken(
      withAdded(lost, {at: 13_300, type: 'fault', id: 9, kind: 'hole', scope: ['B'], lasts: 1}),
    ),
  ).toHaveLength(1)
})

test('a release that met a trouble is none that could be waited for', () => {
  const troubled = (from: number, to: number) => [
    ...goodRecord().flatMap((line): Line[] => {
      if (line.type === 'fault' && line.id === 3) return [{...line, at: from}]
      if (line.type === 'over' && line.id === 3) return [{...line, at: to}]
      return of('A', 400)(line) && line.type === 'elected' ? [] : [line]
    }),
    ...term('A', 400, 11_000, 11_990),
  ]
  // C was told to exit at 9001 and was gone at 9500.
  expect(broken(troubled(8900, 9400))).toEqual([])
  expect(broken(troubled(8000, 8900))).toEqual([
    expect.stringMatching(/^every vacancy is filled in time: .* the limit is 750 ms$/),
  ])
})

test('a release just after a loss of the record finds none that could be taken at once', () => {
  const flushed = (at: number) => [
    ...without((line) => ('id' in line && line.id === 3) || of('A', 400)(line)),
    {at, type: 'fault', id: 9, kind: 'flush', scope: [], lasts: 0} satisfies Line,
    {at: at + 1, type: 'over', id: 9} satisfies Line,
    ...term('A', 400, 10_900, 11_990),
  ]
  // C was told to exit at 9001, and renews every 333 ms.
  expect(broken(flushed(8800))).toEqual([])
  expect(broken(flushed(8000))).toEqual([
    expect.stringMatching(/^every vacancy is filled in time: .* the limit is 750 ms$/),
  ])
})

test('a server whose loop was blocked may have been primary before it could say so', () => {
  const late = goodRecord().filter((line) => !(of('B', 200)(line) && line.at < 4900))
  const elected: Line = {
    at: 4900,
    server: 'B',
    type: 'elected',
    token: 200,
    quiet: 3200,
    held: true,
  }
  expect(broken([...late, elected])).toEqual([])
  // Nor does it matter whether a timer or the event came first on waking.
  const woke: Line = {at: 4899, server: 'B', type: 'woke', slept: 1700, held: false}
  expect(broken([...late, woke, {...elected, quiet: 4899} as Line])).toEqual([])
  expect(broken([...late, {...elected, quiet: 4899} as Line])).toHaveLength(1)
})

test('a server whose loop hangs is not expected to stand', () => {
  // Nobody but A is there, and it takes its place again when it turns.
  const alone = hungRecord().filter((line) => !('server' in line) || line.server === 'A')
  const again = [...alone, ...term('A', 300, 9500, 12_000)]
  expect(broken(again)).toEqual([])
  const standby = [...again, {at: 10, server: 'B', type: 'standing'} as Line]
  expect(broken(standby)).toContainEqual(expect.stringContaining('every vacancy is filled in time'))
})

test('the figures count what was clean, by how the one before went', () => {
  const {handOvers, disturbed, accepted, refused, late, terms} = figuresOf(inOrder(goodRecord()))
  expect({handOvers, disturbed, accepted, refused, late, terms}).toEqual({
    handOvers: [
      {what: 'crash (SIGKILL)', times: [1049]},
      {what: 'frozen (SIGSTOP)', times: [1000]},
    ],
    disturbed: 1,
    accepted: 4,
    refused: 1,
    late: 1,
    terms: 4,
  })
})
