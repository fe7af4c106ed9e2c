// What TypeScript, in the versions and settings of the package's users, makes of its types.

import {cp, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {root} from '../support/run.mjs'
import {app, ended, output, tarball, tool} from './support/installed'

beforeAll(async () => {
  // The repository's own: what the compiler has to know about each name.
  await cp(join(root, '__test__/types.ts'), join(app, 'types/contract.ts'))
})

const SETTINGS = [
  {module: 'node16', moduleResolution: 'node16'},
  {module: 'esnext', moduleResolution: 'bundler'},
]

describe.each(['5', '7'])('TypeScript %s', (major) => {
  const tsc = join(app, 'node_modules', `typescript-${major}`, 'bin/tsc')

  const compile = async (settings: object, name: string, include: string[]) => {
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      noUncheckedIndexedAccess: true,
      isolatedModules: true,
      noEmit: true,
      ...settings,
    }
    const config = join(app, `tsconfig-${name}-${major}.json`)
    await writeFile(config, JSON.stringify({compilerOptions, include}))
    return ended(process.execPath, [tsc, '--project', config])
  }

  test.each(SETTINGS)('$moduleResolution: the calls and the contract', async (settings) => {
    const name = settings.moduleResolution
    expect(await compile(settings, name, ['types/*.ts', 'src/*.ts'])).toEqual({
      status: 0,
      output: '',
    })
  })

  test('a mistake in a call is found, so the types are there', async () => {
    await writeFile(
      join(app, 'types-wrong.mts'),
      `import {establishPrimaryServer} from 'primary-lease'\nestablishPrimaryServer(1, 'jobs')\n`,
    )
    const {status, output} = await compile(SETTINGS[0] ?? {}, 'wrong', ['types-wrong.mts'])
    expect(status).not.toBe(0)
    expect(output).toContain("Argument of type 'number'")
  })
})

test('publint has nothing to say', async () => {
  const said = await output(process.execPath, [
    tool('publint/src/cli.js'),
    tarball('primary-lease'),
    '--strict',
  ])
  expect(said).toContain('All good!')
})

test('are the types wrong? no', async () => {
  const attw = tool('@arethetypeswrong/cli/dist/index.js')
  const said = await output(process.execPath, [attw, tarball('primary-lease'), '--format', 'json'])
  expect(JSON.parse(said).problems ?? {}).toEqual({})
})
