import {randomUUID} from 'node:crypto'
import {
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import {startS3} from '../support/s3'

type Report = {lines: string[]}
/** What the object holds: the token beside the content, where the ETag covers both. */
type Kept = {token: number; write: string; content: Report}

/** Replaces the object by what `change` makes of it, unless a newer token has written it. */
async function replace(
  s3: S3Client,
  place: {Bucket: string; Key: string},
  token: number,
  change: (content: Report | undefined) => Report,
) {
  const write = randomUUID()
  for (;;) {
    const found = await s3.send(new GetObjectCommand(place)).catch((error) => {
      if (error instanceof NoSuchKey) return undefined
      throw error
    })
    const text = await found?.Body?.transformToString()
    const kept: Kept | undefined = text ? JSON.parse(text) : undefined
    // The write had been done, and its reply was lost.
    if (kept?.write === write) return
    if (kept && kept.token > token) {
      throw new Error(`stale token ${token}: ${kept.token} has been seen`)
    }
    const condition = found ? {IfMatch: found.ETag} : {IfNoneMatch: '*'}
    const Body = JSON.stringify({token, write, content: change(kept?.content)})
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

async function setUp() {
  const s3 = await startS3()
  return {
    s3,
    write: (token: number, line: string) => replace(s3.client, place, token, append(line)),
    async content(): Promise<Kept> {
      const {Body} = await s3.client.send(new GetObjectCommand(place))
      return JSON.parse((await Body?.transformToString()) ?? '')
    },
  }
}

let scene: Awaited<ReturnType<typeof setUp>>
beforeEach(async () => {
  scene = await setUp()
})
afterEach(() => scene.s3.close())

test('rising tokens write, a stale one is refused', async () => {
  const {write, content} = scene
  await write(1, 'a')
  await write(1, 'b')
  await write(2, 'c')
  await expect(write(1, 'd')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await content()).toMatchObject({token: 2, content: {lines: ['a', 'b', 'c']}})
})

test('a primary that was frozen between its look and its write is refused', async () => {
  const {s3, write, content} = scene
  await write(1, 'a')
  s3.beforeNextWrite(() => write(2, 'b'))
  await expect(write(1, 'c')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await content()).toMatchObject({token: 2, content: {lines: ['a', 'b']}})
})

test('the same, where there was no object yet', async () => {
  const {s3, write, content} = scene
  s3.beforeNextWrite(() => write(2, 'b'))
  await expect(write(1, 'a')).rejects.toThrow('stale token 1: 2 has been seen')
  expect(await content()).toMatchObject({token: 2, content: {lines: ['b']}})
})

test('the successor writes again what the old one overtook', async () => {
  const {s3, write, content} = scene
  await write(1, 'a')
  s3.beforeNextWrite(() => write(1, 'b'))
  await write(2, 'c')
  expect(await content()).toMatchObject({token: 2, content: {lines: ['a', 'b', 'c']}})
})

test('a conflict and a lost reply are looked into, and nothing is written twice', async () => {
  const {s3, write, content} = scene
  await write(1, 'a')
  s3.refuseNextWrite('ConditionalRequestConflict')
  await write(1, 'b')
  s3.loseNextReply()
  await write(1, 'c')
  expect((await content()).content.lines).toEqual(['a', 'b', 'c'])
})
