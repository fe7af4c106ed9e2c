import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {join} from 'node:path'

/** One file at a time, as the bundlers and Jest do. `from` is the app, which has the compiler. */
export function transpile(from: string, to: string) {
  const {transformSync} = createRequire(join(from, 'package.json'))('@swc/core')
  for (const file of readdirSync(join(from, 'src'))) {
    if (!file.endsWith('.ts')) continue
    const source = readFileSync(join(from, 'src', file), 'utf8')
    const jsc = {target: 'es2022', parser: {syntax: 'typescript'}}
    const {code} = transformSync(source, {jsc, module: {type: 'commonjs'}})
    writeFileSync(join(to, file.replace(/ts$/, 'js')), code)
  }
}
