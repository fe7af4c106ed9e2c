'use strict'

// A terminal that is drawn again, and given back as it was.

/** The other screen, without a cursor and without wrapping; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const REST_OF_LINE = '\x1b[K'
const REST_OF_SCREEN = '\x1b[J'

/** The keys that end it: q, Ctrl-C and Ctrl-D. */
const ENDING = ['q', 'Q', '\x03', '\x04']

/** As a shell says that it was SIGHUP. */
const GONE = 129

/** @type {{[signal: string]: number}} */
const SIGNALS = {SIGINT: 0, SIGHUP: GONE, SIGTERM: 143}

class Screen {
  exitCode = 0
  isEnded = false
  /** @type {() => void} */
  #end = () => {}
  /** @type {(columns: number, rows: number) => string[]} */
  #lines = () => []
  /** @type {NodeJS.Timeout | undefined} */
  #ticking
  /** @type {[NodeJS.EventEmitter, string, (...args: any[]) => void][]} */
  #listeners = []

  /** @param {NodeJS.WriteStream} out */
  constructor(out) {
    this.out = out
    const {CI, NO_COLOR, TERM} = process.env
    this.paints = !(CI && CI !== 'false') && !NO_COLOR && TERM !== 'dumb'
    /** @type {Promise<void>} */
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** @param {(columns: number, rows: number) => string[]} lines what is on it, asked for each time */
  open(lines) {
    this.#lines = lines
    for (const [signal, code] of Object.entries(SIGNALS))
      this.#on(process, signal, () => this.end(code))
    this.#on(this.out, 'resize', () => this.draw())
    if (process.stdin.isTTY) {
      // A terminal that has gone away: by SIGHUP as a rule, else by an error, here or of what is written.
      this.#on(process.stdin, 'error', () => this.end(GONE))
      this.#on(process.stdin, 'data', (keys) => {
        if (ENDING.some((key) => String(keys).includes(key))) this.end(0)
      })
      process.stdin.setRawMode(true)
    }
    this.out.write(ENTER)
    this.#ticking = setInterval(() => this.draw(), 1_000)
    this.draw()
  }

  draw() {
    if (this.isEnded) return
    const [columns, rows] = [this.out.columns || 80, this.out.rows || 24]
    const lines = this.#lines(columns, rows).slice(0, rows)
    // Over the old lines, so that nothing flickers.
    this.out.write(HOME + lines.map((line) => line + REST_OF_LINE).join('\r\n') + REST_OF_SCREEN)
  }

  /**
   * Whether it goes on after so many ms.
   *
   * @param {number} ms
   */
  async pause(ms) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer
    const passed = new Promise((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([passed, this.ended])
    clearTimeout(timer)
    return !this.isEnded
  }

  /** @param {number} code */
  end(code) {
    if (this.isEnded) return
    this.isEnded = true
    this.exitCode = code
    this.#end()
  }

  close() {
    this.isEnded = true
    clearInterval(this.#ticking)
    for (const [of, event, listener] of this.#listeners) of.off(event, listener)
    this.out.write(LEAVE)
    if (!process.stdin.isTTY) return
    try {
      process.stdin.setRawMode(false)
    } catch {
      // It has gone away.
    }
    process.stdin.pause()
  }

  /**
   * @param {NodeJS.EventEmitter} of
   * @param {string} event
   * @param {(...args: any[]) => void} listener
   */
  #on(of, event, listener) {
    of.on(event, listener)
    this.#listeners.push([of, event, listener])
  }
}

exports.GONE = GONE
exports.Screen = Screen
