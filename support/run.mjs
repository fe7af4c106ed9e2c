import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'

/** The repository's root, where commands run. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** A command that failed, with all that it printed. */
export class CommandError extends Error {
  /**
   * @param {string} command
   * @param {string} how
   * @param {string} output
   * @param {string} unseen of the output
   */
  constructor(command, how, output, unseen) {
    super(`${command} ${how}`)
    this.output = output
    this.unseen = unseen
  }
}

/**
 * Runs a command without standard input and resolves with what it printed.
 *
 * @param {string} command
 * @param {string[]} [args]
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, silence?: number}} [options] `cwd`
 *   instead of the root; `show` passes the output on as it comes; `silence` kills a command that has
 *   printed nothing for so many ms: it hangs, as a slow one does not.
 * @returns {Promise<string>}
 */
export function run(command, args = [], {cwd = root, env, show = false, silence} = {}) {
  const title = [command, ...args].join(' ')
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: {...process.env, ...env},
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let hangs = false
    const watch =
      silence &&
      setTimeout(() => {
        hangs = true
        child.kill('SIGKILL')
      }, silence)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
        if (show) process.stdout.write(text)
        if (watch) watch.refresh()
      })
    }
    const fail = (/** @type {string} */ how) =>
      reject(new CommandError(title, how, output, show ? '' : output))
    child.on('error', (error) => {
      clearTimeout(watch)
      fail(`failed: ${error.message}`)
    })
    child.on('close', (code, signal) => {
      clearTimeout(watch)
      if (code === 0) resolve(output)
      else if (hangs) fail(`was killed: it had printed nothing for ${Number(silence) / 1000} s`)
      else fail(`exited with ${code ?? signal}`)
    })
  })
}

/**
 * The path of a program of one of these names, or undefined.
 *
 * @param {...string} names
 */
export async function which(...names) {
  for (const name of names) {
    const found = await run('sh', ['-c', `command -v ${name}`]).catch(() => '')
    if (found.trim()) return found.trim()
  }
  return undefined
}

/**
 * Does one step of a longer job, with one line that says what it was and how long it took.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @param {string} [otherwise] what the line begins with where it fails
 * @returns {Promise<T>}
 */
export async function step(title, work, otherwise = 'FAIL') {
  const begun = performance.now()
  if (process.stdout.isTTY) process.stdout.write(`...   ${title}\r`)
  const took = () => `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`
  try {
    const result = await work()
    console.log(`ok    ${title.padEnd(46)}${took()}`)
    return result
  } catch (error) {
    console.log(`${otherwise}  ${title.padEnd(46)}${took()}`)
    throw error
  }
}

/**
 * Says that a step is done without.
 *
 * @param {string} title
 * @param {string} why
 */
export function skip(title, why) {
  console.log(`skip  ${title.padEnd(44)}  ${why}`)
}

/**
 * Why something went wrong, in a line: the last that a failed command printed, where it printed any.
 *
 * @param {any} error
 * @returns {string}
 */
export const reason = (error) => error.output?.trim().split('\n').at(-1) || error.message

/**
 * Says what went wrong: what a failed command printed, unless that was shown, and then its one-line
 * summary.
 *
 * @param {unknown} error
 */
export function explain(error) {
  if (error instanceof CommandError)
    console.error(`\n${error.unseen.trimEnd()}\n\n${error.message}`.replace(/^\n+/, '\n'))
  else if (error instanceof Refusal) console.error(`\n${error.message}`)
  else console.error(error)
}

/** Something that a person has to fix; its message says how. */
export class Refusal extends Error {}
