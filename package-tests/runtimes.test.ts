// The same binary in every runtime, and the package with what runs TypeScript.

import {access} from 'node:fs/promises'
import {join} from 'node:path'
import {app, ended, output, tool} from './support/installed'

const node = process.execPath
const program = (name: string) => join(app, 'node_modules', name)
const LOADED = 'primary: true\n'

/** Those of npm's packages that exist for this platform. */
const onLinuxX64 = process.platform === 'linux' && process.arch === 'x64' ? test : test.skip

onLinuxX64.each(['20', '22', '24'])('Node %s loads it', async (major) => {
  const other = tool(`node-${major}/bin/node`)
  expect(await output(other, ['-p', 'process.versions.node'])).toMatch(`${major}.`)
  expect(await output(other, ['load/required.cjs'])).toBe(LOADED)
  expect(await output(other, ['load/by-name.mjs'])).toBe(LOADED)
})

onLinuxX64('Node 24 strips the types itself', async () => {
  const switches = ['--experimental-strip-types', '--no-warnings']
  expect(await output(tool('node-24/bin/node'), [...switches, 'load/typed.ts'])).toBe(LOADED)
})

describe('Node 24 with --permission', () => {
  const load = (...switches: string[]) =>
    ended(tool('node-24/bin/node'), [
      '--permission',
      '--no-warnings',
      ...switches,
      'load/required.cjs',
    ])

  onLinuxX64('loads it where addons and its files are allowed', async () => {
    const {output} = await load('--allow-addons', `--allow-fs-read=${app}/`)
    expect(output).toBe(LOADED)
  })

  onLinuxX64.each([
    ['addons', [`--allow-fs-read=${app}/`], 'ERR_DLOPEN_DISABLED'],
    [
      'its binary',
      [
        '--allow-addons',
        `--allow-fs-read=${app}/load/`,
        `--allow-fs-read=${app}/node_modules/primary-lease/`,
      ],
      'ERR_ACCESS_DENIED',
    ],
  ])('says so where %s are not', async (_, switches, code) => {
    const {status, output} = await load(...switches)
    expect(status).toBe(1)
    expect(output).toMatch(/primary-lease found primary-lease-linux-x64-gnu, but could not load it/)
    expect(output).toMatch(new RegExp(`cause.*code: '${code}'`, 's'))
    expect(output).not.toContain('npm install')
  })
})

test('tsx runs it', async () => {
  expect(await output(node, [program('tsx/dist/cli.mjs'), 'load/typed.ts'])).toBe(LOADED)
})

test('Node with the condition of browsers, as under jsdom in Jest, loads it; an edge runtime does not', async () => {
  expect(await output(node, ['--conditions=browser', 'load/required.cjs'])).toBe(LOADED)
  const edge = await ended(node, ['--conditions=edge-light', 'load/by-name.mjs'])
  expect(edge.output).toContain('primary-lease runs in Node.js servers only')
})

// docs/compatibility.md says what this one says.
onLinuxX64('Bun loads it', async () => {
  const bun = tool('@oven/bun-linux-x64/bin/bun')
  await access(bun)
  expect(await ended(bun, ['load/typed.ts'])).toEqual({status: 0, output: LOADED})
})
