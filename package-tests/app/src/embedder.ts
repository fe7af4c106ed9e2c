import {establishPrimaryServer, setLogger} from 'primary-lease'
import {runEmbedder as runOnce} from './embedderOnce'
import {runEmbedder as runWhilePrimary} from './embedderWhilePrimary'
import {__APP_VERSION__} from './environment'
import {Logger} from './Logger'
import {tellWhatIsHeld} from './observer'
import {establishPrimaryServer as takeTodaysLock} from './todaysLock'

/** The ways to become primary that docs/migrating-from-parabol.md compares. */
const ways: Record<string, () => Promise<void>> = {
  today: () => runOnce(takeTodaysLock),
  import: () => runOnce(establishPrimaryServer),
  scope: () =>
    runOnce((redis, prefix) => establishPrimaryServer(redis, prefix, {scope: __APP_VERSION__})),
  whilePrimary: runWhilePrimary,
}

setLogger(Logger)
tellWhatIsHeld(['embedder', 'embedder-tables'])
ways[process.env.WAY ?? 'whilePrimary']?.()
