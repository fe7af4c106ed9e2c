import commonjs from '@rollup/plugin-commonjs'
import {nodeResolve} from '@rollup/plugin-node-resolve'

export default {
  input: 'server.mjs',
  external: process.env.BUNDLED ? [] : ['primary-lease'],
  plugins: [nodeResolve(), commonjs()],
  output: {file: process.env.OUT, format: 'es'},
}
