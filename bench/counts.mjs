// What a Redis server has counted.

/** @param {import('ioredis').Redis} client */
async function commandStats(client) {
  const stats = await client.info('commandstats')
  const found = stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)
  return new Map([...found].map(([, name, calls]) => [String(name), Number(calls)]))
}

/**
 * How often commands of these names were called.
 *
 * @param {import('ioredis').Redis} client
 * @param {string[]} names
 */
export async function calls(client, names) {
  const stats = await commandStats(client)
  return names.reduce((sum, name) => sum + (stats.get(name) ?? 0), 0)
}

export const SCRIPTS = ['eval', 'evalsha']

/**
 * How many connections are ours.
 *
 * @param {import('ioredis').Redis} client
 */
export async function connections(client) {
  const list = String(await client.client('LIST'))
  return list.match(/ name=\S*primary-lease /g)?.length ?? 0
}
