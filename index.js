'use strict'

// Finds the binary of this machine, which lies in a package of its own beside this one, and hands it on to
// the layer of JavaScript over it.
//
// Written to be bundled: where `process.platform` and `process.arch` are literals, a bundler folds away
// the branches of other platforms and has nothing to warn of. That is also why it does not see the
// requires of musl: nothing tells it whether the C library will be glibc or musl, and where a build's
// machine has one of the two packages, it does not have the other.
//
// A bundler that cannot take a binary shows the line that asks for it: what to do stands in each.

/**
 * The packages that were tried, with what went wrong.
 *
 * @type {{name: string, error: NodeJS.ErrnoException}[]}
 */
const tried = []

require('./src/js/binary.js').addon = load()
module.exports = require('./src/js/main.js')

function load() {
  let addon
  try {
    addon = find()
  } catch (error) {
    // Nothing can be required at all: an ES module that a bundler made.
    failed('node:module', error)
  }
  if (typeof addon?.attach === 'function') return addon
  if (addon !== undefined)
    failed('a binary', new Error(`a bundler has put ${kind(addon)} in its place`))
  throw explained()
}

/** @returns {any} the binary, or what a bundler has put in its place */
function find() {
  // By this name and in this form file tracers know it, and no bundler does. That of Next.js does not: it follows
  // the paths that are joined.
  const {join} = require('node:path')
  const module = require('node:module')
  const requireUnseen = module.createRequire(here())
  if (process.platform === 'linux' && process.arch === 'x64') {
    // Which C library it is shows by trying: neither loads the other's binary.
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-linux-x64-gnu') // keep external
    } catch (error) {
      failed('primary-lease-linux-x64-gnu', error)
    }
    try {
      join(__dirname, '../primary-lease-linux-x64-musl') // For tracers.
      return requireUnseen('primary-lease-linux-x64-musl')
    } catch (error) {
      failed('primary-lease-linux-x64-musl', error)
    }
  } else if (process.platform === 'linux' && process.arch === 'arm64') {
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-linux-arm64-gnu') // keep external
    } catch (error) {
      failed('primary-lease-linux-arm64-gnu', error)
    }
    try {
      join(__dirname, '../primary-lease-linux-arm64-musl') // For tracers.
      return requireUnseen('primary-lease-linux-arm64-musl')
    } catch (error) {
      failed('primary-lease-linux-arm64-musl', error)
    }
  } else if (process.platform === 'darwin' && process.arch === 'x64') {
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-darwin-x64') // keep external
    } catch (error) {
      failed('primary-lease-darwin-x64', error)
    }
  } else if (process.platform === 'darwin' && process.arch === 'arm64') {
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-darwin-arm64') // keep external
    } catch (error) {
      failed('primary-lease-darwin-arm64', error)
    }
  } else if (process.platform === 'win32' && process.arch === 'x64') {
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-win32-x64-msvc') // keep external
    } catch (error) {
      failed('primary-lease-win32-x64-msvc', error)
    }
  } else if (process.platform === 'win32' && process.arch === 'arm64') {
    try {
      // @ts-ignore: installed beside this package
      return require('primary-lease-win32-arm64-msvc') // keep external
    } catch (error) {
      failed('primary-lease-win32-arm64-msvc', error)
    }
  }
  // In the repository: what `npm run addon` or `npm run build` put beside this file.
  try {
    return requireUnseen('./primary-lease.node')
  } catch (error) {
    failed('./primary-lease.node', error)
  }
}

/** In a bundle there may be no file to begin from. */
function here() {
  const {isAbsolute, resolve} = require('node:path')
  const known = typeof __filename === 'string' && isAbsolute(__filename)
  return known ? __filename : resolve('index.js')
}

/**
 * @param {string} name
 * @param {unknown} error
 */
function failed(name, error) {
  tried.push({name, error: /** @type {NodeJS.ErrnoException} */ (error)})
}

function explained() {
  const machine = `${process.platform} ${process.arch}`
  const refused = tried.find(({error}) => error?.code !== 'MODULE_NOT_FOUND')
  // What Node has to say of a binary has a code; what a bundler has, has none.
  if (!refused?.error?.code && manifest().name !== 'primary-lease')
    return bundled(refused?.error ?? tried[0]?.error)
  // Of what is there and cannot be loaded, everything is told: a wrong platform, `--no-addons`, `--permission`.
  if (refused) {
    return new Error(
      `primary-lease found ${refused.name}, but could not load it on ${machine}: ${refused.error?.message}`,
      {cause: refused.error},
    )
  }
  const [first, second] = tried
  if (!first || !second) {
    return new Error(
      `primary-lease has no binary for ${machine}: there is one for Linux (glibc 2.28 or newer, or ` +
        'musl), macOS and Windows, each on x64 and arm64',
    )
  }
  // On Linux the second is for musl.
  const {name} = isMusl() && process.platform === 'linux' ? second : first
  const {version} = manifest()
  return new Error(
    `primary-lease needs the package ${name} on ${machine}, and it is not installed. ` +
      `Add it: npm install --save-optional ${name}@${version}\n` +
      'It is an optional dependency of primary-lease, and those are skipped\n' +
      '- by npm with --omit=optional (or --no-optional), and where package-lock.json was made on ' +
      'another platform: remove it and node_modules, and install again;\n' +
      '- by pnpm with --no-optional, and for platforms that `supportedArchitectures` does not name;\n' +
      '- by yarn with --ignore-optional (version 1), and for platforms that `supportedArchitectures` ' +
      'in .yarnrc.yml does not name.\n' +
      'An image for another platform than that of the build needs its package too.',
  )
}

/** The package.json beside this code: in a bundle there is none, or another's. */
function manifest() {
  try {
    const module = require('node:module')
    return module.createRequire(here())('./package.json')
  } catch {
    return {}
  }
}

/** @param {Error | undefined} cause */
function bundled(cause) {
  return new Error(
    `primary-lease is in a bundle, and its binary is not beside it: ${cause?.message.split('\n')[0]}\n` +
      'Leave the package out of the bundle, and node_modules where the bundle is:\n' +
      '- esbuild, Bun: --external:primary-lease (Bun: --external primary-lease)\n' +
      "- Next.js: serverExternalPackages: ['primary-lease']\n" +
      "- Rollup, Rolldown, tsup: external: ['primary-lease']\n" +
      "- Vite: ssr: {external: ['primary-lease']}\n" +
      "- webpack: externals: {'primary-lease': 'commonjs primary-lease'}\n" +
      'To bundle it with its binary, see docs/frameworks.md in its repository, "Bundlers".',
    {cause},
  )
}

/** @param {unknown} value */
function kind(value) {
  return typeof value === 'string' ? `'${value}'` : `a value of type ${typeof value}`
}

/** For the message alone: Node names the version of glibc where it runs on one. */
function isMusl() {
  const report = /** @type {any} */ (process.report?.getReport())
  return report?.header.glibcVersionRuntime === undefined
}
