// Finds the binary of this machine, which lies in a package of its own beside this one.
//
// Written to be bundled: a bundler can fold away the branches of other platforms, and each `#` name
// (package.json, `imports`) falls back on absent.js where a bundler does not find the package, so that
// it has nothing to warn of. Node itself takes the first entry or throws.

/**
 * The packages that were tried, with what went wrong.
 *
 * @type {{name: string, error: NodeJS.ErrnoException}[]}
 */
const tried = []

const binding = load()

function load() {
  if (process.platform === 'linux' && process.arch === 'x64') {
    // Whether the C library is glibc or musl is known by trying: each refuses the other's binary.
    try {
      return present(require('#linux-x64-gnu'))
    } catch (error) {
      failed('linux-x64-gnu', error)
    }
    try {
      return present(require('#linux-x64-musl'))
    } catch (error) {
      failed('linux-x64-musl', error)
    }
  } else if (process.platform === 'linux' && process.arch === 'arm64') {
    try {
      return present(require('#linux-arm64-gnu'))
    } catch (error) {
      failed('linux-arm64-gnu', error)
    }
    try {
      return present(require('#linux-arm64-musl'))
    } catch (error) {
      failed('linux-arm64-musl', error)
    }
  } else if (process.platform === 'darwin' && process.arch === 'x64') {
    try {
      return present(require('#darwin-x64'))
    } catch (error) {
      failed('darwin-x64', error)
    }
  } else if (process.platform === 'darwin' && process.arch === 'arm64') {
    try {
      return present(require('#darwin-arm64'))
    } catch (error) {
      failed('darwin-arm64', error)
    }
  } else if (process.platform === 'win32' && process.arch === 'x64') {
    try {
      return present(require('#win32-x64-msvc'))
    } catch (error) {
      failed('win32-x64-msvc', error)
    }
  } else if (process.platform === 'win32' && process.arch === 'arm64') {
    try {
      return present(require('#win32-arm64-msvc'))
    } catch (error) {
      failed('win32-arm64-msvc', error)
    }
  }
  // In the repository: what `npm run addon` or `npm run build` put beside this file.
  try {
    return present(require('#built-here'))
  } catch {}
  throw explained()
}

/**
 * absent.js exports null.
 *
 * @param {object | null} found
 */
function present(found) {
  if (found === null) throw Object.assign(new Error('not installed'), {code: 'MODULE_NOT_FOUND'})
  return found
}

/**
 * @param {string} platform
 * @param {unknown} error
 */
function failed(platform, error) {
  tried.push({
    name: `primary-lease-${platform}`,
    error: /** @type {NodeJS.ErrnoException} */ (error),
  })
}

function explained() {
  const machine = `${process.platform} ${process.arch}`
  const [first] = tried
  if (!first) {
    return new Error(
      `primary-lease has no binary for ${machine}: there is one for Linux (glibc 2.28 or newer, or ` +
        'musl), macOS and Windows, each on x64 and arm64',
    )
  }
  const broken = tried.find(({error}) => error.code !== 'MODULE_NOT_FOUND')
  if (broken) {
    return new Error(
      `primary-lease found ${broken.name}, but could not load it on ${machine}: ${broken.error.message}`,
      {cause: broken.error},
    )
  }
  // On Linux the second is for musl.
  const {name} = (isMusl() && tried[1]) || first
  const {version} = require('./package.json')
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

/** For the message alone: Node names the version of glibc where it runs on one. */
function isMusl() {
  const report = /** @type {any} */ (process.report?.getReport())
  return report?.header.glibcVersionRuntime === undefined
}

module.exports = binding
