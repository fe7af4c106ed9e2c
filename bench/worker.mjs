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
   * @returns {Promise<any>} what it answers; whoever does not wait for that need not hear of its end
   */
  ask(order, argument) {
    const answered = this.#answer(order, argument)
    answered.catch(() => {})
    return answered
  }

  /**
   * @param {string} order
   * @param {unknown} argument
   */
  async #answer(order, argument) {
    const gone = this.#gone.then(([code, signal]) => {
      throw new Error(`${this.script} ended with ${code ?? signal}: ${this.#errors}`)
    })
    this.#child.send({order, argument})
    const [{result, error}] = await Promise.race([once(this.#child, 'message'), gone])
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
