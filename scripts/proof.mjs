import {explain, skip, step} from '../support/run.mjs'

/** Steps that are all taken, whatever the others come to, and what they add up to. */
export class Proof {
  passed = 0
  failed = 0
  /** @type {string[]} */
  #broken = []
  /** @type {string[]} */
  #skipped = []

  /**
   * Takes one step, and explains its failure.
   *
   * @param {string} title
   * @param {() => Promise<unknown>} work
   * @param {{needs?: string[]}} [options] the titles of steps without whose success this one says nothing
   */
  async step(title, work, {needs = []} = {}) {
    const missing = needs.filter((need) => [...this.#broken, ...this.#skipped].includes(need))
    if (missing.length) return this.skip(title, `for want of: ${missing.join(', ')}`)
    const before = this.failed
    try {
      await step(title, work)
    } catch (error) {
      explain(error)
      this.#broken.push(title)
      // What failed need not have been a test: a lint, a hang.
      if (this.failed === before) this.failed++
    }
  }

  /**
   * Does without a step.
   *
   * @param {string} title
   * @param {string} why
   */
  skip(title, why) {
    skip(title, why)
    this.#skipped.push(title)
  }

  /** Whether every step succeeded. */
  get holds() {
    return this.#broken.length === 0
  }

  /** In a line or two. */
  get summary() {
    const lines = [`${this.passed} passed, ${this.failed} failed`]
    if (this.#broken.length) lines.push(`failed: ${this.#broken.join(', ')}`)
    if (this.#skipped.length) lines.push(`skipped: ${this.#skipped.join(', ')}`)
    return lines.join('\n')
  }
}
