// The tables of docs/redis.md say of each option what becomes of it. That these are all options that the
// published clients have, `tsc` finds with client-options.ts.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {IOREDIS, NODE_REDIS, NODE_REDIS_SOCKET} from '../src/js/client-options.js'

const document = readFileSync(join(__dirname, '../docs/redis.md'), 'utf8')

/** What the table under a heading says of each option. */
function told(heading: string) {
  const [, section = ''] = document.split(`\n${heading}\n`)
  const rows = section.split(/\n#/)[0]?.match(/^\| `.*$/gm) ?? []
  return rows.flatMap((row) => {
    const [, names = '', treatment = ''] = row.split('|')
    return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => `${name} ${treatment.trim()}`)
  })
}

const lists = (options: {
  honoured: readonly string[]
  refused: object
  ignored: readonly string[]
}) => [
  ...options.honoured.map((name) => `${name} honoured`),
  ...Object.keys(options.refused).map((name) => `${name} refused`),
  ...options.ignored.map((name) => `${name} ignored`),
]

test.each([
  ['## Options of ioredis and iovalkey', IOREDIS],
  ['## Options of node-redis', NODE_REDIS],
  ['### Its `socket`', NODE_REDIS_SOCKET],
])('the table %p says what becomes of each option, once', (heading, options) => {
  expect(told(heading).sort()).toEqual(lists(options).sort())
})
