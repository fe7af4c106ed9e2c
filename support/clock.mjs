import {mkdirSync, openSync, renameSync, writeSync} from 'node:fs'
import {join} from 'node:path'
import {root, run, which} from './run.mjs'

const SHIM = join(root, 'target/chaos/clock.so')

/** The wall clock of a redis-server, which can be stepped while it runs. */
export class Clock {
  #file
  #offsetNs = 0n

  /** @param {string} path */
  constructor(path) {
    this.#file = openSync(path, 'w+')
    this.env = {LD_PRELOAD: SHIM, CHAOS_CLOCK: path}
    this.step(0)
  }

  /**
   * Compiles the shim, and keeps the offset in that file. Undefined where that cannot be done.
   *
   * @param {string} path
   */
  static async make(path) {
    const compiler = process.platform === 'linux' ? await which('cc', 'gcc', 'clang') : undefined
    if (!compiler) return undefined
    mkdirSync(join(root, 'target/chaos'), {recursive: true})
    const source = join(root, 'support/clock.c')
    // Another run may be loading it at this moment: it is there whole or not at all.
    const made = `${SHIM}.${process.pid}`
    await run(compiler, ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', made, source])
    renameSync(made, SHIM)
    return new Clock(path)
  }

  /** @param {number} ms */
  step(ms) {
    this.#offsetNs += BigInt(ms) * 1_000_000n
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(this.#offsetNs)
    writeSync(this.#file, bytes, 0, bytes.length, 0)
  }
}
