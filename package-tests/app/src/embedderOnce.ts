import {
  importHistoricalMetadata,
  jobStreams,
  maybeCreateTables,
  primeSupportedLanguages,
  processJob,
  resetStalledJobs,
} from './embedding'
import {SERVER_ID} from './environment'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

type Establish = (
  redis: RedisInstance,
  prefix: string,
) => Promise<{release(): Promise<unknown>} | undefined>

/** The embedder as it is today: it asks once whether it is primary. */
export async function runEmbedder(establishPrimaryServer: Establish) {
  const redis = new RedisInstance(`embedder_${SERVER_ID}`)
  const streams = jobStreams()
  const [primaryLock] = await Promise.all([
    establishPrimaryServer(redis, 'embedder'),
    primeSupportedLanguages(),
  ])
  if (primaryLock) {
    await maybeCreateTables()
    await importHistoricalMetadata()
    resetStalledJobs()
  }

  const leave = () => {
    primaryLock?.release().catch(() => {})
    streams.return?.()
  }
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)
  tell('listens')
  for await (const job of streams) await processJob(job)
  process.exit()
}
