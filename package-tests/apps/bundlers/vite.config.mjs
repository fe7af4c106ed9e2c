import {dirname} from 'node:path'

export default {
  ssr: {noExternal: true, external: process.env.BUNDLED ? [] : ['primary-lease']},
  build: {ssr: 'server.mjs', outDir: dirname(process.env.OUT), minify: false},
  logLevel: 'error',
}
