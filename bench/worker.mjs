import {fork} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {root} from '../support/run.mjs'

/** A process that carries out orders: a library has one of its own. */
export class Worker {
  #child
  #errors = ''
  #gone

  /**
   * @param {string} script in bench/workers
   * @param {...string} args
   */
  constructor(script, ...args) {
    this.script = script
    this.#child = fork(join(root, 'bench/workers', script), args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#errors += text
    })
    this.#gone = once(this.#child, 'exit')
  }

  /**
   * @param {string} order
   * @param {unknown} [argument]
   * @returns {Promise<any>} what it answers
   */
  async ask(order, argument) {
    this.#child.send({order, argument})
    const answer = await Promise.race([once(this.#child, 'message'), this.#gone])
    const [{result, error}] = typeof answer[0] === 'object' ? answer : [{error: this.#errors}]
    if (error) throw new Error(`${this.script}, ${order}: ${error}`)
    return result
  }

  /**
   * Has it end by a signal, or by an order that it does not survive, and resolves when it is gone.
   *
   * @param {string} end
   */
  async perish(end) {
    if (end.startsWith('SIG')) this.#child.kill(/** @type {NodeJS.Signals} */ (end))
    else this.#child.send({order: end})
    await this.#gone
  }

  end() {
    return this.perish('SIGKILL')
  }
}
