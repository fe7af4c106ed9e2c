// Prints what happens as it happens: one line each, with a column per server that shows who is
// primary.

import {painter, shown} from '../support/paint.mjs'
import {now} from '../support/record.mjs'

/** Lines of different processes arrive out of order by less than this. */
const ORDERING_DELAY = 60

/**
 * @typedef {import('./record.mjs').Entry
 *   | {at: number, server: string, type: 'log', level: string, message: string}
 *   | {at: number, server: string, type: 'act', title: string}
 * } Shown
 */

export class Timeline {
  /** @type {Shown[]} */
  #waiting = []
  /** @type {Map<string, 'primary' | 'standby' | 'gone'>} */
  #lanes
  /** @type {import('./record.mjs').Departed | undefined} */
  #departed
  #timer

  /**
   * @param {string[]} names
   * @param {number} begun the time that is shown as zero
   * @param {NodeJS.WriteStream} [out]
   */
  constructor(names, begun, out = process.stdout) {
    this.#lanes = new Map(names.map((name) => [name, 'gone']))
    this.begun = begun
    this.out = out
    this.paint = painter(out)
    this.#timer = setInterval(() => this.#print(now() - ORDERING_DELAY), 20)
    this.#line('', names.join(' '), this.paint('dim', '● primary  · standby'))
  }

  /** @param {Shown} entry */
  add(entry) {
    this.#waiting.push(entry)
  }

  end() {
    clearInterval(this.#timer)
    this.#print(Number.POSITIVE_INFINITY)
  }

  /** @param {number} until */
  #print(until) {
    const due = this.#waiting.filter(({at}) => at <= until).sort((a, b) => a.at - b.at)
    this.#waiting = this.#waiting.filter(({at}) => at > until)
    for (const entry of due) this.#show(entry)
  }

  /** @param {Shown} entry */
  #show(entry) {
    const {server} = entry
    const say = (/** @type {string} */ what, took = '') => {
      const time = `${((entry.at - this.begun) / 1000).toFixed(2)} s`
      this.#line(time, this.#drawn(), what, took)
    }
    switch (entry.type) {
      case 'act':
        this.out.write('\n')
        return this.#line('', this.#lanesBlank(), this.paint('bold', entry.title))
      case 'started':
        this.#lanes.set(server, 'standby')
        return say(`${server} starts`)
      case 'elected':
        this.#lanes.set(server, 'primary')
        say(
          this.paint('green', `${server} is primary`.padEnd(16)) + this.#token(entry.token),
          this.#took(entry.at),
        )
        this.#departed = undefined
        return
      case 'departed': {
        this.#lanes.set(server, 'gone')
        this.#departed = entry
        return say(this.paint('yellow', `${server} ${DEPARTURES[entry.how]}`))
      }
      case 'ended':
        if (this.#lanes.get(server) === 'primary') this.#lanes.set(server, 'standby')
        if (entry.reason === 'resigned' || entry.reason === 'exit') return
        return say(this.paint('red', `${server} has lost its place (${entry.reason})`))
      case 'began':
      case 'over':
        return say(this.paint('cyan', TRIALS[entry.trial][entry.type](entry)))
      case 'failover':
        return say(this.paint('cyan', FAILOVERS[entry.how]))
      case 'followed':
        return say(
          this.paint(
            'cyan',
            entry.kept
              ? `${server} has kept its lease at the new master`
              : 'followed to the new master',
          ),
        )
      case 'log':
        return say(this.paint('dim', `${server} ${entry.level}s: ${entry.message}`))
    }
  }

  /** @param {number} at */
  #took(at) {
    if (!this.#departed) return ''
    const {how, lastRenewal} = this.#departed
    if (lastRenewal !== undefined) return `${shown(at - lastRenewal)} after the last renewal`
    return `${shown(at - this.#departed.at)} after ${AFTER[how]}`
  }

  /** @param {number} token */
  #token(token) {
    return this.paint('dim', `token ${token}`)
  }

  #drawn() {
    const signs = {primary: this.paint('green', '●'), standby: '·', gone: ' '}
    return [...this.#lanes.values()].map((state) => signs[state]).join(' ')
  }

  #lanesBlank() {
    return [...this.#lanes.keys()].map(() => ' ').join(' ')
  }

  /**
   * @param {string} time
   * @param {string} lanes
   * @param {string} what
   * @param {string} [took]
   */
  #line(time, lanes, what, took = '') {
    const width = 44 + what.length - plain(what).length
    this.out.write(`${time.padStart(9)}  ${lanes}  ${what.padEnd(width)}${took}`.trimEnd())
    this.out.write('\n')
  }
}

const DEPARTURES = {
  kill: 'is killed (SIGKILL)',
  term: 'is ended (SIGTERM) and releases',
  exit: 'calls process.exit()',
  throw: 'dies of an uncaught exception',
}

const AFTER = {
  kill: 'SIGKILL',
  term: 'SIGTERM',
  exit: 'process.exit()',
  throw: 'the exception',
}

/** @type {Record<import('./record.mjs').FailoverKind, string>} */
const FAILOVERS = {
  manual: 'a manual failover is ordered',
  kill: 'the master is killed',
  freeze: 'the master is frozen',
}

/** @type {Record<'block' | 'flush', Record<'began' | 'over', (trial: import('./record.mjs').Trial) => string>>} */
const TRIALS = {
  block: {
    began: ({server}) => `the event loop of ${server} is blocked`,
    over: ({server, found}) => `the event loop of ${server} turns again: ${found}`,
  },
  flush: {
    began: () => 'Redis loses the record of the election',
    over: ({found}) => `a takeover would have come by now; found: ${found}`,
  },
}

/** @param {string} text */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
const plain = (text) => text.replace(/\x1b\[\d+m/g, '')
