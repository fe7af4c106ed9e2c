// `node scripts/bring-server.mjs 'Valkey 9.1'`: brings a server of another version than the machine's own, and
// prints the path of its program, which the Rust tests start where it is their REDIS_SERVER.

import {explain, Refusal} from '../support/run.mjs'
import {bringOtherServer, findOtherServer, OTHER_SERVERS} from '../support/servers.mjs'

try {
  const server = OTHER_SERVERS.find(({name}) => name === process.argv[2])
  if (!server) {
    throw new Refusal(`One of: ${OTHER_SERVERS.map(({name}) => name).join(', ')}`)
  }
  await bringOtherServer(server)
  console.log(findOtherServer(server))
} catch (error) {
  explain(error)
  process.exitCode = 1
}
