import {establishPrimaryServer, LeaderRunner, withLease} from 'primary-lease'

if (typeof LeaderRunner !== 'function' || typeof withLease !== 'function')
  throw new Error('a name is missing')
const lease = await establishPrimaryServer('memory://here', 'load')
console.log(`primary: ${lease.isHeld}`)
