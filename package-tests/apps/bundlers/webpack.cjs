const {basename, dirname, resolve} = require('node:path')
const webpack = require('webpack')

const {OUT, TARGET = 'node', BUNDLED, ENTRY = './server.mjs', ASSET} = process.env

const config = {
  mode: 'production',
  target: TARGET,
  entry: ENTRY,
  output: {path: resolve(dirname(OUT)), filename: basename(OUT)},
  externals: BUNDLED ? {} : {'primary-lease': 'commonjs primary-lease'},
  module: {rules: ASSET ? [{test: /\.node$/, type: 'asset/resource'}] : []},
}

webpack(config, (error, stats) => {
  console.log(error ?? stats.toString({all: false, errors: true, moduleTrace: true}))
  process.exitCode = error || stats.hasErrors() ? 1 : 0
})
