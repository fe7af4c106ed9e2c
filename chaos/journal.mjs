import {closeSync, openSync, readSync, writeSync} from 'node:fs'
import {now} from '../support/record.mjs'

/** @typedef {import('./record.mjs').Line} Line */

const READ_EVERY = 10

/** The record as it grows: this run and its servers append to it, and this reads it all again. */
export class Journal {
  #file
  #at = 0
  #rest = ''
  /** @type {Set<(line: Line) => void>} */
  #readers = new Set()
  #timer

  /** @param {string} path */
  constructor(path) {
    this.path = path
    this.#file = openSync(path, 'ax+')
    this.#timer = setInterval(() => this.read(), READ_EVERY)
  }

  /**
   * @template {Line['type']} T
   * @param {T} type
   * @param {Omit<Extract<Line, {type: T}>, 'type' | 'at'> & {at?: number}} rest
   */
  note(type, rest) {
    writeSync(this.#file, `${JSON.stringify({at: now(), type, ...rest})}\n`)
  }

  /**
   * @param {(line: Line) => void} reader
   * @returns how to stop it
   */
  each(reader) {
    this.#readers.add(reader)
    return () => this.#readers.delete(reader)
  }

  /**
   * The next line that matches, or undefined when none came within so many ms.
   *
   * @param {(line: Line) => boolean} matches
   * @param {number} timeout
   * @returns {Promise<Line | undefined>}
   */
  next(matches, timeout) {
    return new Promise((resolve) => {
      const done = (/** @type {Line | undefined} */ line) => {
        stop()
        clearTimeout(timer)
        resolve(line)
      }
      const stop = this.each((line) => matches(line) && done(line))
      const timer = setTimeout(() => done(undefined), timeout)
    })
  }

  /** Hands what was written since to the readers. */
  read() {
    const bytes = Buffer.alloc(1 << 16)
    for (;;) {
      const count = readSync(this.#file, bytes, 0, bytes.length, this.#at)
      if (count === 0) return
      this.#at += count
      const lines = (this.#rest + bytes.toString('utf8', 0, count)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) {
        const parsed = JSON.parse(line)
        for (const reader of [...this.#readers]) reader(parsed)
      }
    }
  }

  close() {
    clearInterval(this.#timer)
    this.read()
    closeSync(this.#file)
  }
}
