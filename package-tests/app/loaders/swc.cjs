const {transformSync} = require('@swc/core')

/** One file at a time, and `import` stays for webpack. */
module.exports = function (source) {
  const jsc = {target: 'es2022', parser: {syntax: 'typescript'}}
  return transformSync(source, {filename: this.resourcePath, jsc, module: {type: 'es6'}}).code
}
