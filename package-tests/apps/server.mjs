// A server as the README has it.

import {createServer} from 'node:http'
import {establishPrimaryServer, resignPrimaryServer, whilePrimary} from 'primary-lease'
import {tell, work} from './work.mjs'

const {REDIS_URL = 'redis://localhost', PREFIX = 'app'} = process.env

const leave = () => resignPrimaryServer(undefined, {drain: 5000}).finally(() => process.exit())
process.once('SIGTERM', leave)
process.once('SIGINT', leave)

whilePrimary(PREFIX, work)
createServer().listen(0, () => {
  tell('listens')
  // pm2 waits for it, where `wait_ready` is set.
  process.send?.('ready')
})
establishPrimaryServer(REDIS_URL, PREFIX)
