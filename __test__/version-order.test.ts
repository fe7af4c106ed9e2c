// How versions rank, beside the package that npm itself uses.

const semver = require('semver') as {compare(a: string, b: string): number}
const {versionOrder} = require('../src/js/version.js') as {versionOrder(version: string): string}

/** Of the text's bytes, as the scripts and the rules compare it. */
const compare = (a: string, b: string) =>
  Buffer.compare(Buffer.from(versionOrder(a)), Buffer.from(versionOrder(b)))

const NUMBERS = ['0', '1', '2', '9', '10', '99', '100', '2147483648']
const WORDS = [
  'alpha',
  'alpha1',
  'alphb',
  'Beta',
  'beta',
  'rc',
  '-',
  '--',
  '-1',
  '0a',
  'a',
  'a-b',
  'Z',
]
const identifiers = [...NUMBERS, ...WORDS]
const pick = (from: string[], seed: number) => from[seed % from.length] as string

test('versions rank as semver says, whichever two are compared', () => {
  const versions = new Set<string>()
  // Prime steps: each part varies on its own.
  for (let n = 0; n < 400; n++) {
    const numbers = [n * 7, n * 11, n * 13].map((seed) => pick(NUMBERS, seed)).join('.')
    const words = [n * 3, n * 5, n * 17].map((seed) => pick(identifiers, seed)).slice(0, n % 4)
    versions.add(words.length ? `${numbers}-${words.join('.')}` : numbers)
  }
  // Of https://semver.org, 11.
  const spec =
    '1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0'
  for (const version of spec.split(' ')) versions.add(version)
  let compared = 0
  for (const a of versions) {
    for (const b of versions) {
      expect([a, b, Math.sign(compare(a, b))]).toEqual([a, b, semver.compare(a, b)])
      compared++
    }
  }
  expect(compared).toBeGreaterThan(10_000)
})

test('build metadata counts for nothing', () => {
  expect(versionOrder('1.2.3+build.7')).toBe(versionOrder('1.2.3'))
  expect(versionOrder('1.2.3-rc.1+7')).toBe(versionOrder('1.2.3-rc.1'))
})

test.each([
  '',
  '1',
  '1.2',
  'v1.2.3',
  '01.2.3',
  '1.2.3-01',
  '1.2.3-',
  '1.2.3 ',
  '1.2.3-é',
  'latest',
])('%p is no version', (version) => {
  expect(() => versionOrder(version)).toThrow(JSON.stringify(version))
})
