import {dirname} from 'node:path'

export default {
  build: {
    lib: {entry: 'bundlers/calls.mjs', formats: ['es'], fileName: () => 'page.mjs'},
    outDir: dirname(process.env.OUT),
  },
  logLevel: 'error',
}
