'use strict'

// What the command was called with.

const {parseArgs} = require('node:util')
const {help} = require('./help.js')

/** It was used in a wrong way. */
class Misuse extends Error {}

/** @typedef {{redis: string, prefix: string, scope?: string, timeout?: number, json: boolean, wait: boolean}} Call */

const TEXT = /** @type {const} */ ({type: 'string'})
const FLAG = /** @type {const} */ ({type: 'boolean'})

/** The options of each command, beside `--help` and `--timeout`. */
const OPTIONS = {
  inspect: {scope: TEXT, json: FLAG},
  watch: {scope: TEXT},
  list: {json: FLAG},
  resign: {scope: TEXT, wait: FLAG},
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {{help: string} | {command: keyof typeof OPTIONS, call: Call}}
 */
function read(args, env) {
  const [command, ...rest] = args
  if (command === undefined) throw new Misuse('a command is missing')
  if (['--help', '-h', 'help'].includes(command)) return {help: help(rest[0])}
  if (command === '--version' || command === '-v') {
    return {help: `${require('../../../package.json').version}\n`}
  }
  if (!Object.hasOwn(OPTIONS, command)) {
    throw new Misuse(`there is no command ${JSON.stringify(command.slice(0, 40))}`)
  }
  const known = /** @type {keyof typeof OPTIONS} */ (command)
  const {values, positionals} = parse(known, rest)
  if (values.help) return {help: help(command)}
  const [redis, prefix] = known === 'list' ? ofList(positionals) : ofElection(positionals)
  return {
    command: known,
    call: {
      redis: sourceOf(redis, env),
      prefix,
      scope: values.scope,
      timeout: timeoutOf(values.timeout),
      json: values.json ?? false,
      wait: values.wait ?? false,
    },
  }
}

/**
 * @param {keyof typeof OPTIONS} command
 * @param {string[]} args
 * @returns {{values: {help?: boolean, timeout?: string, scope?: string, json?: boolean, wait?: boolean}, positionals: string[]}}
 */
function parse(command, args) {
  const options = {help: {...FLAG, short: 'h'}, timeout: TEXT, ...OPTIONS[command]}
  try {
    return /** @type {any} */ (parseArgs({args, options, allowPositionals: true}))
  } catch (error) {
    // A URL among what it repeats could have a password.
    const {code, message} = /** @type {NodeJS.ErrnoException} */ (error)
    const isKnown = code?.startsWith('ERR_PARSE_ARGS_') && !message.includes('://')
    throw new Misuse(isKnown ? String(message.split('. ')[0]) : 'the options cannot be read')
  }
}

/**
 * @param {string[]} positionals
 * @returns {[string, string]}
 */
function ofElection(positionals) {
  const [redis, prefix] = positionals.length === 1 ? ['-', ...positionals] : positionals
  if (prefix === undefined || (positionals.length === 1 && prefix.includes('://'))) {
    throw new Misuse('the prefix of the election is missing')
  }
  if (positionals.length > 2) throw new Misuse('too many arguments')
  return [redis ?? '-', prefix]
}

/**
 * @param {string[]} positionals
 * @returns {[string, string]}
 */
function ofList(positionals) {
  if (positionals.length > 1) throw new Misuse('too many arguments: list has no prefix')
  return [positionals[0] ?? '-', '']
}

/** @param {string} [given] */
function timeoutOf(given) {
  if (given === undefined) return undefined
  const ms = Number(given)
  if (/^\d{1,9}$/.test(given) && ms > 0) return ms
  throw new Misuse('--timeout must be a number of ms, at least 1')
}

/**
 * The URL, with the password of the environment where it has none: what stands in the arguments of a process,
 * everybody on the machine can read.
 *
 * @param {string} given
 * @param {NodeJS.ProcessEnv} env
 */
function sourceOf(given, env) {
  const url = given === '-' ? env.REDIS_URL : given
  if (!url) throw new Misuse('<redis> is missing: a URL, or REDIS_URL in the environment')
  if (/^memory:/i.test(url)) throw new Misuse('memory:// is seen by its own process only')
  const password = env.REDIS_PASSWORD ?? env.REDISCLI_AUTH
  const [, scheme = '', rest = ''] = /^([^:/]+:\/\/)(.*)$/s.exec(url) ?? []
  if (!password || !scheme) return url
  const end = rest.search(/[/?#]/)
  const [authority, tail] = end < 0 ? [rest, ''] : [rest.slice(0, end), rest.slice(end)]
  const at = authority.lastIndexOf('@')
  const [user, host] = [authority.slice(0, Math.max(at, 0)), authority.slice(at + 1)]
  if (user.includes(':') || /[?&]password=/.test(tail)) return url
  return `${scheme}${user}:${encodeURIComponent(password)}@${host}${tail}`
}

exports.Misuse = Misuse
exports.read = read
