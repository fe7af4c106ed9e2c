import {establishPrimaryServer, resignPrimaryServer, whilePrimary, withLease} from 'primary-lease'
import {
  importHistoricalMetadata,
  jobStreams,
  maybeCreateTables,
  primeSupportedLanguages,
  processJob,
  resetStalledJobs,
} from './embedding'
import {__APP_VERSION__, SERVER_ID} from './environment'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

/** The embedder that takes over. */
export async function runEmbedder() {
  const redis = new RedisInstance(`embedder_${SERVER_ID}`)
  const streams = jobStreams()

  // Another server is let in as soon as the work below has stopped.
  let left: Promise<void> | undefined
  const leave = () => {
    streams.return?.()
    left ??= resignPrimaryServer(undefined, {drain: 10_000})
  }
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)

  const createTables = () =>
    withLease(redis, `embedder-tables:${__APP_VERSION__}`, {wait: 60_000}, maybeCreateTables)

  // One server of each version, as soon as there is one.
  whilePrimary('embedder-tables', createTables)
  // One server of all.
  whilePrimary('embedder', async ({signal}) => {
    await createTables()
    await importHistoricalMetadata()
    if (signal.aborted) return
    const resetting = resetStalledJobs()
    signal.addEventListener('abort', () => clearInterval(resetting))
  })

  await Promise.all([
    establishPrimaryServer(redis, 'embedder-tables', {scope: __APP_VERSION__}),
    establishPrimaryServer(redis, 'embedder'),
    primeSupportedLanguages(),
  ])

  tell('listens')
  for await (const job of streams) await processJob(job)
  await left
  process.exit()
}
