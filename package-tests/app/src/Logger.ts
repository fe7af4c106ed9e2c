import {inspect} from 'node:util'
import {tell} from './tell'

type Level = 'debug' | 'info' | 'warn' | 'error'

const log =
  (level: Level) =>
  (message: unknown, ...more: unknown[]) =>
    tell('log', {level, message: String(message), more: more.map((value) => inspect(value))})

/** As `console`, and the one place to which such a server logs. */
export const Logger = {
  debug: log('debug'),
  info: log('info'),
  warn: log('warn'),
  error: log('error'),
}
