const {basename, posix} = require('node:path')

/** Puts a binary beside the bundle, and loads it from there. */
module.exports = function (content) {
  const name = posix.join('node/binaries', basename(this.resourcePath))
  this.emitFile(name, content)
  return `const {sep} = require('node:path')\nprocess.dlopen(module, __dirname + sep + ${JSON.stringify(name)})\n`
}
module.exports.raw = true
