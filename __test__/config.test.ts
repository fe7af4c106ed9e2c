import Redis, {Cluster} from 'ioredis'
import {
  establishPrimaryServer,
  onPrimaryChange,
  resignPrimaryServer,
  whilePrimary,
} from '../index.js'
import {newPrefix} from './support/redis'

// Nothing listens there: whatever is refused, is refused before Redis is asked.
const url = 'redis://127.0.0.1:1'

const refused = (message: RegExp) => ({
  name: 'PrimaryLeaseError',
  code: 'ERR_INVALID_CONFIG',
  message: expect.stringMatching(message),
})

/** As untyped JavaScript would call it. */
const establish = establishPrimaryServer as (...args: unknown[]) => Promise<unknown>

describe('an option outside its range is refused, naming it and the value', () => {
  test.each<[string, unknown, RegExp]>([
    ['ttl', 499, /499/],
    ['ttl', 0, /0/],
    ['ttl', -5000, /-5000/],
    ['ttl', 86_400_001, /86400001/],
    ['ttl', Number.NaN, /NaN/i],
    ['ttl', Number.POSITIVE_INFINITY, /inf/i],
    ['ttl', '5000', /5000|string/i],
    ['renewInterval', 49, /49/],
    ['renewInterval', 5000, /5000/],
    ['establishTimeout', 99, /99/],
    ['establishTimeout', 3_600_001, /3600001/],
    ['exitTimeout', -1, /-1/],
    ['stallTimeout', 9999, /9999/],
    ['stallTimeout', -1, /-1/],
    ['stallTimeout', true, /boolean/],
    ['stallTimeout', 1_036_800_001, /1036800001/],
    ['scope', '', /0 characters/],
    ['scope', 'a{b', /a\{b/],
    ['eagerStart', 'yes', /yes|string/i],
    ['exitTimeout', 10_001, /10001/],
    ['serverId', 5, /5|number/i],
    ['priority', 1000, /1000/],
    ['priority', 0.5, /0\.5/],
    ['priority', Number.NaN, /NaN/],
    ['priority', '1', /string/],
    ['version', 'v1.2', /"v1\.2"/],
    ['version', '1.2.3 ', /"1\.2\.3 "/],
    ['version', `1.2.3-${'a'.repeat(64)}`, /64 characters/],
    ['version', 1, /number/],
    ['serverId', '', /0 characters/],
    ['tll', 5000, /establishTimeout/],
  ])('%s: %p', async (field, value, shown) => {
    const result = establish(url, newPrefix(), {[field]: value})
    await expect(result).rejects.toMatchObject(refused(new RegExp(field)))
    await expect(result).rejects.toMatchObject(refused(shown))
  })
})

describe('a prefix is 1 to 200 characters without control characters or braces', () => {
  test.each<[string, unknown, RegExp]>([
    ['empty', '', /0 characters/],
    ['201 characters', 'x'.repeat(201), /201 characters/],
    ['a control character', 'jobs\n', /prefix/],
    ['a brace', '{jobs}', /\{jobs\}/],
    ['not a string', 5, /prefix/],
    ['missing', undefined, /prefix/],
  ])('%s', async (_, prefix, shown) => {
    await expect(establish(url, prefix)).rejects.toMatchObject(refused(/prefix/))
    await expect(establish(url, prefix)).rejects.toMatchObject(refused(shown))
  })

  test('a listener is refused with one too', () => {
    expect(() => onPrimaryChange('', () => {})).toThrow(expect.objectContaining(refused(/prefix/)))
    expect(() => whilePrimary('', () => {})).toThrow(expect.objectContaining(refused(/prefix/)))
  })
})

test.each<[unknown, RegExp]>([
  [undefined, /run must be a function, got undefined/],
  [{}, /run must be a function, got an object/],
])('work that is %p is refused', (run, shown) => {
  expect(() => whilePrimary('jobs', run as never)).toThrow(expect.objectContaining(refused(shown)))
})

test.each<[unknown, RegExp]>([
  [{drain: -1}, /drain .*-1/],
  [{drain: Number.NaN}, /drain .*NaN/],
  [{drain: Number.POSITIVE_INFINITY}, /drain .*Infinity/],
  [{drain: '5000'}, /drain .*a string/],
  [{drian: 5000}, /"drian", known: drain/],
  [5000, /options must be an object, got a number/],
])('a resign with %p is refused', async (options, shown) => {
  await expect(resignPrimaryServer(undefined, options as never)).rejects.toMatchObject(
    refused(shown),
  )
})

describe('a source that is not supported yet is refused by name', () => {
  const lazy = {lazyConnect: true, host: '127.0.0.1', port: 1}
  const sentinels = [{host: '127.0.0.1', port: 1}]
  class Connector {}

  test.each<[string, () => unknown, RegExp]>([
    ['another scheme', () => 'http://127.0.0.1:1', /http/],
    ['no URL', () => 'not a url', /redis/i],
    ['an empty string', () => '', /redis/i],
    ['sentinels without a name', () => ({sentinels}), /sentinels need a name/],
    ['no sentinels', () => ({sentinels: [], name: 'main'}), /sentinels .* an empty array/],
    [
      'sentinels that are no array',
      () => ({sentinels: 'host', name: 'main'}),
      /sentinels .* a string/,
    ],
    ['a sentinel that is no object', () => ({sentinels: ['host'], name: 'main'}), /sentinels\[0\]/],
    [
      'a sentinel with a port out of range',
      () => ({sentinels: [{}, {port: 0}], name: 'main'}),
      /sentinels\[1\]\.port/,
    ],
    [
      'a sentinel with a family of its own',
      () => ({sentinels: [{host: 'a', family: 6}], name: 'main'}),
      /sentinels\[0\]\.family/,
    ],
    ['a path beside sentinels', () => ({sentinels, name: 'main', path: '/run/x'}), /path/],
    ['a replica of sentinels', () => ({sentinels, name: 'main', role: 'slave'}), /role 'slave'/],
    [
      'an ioredis of a replica',
      () => new Redis({...lazy, sentinels, name: 'main', role: 'slave'}),
      /role 'slave'/,
    ],
    [
      'a natMap function',
      () => new Redis({...lazy, sentinels, name: 'main', natMap: () => null}),
      /natMap function/,
    ],
    [
      'a natMap without a port',
      () => ({sentinels, name: 'main', natMap: {'a:1': {host: 'b'}}}),
      /natMap\["a:1"\]/,
    ],
    [
      'a sentinelPassword function',
      () => ({sentinels, name: 'main', sentinelPassword: () => 'x'}),
      /sentinelPassword/,
    ],
    ['a sentinel URL without a name', () => 'redis+sentinel://127.0.0.1:1', /without a name/],
    ['a password function', () => ({host: '127.0.0.1', password: () => 'x'}), /password/],
    ['an ioredis with a Connector', () => new Redis({...lazy, Connector} as never), /Connector/],
    ['an ioredis Cluster', () => new Cluster([lazy], {lazyConnect: true}), /cluster/i],
    ['an array', () => [url, url], /array|quorum/i],
    ['a port out of range', () => ({port: 65_536}), /port/],
    ['a db that is no number', () => ({db: -1}), /db/],
    ['nothing', () => undefined, /redis/i],
    ['null', () => null, /redis/i],
    ['a number', () => 6379, /redis/i],
  ])('%s', async (_, source, shown) => {
    await expect(establish(source(), newPrefix())).rejects.toMatchObject(refused(shown))
  })
})

test('a password in a refused URL is not repeated', async () => {
  const sources = [
    'redis+sentinel://user:hush@127.0.0.1:1',
    'redis://:hush@127.0.0.1:99999',
    'x://:hush@y',
  ]
  for (const source of sources) {
    const error = await establish(source, newPrefix()).catch((error: unknown) => error)
    expect(error).toMatchObject({code: 'ERR_INVALID_CONFIG'})
    const {message, stack} = error as Error
    expect(`${message}${stack}${JSON.stringify(error)}`).not.toContain('hush')
  }
})
