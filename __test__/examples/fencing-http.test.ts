import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'

/** The highest token of each lease: where the data is, and as lasting as it. */
const newest = new Map<string, number>()
const mails: string[] = []

const api = createServer(async (request, response) => {
  const mail = Buffer.concat(await request.toArray()).toString()
  const lease = request.headers['fencing-lease']
  const token = Number(request.headers['fencing-token'])
  if (typeof lease !== 'string' || !(Number.isSafeInteger(token) && token > 0)) {
    return response.writeHead(400).end('fencing-lease and fencing-token are needed')
  }
  // From here to the effect nothing waits: another request must not come between.
  const highest = newest.get(lease) ?? 0
  if (token < highest) {
    return response.writeHead(412).end(`stale token ${token}: ${highest} has been seen`)
  }
  newest.set(lease, token)
  mails.push(mail)
  return response.writeHead(204).end()
})

async function send(url: string, lease: {prefix: string; token: number}, mail: string) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {'fencing-lease': `primary:${lease.prefix}`, 'fencing-token': String(lease.token)},
    body: mail,
  })
  if (response.status === 412) throw new Error(await response.text())
  if (!response.ok) throw new Error(`the mail was not sent: ${response.status}`)
}

test('the API refuses a stale token, and a request without one', async () => {
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  const [first, second] = [1, 2].map((token) => ({prefix: 'mail', token}))
  if (!first || !second) throw new Error('there are two')
  try {
    await send(url, first, 'a')
    await send(url, second, 'b')
    await expect(send(url, first, 'c')).rejects.toThrow('stale token 1: 2 has been seen')
    await send(url, {prefix: 'other', token: 1}, 'd')
    await expect(send(url, {prefix: 'mail', token: Number.NaN}, 'e')).rejects.toThrow('400')
    expect((await fetch(url, {method: 'POST', body: 'f'})).status).toBe(400)
    expect(mails).toEqual(['a', 'b', 'd'])
  } finally {
    api.closeAllConnections()
    api.close()
  }
})
