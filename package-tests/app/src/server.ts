import {createServer} from 'node:http'
import {checkSequential} from './checkSequential'
import {startChronos} from './chronos'
import {startEmbedder} from './embedder'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

const redis = new RedisInstance('server')

/** Waits until it is told to end, which a real one knows itself. */
const mutation = checkSequential('import', async () => {
  tell('the mutation runs')
  await new RedisInstance('mutation').blpop('the mutation may end', 0)
  return {imported: 3}
})

async function main() {
  const releaseEmbedder = await startEmbedder()
  const stopChronos = startChronos()
  const server = createServer(async (_, response) => {
    response.end(JSON.stringify(await mutation().catch((error) => ({error: String(error)}))))
  })

  const disconnectAllSockets = async () => {
    server.closeAllConnections()
    await redis.quit()
  }
  process.on('SIGTERM', async () => {
    releaseEmbedder()
    await stopChronos()
    await disconnectAllSockets()
    process.exit()
  })

  server.listen(0, '127.0.0.1', () => tell('listens', {address: server.address()}))
}

main()
