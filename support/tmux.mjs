// A real terminal for tests: what is on it, what is typed, and how large it is.

import {execFile} from 'node:child_process'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {which} from './run.mjs'

const execute = promisify(execFile)

/** The path of tmux, or undefined. */
export const findTmux = () => which('tmux')

/** A terminal of its own, with a shell in it. */
export class Terminal {
  /** @param {string} dir where its socket is */
  constructor(dir) {
    this.dir = dir
  }

  /**
   * @param {{columns?: number, rows?: number, env?: {[name: string]: string}}} [options]
   */
  static async open({columns = 80, rows = 24, env = {}} = {}) {
    const terminal = new Terminal(await mkdtemp(join(tmpdir(), 'primary-lease-terminal-')))
    const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
    const size = ['-x', String(columns), '-y', String(rows)]
    const shell = 'env PS1="ready$ " sh'
    await terminal.tmux('-f', '/dev/null', '-u', 'new-session', '-d', ...size, ...variables, shell)
    return terminal
  }

  /** @param {string[]} args */
  async tmux(...args) {
    const {stdout} = await execute('tmux', ['-S', join(this.dir, 'socket'), ...args])
    return stdout
  }

  /** @param {string} line */
  async type(line) {
    await this.tmux('send-keys', '-l', line)
    await this.tmux('send-keys', 'Enter')
  }

  /** @param {string[]} keys as tmux names them: `q`, `C-c` */
  async press(...keys) {
    await this.tmux('send-keys', ...keys)
  }

  /** What is on it, line by line. */
  async screen() {
    return (await this.tmux('capture-pane', '-p')).split('\n')
  }

  /** The same with what colours it. */
  async painted() {
    return await this.tmux('capture-pane', '-p', '-e')
  }

  /**
   * What tmux knows of it: `cursor_flag`, `alternate_on`, `pane_pid`.
   *
   * @param {string} name
   */
  async ask(name) {
    return (await this.tmux('display-message', '-p', `#{${name}}`)).trim()
  }

  /**
   * @param {number} columns
   * @param {number} rows
   */
  async resize(columns, rows) {
    await this.tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** It goes away, as a window that is closed. */
  async close() {
    await this.tmux('kill-server').catch(() => {})
    await rm(this.dir, {recursive: true, force: true})
  }
}
