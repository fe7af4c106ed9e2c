/** Numbers that one seed decides (mulberry32): the same seed plans the same faults. */
export class Random {
  #state

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** From 0 (included) to 1 (not included). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** @param {number} chance from 0 to 1 */
  happens(chance) {
    return this.next() < chance
  }

  /**
   * @template T
   * @param {readonly T[]} values
   * @returns {T[]} in another order
   */
  shuffled(values) {
    const left = [...values]
    return values.map(() => /** @type {T} */ (left.splice(this.next() * left.length, 1)[0]))
  }
}
