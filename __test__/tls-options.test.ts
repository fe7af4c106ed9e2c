import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {HONOURED, IRRELEVANT, REFUSED} from '../src/js/tls.js'

const read = (path: string) => readFileSync(join(__dirname, '..', path), 'utf8')

/** What Node's `tls.connect` is given, as its types have it. */
function optionsOfNode() {
  const types = read('node_modules/@types/node/tls.d.ts')
  return ['CommonConnectionOptions', 'ConnectionOptions', 'SecureContextOptions'].flatMap(
    (name) => {
      const [, body = ''] =
        new RegExp(`interface ${name}\\b[^{]*\\{([\\s\\S]*?)\\n    \\}`).exec(types) ?? []
      return [...body.matchAll(/^ {8}(\w+)\?:/gm)].map(([, option]) => String(option))
    },
  )
}

test('every option of TLS that Node knows is honoured, refused or ignored by name', () => {
  const known = [...HONOURED, ...REFUSED.map(([name]) => name), ...IRRELEVANT]
  const options = optionsOfNode()
  expect(options).toEqual(expect.arrayContaining(['ca', 'pfx', 'host', 'minDHSize']))
  expect(options.filter((option) => !known.includes(option))).toEqual([])
  expect(new Set(known).size).toBe(known.length)
})

test('docs/redis.md lists them as they are', () => {
  const [, section = ''] = /^## TLS\n([\s\S]*?)^#+ /m.exec(read('docs/redis.md')) ?? []
  const listed = (how: string) =>
    [...section.matchAll(/^\| (`.*?) \| (\w+) \|/gm)]
      .filter(([, , said]) => said === how)
      .flatMap(([, names]) => [...String(names).matchAll(/`(\w+)`/g)].map(([, name]) => name))
      .sort()
  expect(listed('honoured')).toEqual([...HONOURED].sort())
  expect(listed('refused')).toEqual(REFUSED.map(([name]) => name).sort())
  expect(listed('ignored')).toEqual([...IRRELEVANT].sort())
})
