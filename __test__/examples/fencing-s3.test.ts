import {randomUUID} from 'node:crypto'
import {
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import type {Lease, PrimaryLease} from 'primary-lease'
import {startS3} from '../support/s3'

type Report = {lines: string[]}
/** What the object holds: each lease's token beside the content, where the ETag covers both. */
type Kept = {tokens: Record<string, number>; write: string; content: Report}

/** Replaces the object by what `change` makes of it, unless a newer token has written it. */
async function replace(
  s3: S3Client,
  place: {Bucket: string; Key: string},
  {name, token}: PrimaryLease | Lease,
  change: (content: Report | undefined) => Report,
) {
  const write = randomUUID()
  for (;;) {
    const found = await s3.send(new GetObjectCommand(place)).catch((error) => {
      if (error instanceof NoSuchKey) return undefined
      throw error
    })
    // Of a reply that breaks off this rejects, or is no JSON.
    const kept: Kept | undefined =
      found && JSON.parse((await found.Body?.transformToString()) ?? '')
    // The write had been done, and its reply was lost.
    if (kept?.write === write) return
    const highest = kept?.tokens[name] ?? 0
    if (highest > token) throw new Error(`stale token ${token}: ${highest} has been seen`)
    const condition = found ? {IfMatch: found.ETag} : {IfNoneMatch: '*'}
    const tokens = {...kept?.tokens, [name]: token}
    const Body = JSON.stringify({tokens, write, content: change(kept?.content)})
    try {
      await s3.send(new PutObjectCommand({...place, ...condition, Body}))
      return
    } catch (error) {
      const status =
        error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined
      // Another write came first (412), comes at this moment (409), or removed the object (404):
      // look again whose it was.
      if (status !== 412 && status !== 409 && status !== 404) throw error
    }
  }
}

const place = {Bucket: 'reports', Key: 'today.json'}
const append = (line: string) => (report?: Report) => ({lines: [...(report?.lines ?? []), line]})
const NAME = 'primary:reports'

async function setUp() {
  const s3 = await startS3()
  return {
    s3,
    write: (token: number, line: string, name = NAME) =>
      replace(s3.client, place, {name, token} as PrimaryLease, append(line)),
    /** The tokens and the lines that are kept. */
    async kept() {
      const {Body} = await s3.client.send(new GetObjectCommand(place))
      const {tokens, content}: Kept = JSON.parse((await Body?.transformToString()) ?? '')
      return {tokens, lines: content.lines}
    },
  }
}

let scene: Awaited<ReturnType<typeof setUp>>
beforeEach(async () => {
  scene = await setUp()
})
afterEach(() => scene.s3.close())

test('rising tokens write, a stale one is refused', async () => {
  const {write, kept} = scene
  await write(1, 'a')
  await write(1, 'b')
  await write(2, 'c')
  await expect(write(1, 'd')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await kept()).toEqual({tokens: {[NAME]: 2}, lines: ['a', 'b', 'c']})
})

test('the tokens of another lease do not compare', async () => {
  const {write, kept} = scene
  await write(2, 'a')
  await write(1, 'b', `${NAME}:v2`)
  await expect(write(1, 'c')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await kept()).toEqual({tokens: {[NAME]: 2, [`${NAME}:v2`]: 1}, lines: ['a', 'b']})
})

test('a primary that was frozen between its look and its write is refused', async () => {
  const {s3, write, kept} = scene
  await write(1, 'a')
  s3.beforeNextWrite(() => write(2, 'b'))
  await expect(write(1, 'c')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await kept()).toEqual({tokens: {[NAME]: 2}, lines: ['a', 'b']})
})

test('the same, where there was no object yet', async () => {
  const {s3, write, kept} = scene
  s3.beforeNextWrite(() => write(2, 'b'))
  await expect(write(1, 'a')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await kept()).toEqual({tokens: {[NAME]: 2}, lines: ['b']})
})

test('the successor writes again what the old one overtook', async () => {
  const {s3, write, kept} = scene
  await write(1, 'a')
  s3.beforeNextWrite(() => write(1, 'b'))
  await write(2, 'c')
  expect(await kept()).toEqual({tokens: {[NAME]: 2}, lines: ['a', 'b', 'c']})
})

test('a conflict and a lost reply are looked into, and nothing is written twice', async () => {
  const {s3, write, kept} = scene
  await write(1, 'a')
  s3.refuseNextWrite('ConditionalRequestConflict')
  await write(1, 'b')
  s3.loseReplies(1)
  await write(1, 'c')
  expect((await kept()).lines).toEqual(['a', 'b', 'c'])
})

test.each([
  ['in the middle of the object', 'half'],
  ['before the object, and does not say how long it is', 'nothing'],
] as const)('a server that breaks off %s gives nothing to write over', async (_, sent) => {
  const {s3, write, kept} = scene
  await write(2, 'a')
  for (const token of [1, 2, 3]) {
    s3.breakOffNextRead(sent)
    await expect(write(token, 'lost')).rejects.not.toThrow('stale')
  }
  await expect(write(1, 'b')).rejects.toThrow('stale token 1: 2 has been seen')
  await write(3, 'c')
  expect(await kept()).toEqual({tokens: {[NAME]: 3}, lines: ['a', 'c']})
})

test('a server that loses every reply ends nothing but the call', async () => {
  const {s3, write, kept} = scene
  await write(1, 'a')
  // The client of S3 sends a request three times.
  s3.loseReplies(3)
  await expect(write(1, 'b')).rejects.toThrow()
  await write(1, 'c')
  // Rejected as it was, it had been written.
  expect((await kept()).lines).toEqual(['a', 'b', 'c'])
})
