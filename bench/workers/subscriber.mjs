// A bare subscriber: node subscriber.mjs <redis url> <channel>

import Redis from 'ioredis'
import {now} from '../../support/record.mjs'
import {serve} from './serve.mjs'

const [url, channel] = /** @type {[string, string]} */ (process.argv.slice(2))
/** When each grant was heard of, by its token.
 * @type {Map<number, number>} */
const granted = new Map()

const client = new Redis(url)
client.on('message', (_, text) => {
  const at = now()
  const [, change, , , , , token] = text.split(' ')
  if (change === 'granted') granted.set(Number(token), at)
})
await client.subscribe(channel)

serve({
  /** When so many tokens were heard of. */
  heard: (/** @type {number[]} */ tokens) => tokens.map((token) => granted.get(token)),
})
