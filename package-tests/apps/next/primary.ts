import {establishPrimaryServer, resignPrimaryServer, whilePrimary} from 'primary-lease'
import {work} from './work'

const leave = () => resignPrimaryServer(undefined, {drain: 5000}).finally(() => process.exit())
process.once('SIGTERM', leave)
process.once('SIGINT', leave)

whilePrimary('next', work)
// Not awaited: Next serves when this module has been loaded.
void establishPrimaryServer(process.env.REDIS_URL ?? 'redis://localhost', 'next')
