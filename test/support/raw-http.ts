import { connect } from 'node:net'

export interface RawAnswer { status: number, head: string, body: string }

/** The time limit of one request, in milliseconds. */
const TIMEOUT_MS = 20_000

/**
 * Sends bytes that HTTP clients refuse to send, on a new connection, and reads to its end.
 *
 * @param request without the blank line at the end; a `Connection: close` is added.
 */
export async function rawHttp (port: number, request: string, body = ''): Promise<RawAnswer> {
  const bytes = Buffer.from(body)
  const length = body === '' ? '' : `content-length: ${bytes.length}\r\n`
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1').setTimeout(TIMEOUT_MS)
    const done = (): void => {
      const text = Buffer.concat(chunks).toString()
      const end = text.indexOf('\r\n\r\n')
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]
      if (status === undefined) reject(new Error(`no answer: ${text.slice(0, 100)}`))
      else resolve({ status: Number(status), head: text.slice(0, end), body: text.slice(end + 4) })
    }
    socket
      .on('data', (chunk) => {
        chunks.push(chunk)
      })
      .once('timeout', () => {
        socket.destroy(new Error('no answer in time'))
      })
      // After an answer to malformed HTTP the connection may be reset while the request is still being sent.
      .once('error', (error) => {
        if (chunks.length > 0) done()
        else reject(error)
      })
      .once('close', done)
    socket.write(Buffer.concat([Buffer.from(`${request}\r\n${length}connection: close\r\n\r\n`), bytes]))
  })
}
