// The thing that a primary writes to: it remembers the highest token that it has seen, and refuses a
// smaller one. It has a Redis of its own, which no fault touches, and knows nothing of the addon.

/**
 * @typedef {{type: 'write', at: number, server: string, order: number, token: number,
 *   accepted: boolean, woken: boolean}} Write an attempt; `order`: in which the resource decided;
 *   `woken`: sent by a server that had not run for a while, before anything else
 */

const LAST = 'resource:token'
const HISTORY = 'resource:history'

// KEYS: the highest token, the history. ARGV: token, server, when it was sent, whether just woken.
const WRITE = `
local highest = tonumber(redis.call('GET', KEYS[1]) or '0')
local accepted = tonumber(ARGV[1]) >= highest
if accepted then redis.call('SET', KEYS[1], ARGV[1]) end
redis.call('RPUSH', KEYS[2], table.concat({ARGV[1], ARGV[2], ARGV[3], ARGV[4], accepted and 1 or 0}, ' '))
return accepted and 1 or 0
`

/**
 * @param {import('ioredis').Redis} client
 * @param {{token: number, server: string, at: number, woken: boolean}} attempt
 * @returns whether it was accepted
 */
export async function write(client, {token, server, at, woken}) {
  return (await client.eval(WRITE, 2, LAST, HISTORY, token, server, at, woken ? 1 : 0)) === 1
}

/**
 * Every attempt, in the order in which the resource decided.
 *
 * @param {import('ioredis').Redis} client
 * @param {number} [from]
 * @returns {Promise<Write[]>}
 */
export async function attempts(client, from = 0) {
  const lines = await client.lrange(HISTORY, from, -1)
  return lines.map((line, index) => {
    const [token, server, at, woken, accepted] = line.split(' ')
    return {
      type: 'write',
      order: from + index,
      at: Number(at),
      server: String(server),
      token: Number(token),
      woken: woken === '1',
      accepted: accepted === '1',
    }
  })
}
