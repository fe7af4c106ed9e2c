import {once} from 'node:events'
import {appendFileSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Lease, type PrimaryLease, resignPrimaryServer} from 'primary-lease'
import {until} from '../../support/until'
import {twoLeases} from '../support/leases'

/** What was accepted: the mail, and the lease and the token that it came with. */
type Entry = {lease: string; token: number; mail: string}

/** The mails in a file, a line each with its token: a restart loses neither, or both. */
function openMails(path: string) {
  const entries: Entry[] = []
  /** The highest token of each lease. */
  const newest = new Map<string, number>()
  const file = openSync(path, 'a+')
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      const entry: Entry = JSON.parse(line)
      entries.push(entry)
      newest.set(entry.lease, Math.max(entry.token, newest.get(entry.lease) ?? 0))
    } catch {
      // The empty first line, or one that was being written as the server died: nobody was told that
      // it had been accepted.
    }
  }
  return {
    entries,
    /** The newer token that stands against the entry, or `undefined` where it was accepted. */
    accept(entry: Entry) {
      // From here to the effect nothing waits: another request must not come between.
      const highest = newest.get(entry.lease) ?? 0
      if (entry.token < highest) return highest
      newest.set(entry.lease, entry.token)
      appendFileSync(file, `\n${JSON.stringify(entry)}`)
      fsyncSync(file)
      entries.push(entry)
      return undefined
    },
  }
}

function createApi(mails: ReturnType<typeof openMails>) {
  return createServer(async (request, response) => {
    try {
      const mail = Buffer.concat(await request.toArray()).toString()
      const lease = request.headers['fencing-lease']
      const token = Number(request.headers['fencing-token'])
      const isToken = Number.isSafeInteger(token) && token > 0
      // What was sent twice arrives as one, with a comma.
      if (typeof lease !== 'string' || !/^[^,\s]+$/.test(lease) || !isToken) {
        return response.writeHead(400).end('fencing-lease and fencing-token are needed')
      }
      const highest = mails.accept({lease, token, mail})
      if (highest) {
        return response.writeHead(412).end(`stale token ${token}: ${highest} has been seen`)
      }
      return response.writeHead(204).end()
    } catch {
      // The client broke off, or the disk is full: that ends the request, and not the server.
      return response.writeHead(500).end()
    }
  })
}

async function send(url: string, lease: PrimaryLease | Lease, mail: string) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      // As it is, a header loses spaces at its ends, and takes no letters beyond Latin-1.
      'fencing-lease': encodeURIComponent(lease.name),
      'fencing-token': String(lease.token),
    },
    body: mail,
  })
  if (response.status === 412) throw new Error(await response.text())
  if (!response.ok) throw new Error(`the mail was not sent: ${response.status}`)
}

/** The API on a port, until the test or another start over the same file. */
async function start(path: string) {
  const api = createApi(openMails(path))
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  running.push(api)
  const {port} = api.address() as AddressInfo
  return {
    api,
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      api.closeAllConnections()
      api.close()
      await once(api, 'close')
    },
  }
}

const running: ReturnType<typeof createApi>[] = []
let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'primary-lease-http-'))
  path = join(dir, 'mails')
})
afterEach(async () => {
  for (const api of running.splice(0)) {
    api.closeAllConnections()
    api.close()
  }
  rmSync(dir, {recursive: true})
  await resignPrimaryServer()
})

const mails = () => openMails(path).entries.map(({mail}) => mail)

test('the API refuses a stale token, and a request without one', async () => {
  const {url} = await start(path)
  const [first, second] = await twoLeases()
  await send(url, first, 'a')
  await send(url, second, 'b')
  await expect(send(url, first, 'c')).rejects.toThrow(
    `stale token ${first.token}: ${second.token} has been seen`,
  )
  const [other] = await twoLeases('other')
  await send(url, other, 'd')
  const post = async (headers: [string, string][]) =>
    (await fetch(url, {method: 'POST', body: 'e', headers})).status
  const lease: [string, string] = ['fencing-lease', 'primary%3Amail']
  for (const token of ['0', '-1', '1.5', 'seven', '', String(2 ** 53)])
    expect(await post([lease, ['fencing-token', token]])).toBe(400)
  expect(await post([lease])).toBe(400)
  expect(await post([['fencing-token', '1']])).toBe(400)
  expect(await post([lease, lease, ['fencing-token', '1']])).toBe(400)
  expect(mails()).toEqual(['a', 'b', 'd'])
})

test('a client that breaks off its body ends nothing but its request', async () => {
  const {api, port, url} = await start(path)
  const [first, second] = await twoLeases()
  await send(url, second, 'a')
  const client = connect(port, '127.0.0.1')
  const received = once(api, 'request')
  client.write(
    `POST / HTTP/1.1\r\nhost: api\r\nfencing-lease: ${encodeURIComponent(second.name)}\r\n` +
      `fencing-token: ${second.token}\r\ncontent-length: 100\r\n\r\nhalf of it`,
  )
  const [request] = await received
  client.destroy()
  await until('the server has seen it', () => request.destroyed)
  await expect(send(url, first, 'b')).rejects.toThrow('stale')
  await send(url, second, 'c')
  expect(mails()).toEqual(['a', 'c'])
})

test('the tokens outlive a restart, and so do the mails', async () => {
  const [first, second] = await twoLeases()
  const before = await start(path)
  await send(before.url, first, 'a')
  await send(before.url, second, 'b')
  await before.close()
  // It had begun to write another.
  appendFileSync(path, `\n{"lease":"${encodeURIComponent(second.name)}","tok`)
  for (const mail of ['c', 'd']) {
    const {url, close} = await start(path)
    await expect(send(url, first, 'stale')).rejects.toThrow('stale')
    await send(url, second, mail)
    await close()
  }
  expect(mails()).toEqual(['a', 'b', 'c', 'd'])
})

test('every prefix is a lease of its own', async () => {
  const {url} = await start(path)
  const prefixes = ['app', 'app ', ' app', 'App', 'a,b', 'app%20', '日本語', 'é', 'e\u0301', '🜂']
  const leases = await Promise.all(prefixes.map((prefix) => twoLeases(prefix)))
  // The newest first, so that each smaller token would be refused beside any other.
  for (const [, second] of leases.reverse()) await send(url, second, second.prefix)
  for (const [first] of leases) await expect(send(url, first, 'stale')).rejects.toThrow('stale')
  expect(mails()).toHaveLength(prefixes.length)
})
