// How a lease looks to `console.log`, `util.inspect` and JSON.

import {inspect} from 'node:util'
import {establishPrimaryServer, PrimaryLease, withLease} from 'primary-lease'
import {newPrefix} from './support/redis'

test('a lease of an election shows its prefix, server, token, and for how long it is held', async () => {
  const prefix = newPrefix()
  const lease = await establishPrimaryServer('memory://shown', prefix, {serverId: 'mine'})
  const {token} = lease ?? {}
  expect(JSON.parse(JSON.stringify(lease))).toEqual({
    prefix,
    serverId: 'mine',
    token,
    isHeld: true,
    remainingMs: expect.any(Number),
  })
  expect(inspect(lease, {breakLength: Number.POSITIVE_INFINITY})).toMatch(
    new RegExp(`^PrimaryLease \\{ prefix: '${prefix}', .*token: ${token}, isHeld: true, remaining`),
  )
  await lease?.release()
  expect(JSON.parse(JSON.stringify({lease}))).toMatchObject({
    lease: {isHeld: false, remainingMs: 0},
  })
  expect(inspect(PrimaryLease.prototype)).not.toContain('token')
})

test('a lease of a run shows its resource', async () => {
  const resource = newPrefix()
  const shown = await withLease('memory://shown', resource, {}, (lease) => inspect(lease))
  expect(shown).toMatch(/^Lease \{/)
  expect(shown).toContain(resource)
  expect(shown).toContain('isHeld: true')
})
