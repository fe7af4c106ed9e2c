import {execFile} from 'node:child_process'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {root} from '../../support/run.mjs'

export {OWN_PLATFORM as platform} from '../../support/packed.mjs'

const given = (name: string) => {
  const value = process.env[name]
  if (!value) throw new Error('these tests are started by `npm run test:package`')
  return value
}

/** A directory outside the repository, which is removed after the last test. */
export const dir = given('PACKAGE_TESTS_DIR')
/** The app in it, in which primary-lease is installed. */
export const app = join(dir, 'app')
/** The URL of a registry that has the packed packages alone. */
export const registry = given('PACKAGE_TESTS_REGISTRY')

/** A file in the `node_modules` of the tools. */
export const tool = (path: string) => join(given('PACKAGE_TESTS_TOOLS'), 'node_modules', path)

type Options = {cwd?: string; env?: Record<string, string>}
type Ended = {status: number; output: string}

/** Runs a program to its end, in the app unless told otherwise. */
export function ended(program: string, args: string[], {cwd = app, env}: Options = {}) {
  const options = {cwd, env: {...process.env, ...env}, timeout: 200_000, maxBuffer: 1e8}
  return new Promise<Ended>((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : -1) : 0
      const killed = error?.killed ? '\nwas killed after 200 s' : ''
      resolve({status, output: `${stdout}${stderr}${killed}`})
    })
  })
}

/** The same for one that has to succeed; resolves with what it printed. */
export async function output(program: string, args: string[], options?: Options) {
  const {status, output} = await ended(program, args, options)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${output}`)
  return output
}

/** The version that is tested, which every package has. */
export const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
}

/** The packed package of this name. */
export const tarball = (name: string) =>
  join(given('PACKAGE_TESTS_TARBALLS'), `${name}-${version}.tgz`)

/** A second app in it, with the packages of all platforms that were built, side by side. */
export const platformsApp = join(dir, 'platforms')
/** Those platforms. */
export const built = readdirSync(join(platformsApp, 'node_modules'))
  .filter((name) => name !== 'primary-lease')
  .map((name) => name.replace('primary-lease-', ''))

/** The file of a platform's binary in an app. */
export const binaryIn = (app: string, platform: string) =>
  join(app, `node_modules/primary-lease-${platform}/primary-lease.${platform}.node`)
