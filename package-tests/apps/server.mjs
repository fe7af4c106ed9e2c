// A server as the README has it.

import {createServer} from 'node:http'
import {establishPrimaryServer, resignPrimaryServer, whilePrimary} from 'primary-lease'
import {tell, work} from './work.mjs'

const leave = () => resignPrimaryServer(undefined, {drain: 5000}).finally(() => process.exit())
process.once('SIGTERM', leave)
process.once('SIGINT', leave)

whilePrimary('app', work)
createServer().listen(0)
tell('listens')
establishPrimaryServer(process.env.REDIS_URL ?? 'redis://localhost', 'app')
