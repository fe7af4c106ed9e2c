import {once} from 'node:events'
import {connect, createServer} from 'node:net'

/**
 * @typedef {'pass' | 'refuse' | 'hole' | 'deaf' | 'hold'} Mode `refuse`: a new connection is closed
 *   at once. `hole`: what is sent vanishes. `deaf`: replies vanish. `hold`: what is sent arrives
 *   later, also when its sender has hung up by then
 */

/** One server's way to Redis: a listening port of its own, whose connections can be ill-treated. */
export class Detour {
  /** @type {Mode} */
  #mode = 'pass'
  /** How late a packet is, in ms: drawn for each. */
  #delay = () => 0
  /** @type {Set<Link>} */
  #links = new Set()
  #cutting = false

  /** @param {number} target the port of Redis */
  constructor(target) {
    this.target = target
    this.server = createServer({allowHalfOpen: true}, (client) => this.#accept(client))
  }

  async listen() {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return this.port
  }

  get port() {
    return /** @type {import('node:net').AddressInfo} */ (this.server.address()).port
  }

  /** @param {Mode} mode */
  set(mode) {
    this.#mode = mode
    if (mode === 'refuse') this.drop()
    for (const link of this.#links) link.heed(mode)
  }

  /** @param {() => number} delay */
  slow(delay) {
    this.#delay = delay
  }

  /** The next reply ends in its middle, and its connection with it. */
  cutReply() {
    this.#cutting = true
  }

  /** Everything passes again; connections that lost bytes stay dead. */
  heal() {
    this.#delay = () => 0
    this.#cutting = false
    this.set('pass')
  }

  drop() {
    for (const link of this.#links) link.destroy()
  }

  /** Redis says goodbye, and goes on listening. */
  halfClose() {
    for (const link of this.#links) link.client.end()
  }

  /** What is established now is a black hole for good. */
  bury() {
    for (const link of this.#links) link.bury()
  }

  close() {
    this.server.close()
    this.drop()
  }

  /** @param {import('node:net').Socket} client */
  #accept(client) {
    client.on('error', () => {})
    if (this.#mode === 'refuse') return client.destroy()
    const link = new Link(client, this.target, {
      delay: () => this.#delay(),
      cuts: () => {
        const cuts = this.#cutting
        this.#cutting = false
        return cuts
      },
      gone: () => this.#links.delete(link),
    })
    link.heed(this.#mode)
    this.#links.add(link)
    return undefined
  }
}

class Link {
  /** @type {Mode} */
  #mode = 'pass'
  #buried = false
  /** @type {(() => void)[]} */
  #held = []

  /**
   * @param {import('node:net').Socket} client
   * @param {number} target
   * @param {{delay: () => number, cuts: () => boolean, gone: () => void}} detour
   */
  constructor(client, target, detour) {
    this.client = client
    this.detour = detour
    this.upstream = connect({port: target, host: '127.0.0.1', allowHalfOpen: true})
    for (const socket of [client, this.upstream]) socket.setNoDelay(true).on('error', () => {})
    // In order, however late each packet is.
    let requests = Promise.resolve()
    let replies = Promise.resolve()
    const late = () => {
      const ms = detour.delay()
      return ms ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined
    }
    client.on('data', (bytes) => {
      requests = requests.then(late).then(() => this.#forward(() => this.upstream.write(bytes)))
    })
    this.upstream.on('data', (bytes) => {
      replies = replies.then(late).then(() => this.#reply(bytes))
    })
    client.on('end', () => {
      requests = requests.then(() => this.#forward(() => this.upstream.end()))
    })
    this.upstream.on('end', () => {
      replies = replies.then(() => {
        if (this.#mode === 'pass' && !this.#buried) client.end()
      })
    })
    client.on('close', () => {
      requests = requests.then(() => this.#forward(() => this.upstream.end()))
      if (this.upstream.destroyed) detour.gone()
    })
    this.upstream.on('close', () => {
      // A Redis that is gone: its clients see that, unless the network is what keeps silent.
      if (this.#mode === 'pass' && !this.#buried) client.destroy()
      if (client.destroyed) detour.gone()
    })
  }

  /** @param {Mode} mode */
  heed(mode) {
    // Bytes are missing: no reply can be told from another any more.
    if (this.#mode === 'hole' || this.#mode === 'deaf') this.#buried ||= mode === 'pass'
    this.#mode = mode
    if (mode === 'pass') for (const forward of this.#held.splice(0)) forward()
    if (mode === 'pass' && this.upstream.destroyed && !this.#buried) this.client.destroy()
  }

  bury() {
    this.#buried = true
  }

  destroy() {
    this.client.destroy()
    this.upstream.destroy()
    this.detour.gone()
  }

  /** @param {() => void} forward */
  #forward(forward) {
    if (this.#mode === 'hold') this.#held.push(forward)
    else if (!this.#buried && this.#mode !== 'hole') forward()
  }

  /** @param {Buffer} bytes */
  #reply(bytes) {
    if (this.#buried || this.#mode === 'hole' || this.#mode === 'deaf') return
    if (this.#mode === 'hold') {
      this.#held.push(() => this.client.write(bytes))
    } else if (this.detour.cuts()) {
      this.client.end(bytes.subarray(0, bytes.length / 2))
      this.upstream.destroy()
    } else if (!this.client.destroyed) {
      this.client.write(bytes)
    }
  }
}
