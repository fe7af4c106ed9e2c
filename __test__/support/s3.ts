import {createHash} from 'node:crypto'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {S3Client} from '@aws-sdk/client-s3'

// Its hint that a newer Node will be needed some day is no news to a test.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

/** S3's answers to a conditional write that was not done. */
const REFUSALS = {
  NoSuchKey: 404,
  PreconditionFailed: 412,
  ConditionalRequestConflict: 409,
}

/**
 * A stand-in for S3 that knows objects, their ETags and conditional writes, as the manual of S3
 * describes them, and nothing else. Not S3: what S3 does beyond its manual is not tested.
 */
export async function startS3() {
  const objects = new Map<string, {body: Buffer; etag: string}>()
  /** Called before a write is compared, and may write itself. */
  let beforeWrite: (() => Promise<unknown>) | undefined
  let refuseNext: keyof typeof REFUSALS | undefined
  let repliesToLose = 0
  let breakOff: 'half' | 'nothing' | undefined

  const server = createServer(async (request, response) => {
    const key = new URL(request.url ?? '', 'http://s3').pathname
    const isLost = () => request.method === 'PUT' && repliesToLose-- > 0
    const refuse = (code: keyof typeof REFUSALS) => {
      if (isLost()) return request.socket.destroy()
      response.writeHead(REFUSALS[code], {'content-type': 'application/xml'})
      response.end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
    }
    if (request.method === 'GET') {
      const object = objects.get(key)
      if (!object) return refuse('NoSuchKey')
      const sent = breakOff
      breakOff = undefined
      if (sent === 'half') {
        const length = object.body.length
        response.writeHead(200, {etag: object.etag, 'content-length': length})
        return response.write(object.body.subarray(0, length / 2), () => request.socket.destroy())
      }
      if (sent) {
        const head = ['HTTP/1.1 200 OK', `etag: ${object.etag}`, 'connection: close']
        return request.socket.end(`${head.join('\r\n')}\r\n\r\n`)
      }
      return response.writeHead(200, {etag: object.etag}).end(object.body)
    }
    const body = Buffer.concat(await request.toArray())
    const before = beforeWrite
    beforeWrite = undefined
    await before?.()
    const refusal = refuseNext
    refuseNext = undefined
    if (refusal) return refuse(refusal)
    const present = objects.get(key)
    const {'if-match': match, 'if-none-match': noneMatch} = request.headers
    if (match && !present) return refuse('NoSuchKey')
    if (match && match !== present?.etag) return refuse('PreconditionFailed')
    if (noneMatch === '*' && present) return refuse('PreconditionFailed')
    const etag = `"${createHash('md5').update(body).digest('hex')}"`
    objects.set(key, {body, etag})
    if (isLost()) return request.socket.destroy()
    return response.writeHead(200, {etag}).end()
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const {port} = server.address() as AddressInfo
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {accessKeyId: 'test', secretAccessKey: 'test'},
  })
  return {
    client,
    beforeNextWrite: (action: () => Promise<unknown>) => {
      beforeWrite = action
    },
    refuseNextWrite: (code: keyof typeof REFUSALS) => {
      refuseNext = code
    },
    /** It sends the object's head, and half of the object or nothing of it. */
    breakOffNextRead: (sent: 'half' | 'nothing') => {
      breakOff = sent
    },
    /** Of the writes that come next. */
    loseReplies: (count: number) => {
      repliesToLose = count
    },
    close() {
      client.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}
