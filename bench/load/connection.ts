import { connect, type Socket } from 'node:net'

export interface Answer {
  status: number
  /** Status line and headers, as received. */
  head: string
  body: string
}

const ANSWER_TIMEOUT_MS = 20_000

/**
 * One keep-alive connection, with only as much HTTP as the contestants use: every answer has a
 * `Content-Length`. It needs far less CPU than a general client, which leaves more to the contestants.
 */
export class Connection {
  readonly #socket: Socket
  #received = ''
  /** Start of the answer's body, once its head is complete. */
  #bodyAt = -1
  /** End of the answer, once its head is complete. */
  #end = -1
  #settle: { resolve: (answer: Answer) => void, reject: (error: Error) => void } | undefined

  constructor (port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1')
    this.#socket.setTimeout(ANSWER_TIMEOUT_MS, () => { this.#socket.destroy(new Error('no answer in time')) })
    this.#socket.on('data', (chunk) => { this.#read(chunk as unknown as string) })
    this.#socket.on('error', (error) => { this.#settle?.reject(error) })
    this.#socket.on('close', () => { this.#settle?.reject(new Error('the server closed the connection')) })
  }

  /** Sends one request at a time. */
  send (request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#socket.write(request, 'latin1')
    })
  }

  close (): void {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #read (chunk: string): void {
    this.#received += chunk
    if (this.#end < 0) {
      const headEnd = this.#received.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const length = /\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1]
      if (length === undefined) {
        this.#socket.destroy(new Error('an answer without Content-Length'))
        return
      }
      this.#bodyAt = headEnd + 4
      this.#end = this.#bodyAt + Number(length)
    }
    if (this.#received.length < this.#end) return
    const head = this.#received.slice(0, this.#bodyAt)
    const body = this.#received.slice(this.#bodyAt, this.#end)
    this.#received = this.#received.slice(this.#end)
    this.#end = -1
    this.#settle?.resolve({ status: Number(head.slice(9, 12)), head, body })
  }
}

/** The text of a GET request. */
export function get (path: string, cookie?: string): string {
  const header = cookie === undefined ? '' : `Cookie: ${cookie}\r\n`
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`
}
