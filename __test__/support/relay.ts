import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {sleep} from '../../support/until'

/** What becomes of an answer on its way back. */
export type Manner =
  | {how: 'pass'}
  /** It comes so many milliseconds late. */
  | {how: 'delay'; ms: number}
  /** It comes so many bytes at a time, with pauses of some milliseconds. */
  | {how: 'trickle'; bytes: number}
  /** It ends after so many bytes, and with it the connection, or nothing follows at all. */
  | {how: 'cut'; after: number; hangUp: boolean}
  /** What a script answers is replaced by an error with these words. */
  | {how: 'refuse'; words: string}
  /** Nothing comes through in either direction, and nobody hangs up. */
  | {how: 'swallow'}

/** Stands before a server and does something to what passes. */
export class Relay {
  manner: Manner = {how: 'pass'}
  connections = 0
  cuts = 0
  swallowed = 0
  readonly #server
  readonly #sockets = new Set<Socket>()

  private constructor(to: number) {
    this.#server = createServer((near) => {
      this.connections++
      const far = connect(to, '127.0.0.1')
      this.#keep(near, far)
      this.#keep(far, near)
      let script = false
      near.on('data', (request) => {
        script = request.includes('EVAL')
        if (this.manner.how === 'swallow') this.swallowed++
        else far.write(request)
      })
      near.on('end', () => far.end())
      far.on('data', (answer) => {
        if (this.manner.how === 'trickle') return void this.#trickle(near, far, answer)
        this.#answer(near, answer, script)
      })
    })
  }

  static async before(port: number) {
    const relay = new Relay(port)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get url() {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close() {
    this.#server.close()
    this.hangUp()
  }

  /** Ends all connections. */
  hangUp() {
    for (const socket of this.#sockets) socket.destroy()
  }

  #keep(socket: Socket, other: Socket) {
    this.#sockets.add(socket.setNoDelay())
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      other.destroy()
    })
  }

  /** Nothing further is read from the server meanwhile. */
  async #trickle(near: Socket, far: Socket, answer: Buffer) {
    far.pause()
    let rest = answer
    while (rest.length && this.manner.how === 'trickle') {
      near.write(rest.subarray(0, this.manner.bytes))
      rest = rest.subarray(this.manner.bytes)
      await sleep(5)
    }
    near.write(rest)
    far.resume()
  }

  #answer(near: Socket, answer: Buffer, ofScript: boolean) {
    const {manner} = this
    if (manner.how === 'pass') near.write(answer)
    if (manner.how === 'delay') setTimeout(() => near.write(answer), manner.ms).unref()
    if (manner.how === 'refuse') {
      const text = answer.toString('latin1')
      // A script of an election answers with an array, behind the messages that it has published.
      const reply = ofScript ? /(^|\r\n)\*/.exec(text) : null
      if (reply) {
        const before = text.slice(0, reply.index + String(reply[1]).length)
        near.write(`${before}-${manner.words}\r\n`, 'latin1')
      } else {
        near.write(answer)
      }
    }
    if (manner.how === 'cut') {
      this.cuts++
      near.write(answer.subarray(0, manner.after))
      if (manner.hangUp) near.end()
    }
  }
}
