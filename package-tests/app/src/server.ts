import {createServer} from 'node:http'
import {setLogger} from 'primary-lease'
import {checkSequential} from './checkSequential'
import {stopChronos} from './chronos'
import {Logger} from './Logger'
import {tellWhatIsRun} from './observer'
import {RedisInstance} from './RedisInstance'
import {tell} from './tell'

setLogger(Logger)
tellWhatIsRun()
const redis = new RedisInstance('server')

/** Waits until it is told how to end, which a real one knows itself. */
const mutation = checkSequential('import', async () => {
  tell('the mutation runs')
  const told = await new RedisInstance('mutation').blpop('the mutation may end', 0)
  if (told?.[1] === 'badly') throw new Error('nothing to import')
  return {imported: 3}
})

const server = createServer(async (_, response) => {
  response.end(JSON.stringify(await mutation().catch((error) => ({error: String(error)}))))
})

const disconnectAllSockets = async () => {
  server.closeAllConnections()
  await redis.quit()
}

const leave = async () => {
  await stopChronos?.()
  tell('chronos has stopped')
  await disconnectAllSockets()
  process.exit()
}
process.on('SIGTERM', leave)
process.on('SIGINT', leave)

server.listen(0, '127.0.0.1', () => tell('listens', {address: server.address()}))
