'use strict'

// The arguments of a caller's command. Small ones are copied with the call, large ones a slice at each turn of the
// event loop: it goes on turning meanwhile.

const {addon} = require('./binary.js')
const {invalid} = require('./errors.js')
const {describe} = require('./options.js')

const {MAX_BYTES_OF_ARGUMENT, MAX_BYTES_OF_COMMAND, MAX_COMMAND_ARGUMENTS} = addon

/** What is copied within the call: less than a tenth of a millisecond. */
const AT_ONCE = 256 * 1024
/** About a millisecond. */
const SLICE = 2 * 1024 * 1024

const {setImmediate} = addon.timers()

/** @typedef {string | Uint8Array} Argument */

class Arguments {
  #bytes = 0
  /** What is copied piece by piece. */
  copied = addon.newCommand()
  /** @type {Argument[]} */
  parts = []
  isLarge = false
  /** How long each was when it was read.
   * @type {number[]} */
  #lengths = []

  /** @param {unknown} args */
  constructor(args) {
    if (!Array.isArray(args)) {
      throw invalid(`args must be an array of strings and Buffers, got ${describe(args)}`)
    }
    if (args.length < 1 || args.length > MAX_COMMAND_ARGUMENTS) {
      throw invalid(
        `args must have 1 to ${MAX_COMMAND_ARGUMENTS} elements, the command first, got ${args.length}`,
      )
    }
    for (let index = 0; index < args.length; index++) this.#read(args[index], index)
  }

  /** Copies them, and lets the event loop turn in between. */
  async copy() {
    for (let index = 0; index < this.parts.length; index++) {
      const part = this.parts[index] ?? ''
      if (typeof part === 'string') await this.#copyText(part, index)
      else await this.#copyBytes(part, index)
    }
    this.parts = []
  }

  /**
   * @param {unknown} argument
   * @param {number} index
   */
  #read(argument, index) {
    const length = lengthOf(argument, index)
    // Each unit of a text is a byte at least.
    this.#count(index, length, length)
    if (length > AT_ONCE) this.isLarge = true
    else if (typeof argument === 'string') {
      const bytes = Buffer.byteLength(argument)
      this.#count(index, bytes, bytes - length)
    }
    this.#lengths.push(length)
    this.parts.push(/** @type {Argument} */ (argument))
  }

  /**
   * Counts `more` bytes of an argument that has so many by now.
   *
   * @param {number} index
   * @param {number} ofArgument
   * @param {number} more
   */
  #count(index, ofArgument, more) {
    this.#bytes += more
    if (ofArgument > MAX_BYTES_OF_ARGUMENT) {
      throw invalid(
        `args[${index}] must have at most ${MAX_BYTES_OF_ARGUMENT} bytes (512 MB), which is what Redis takes, ` +
          `got ${ofArgument}`,
      )
    }
    if (this.#bytes > MAX_BYTES_OF_COMMAND) {
      throw invalid(
        `args must have at most ${MAX_BYTES_OF_COMMAND} bytes together, got ${this.#bytes} up to args[${index}]`,
      )
    }
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} index
   */
  async #copyBytes(bytes, index) {
    const length = this.#lengths[index] ?? 0
    for (let at = 0; at < length || at === 0; at += SLICE) {
      if (length > AT_ONCE) await turn()
      if (bytes.length !== length) {
        throw invalid(
          `args[${index}] must not change until it is sent: it had ${length} bytes and has ${bytes.length}`,
        )
      }
      addon.appendToCommand(
        this.copied,
        bytes.subarray(at, at + SLICE),
        at === 0 ? length : undefined,
      )
    }
  }

  /**
   * @param {string} text
   * @param {number} index
   */
  async #copyText(text, index) {
    let at = 0
    let bytes = 0
    do {
      if (text.length > AT_ONCE) await turn()
      let end = Math.min(at + SLICE, text.length)
      // The next unit belongs to it.
      if (end < text.length && isHighSurrogate(text, end - 1)) end -= 1
      const size = at === 0 ? text.length : undefined
      const more = addon.appendToCommand(this.copied, text.slice(at, end), size)
      bytes += more
      // One byte for each of its units has been counted, and the rest of what is small.
      if (text.length > AT_ONCE) this.#count(index, bytes, more - (end - at))
      at = end
    } while (at < text.length)
  }
}

/**
 * The length of an argument in bytes, or in UTF-16 units.
 *
 * @param {unknown} argument
 * @param {number} index
 */
function lengthOf(argument, index) {
  if (typeof argument === 'string') return argument.length
  // Of whatever realm.
  if (Object.prototype.toString.call(argument) === '[object Uint8Array]') {
    return /** @type {Uint8Array} */ (argument).length
  }
  const got = ArrayBuffer.isView(argument) ? 'an array of another type' : describe(argument)
  throw invalid(`args[${index}] must be a string or a Buffer, got ${got}`)
}

/**
 * @param {string} text
 * @param {number} at
 */
function isHighSurrogate(text, at) {
  const unit = text.charCodeAt(at)
  return unit >= 0xd800 && unit < 0xdc00
}

const turn = () => new Promise((turned) => void setImmediate(turned))

exports.Arguments = Arguments
