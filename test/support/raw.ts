import { connect } from 'node:net'

export interface RawAnswer { status: number, headers: Headers, body: string }

/** The answer to these bytes on a new connection; status 0 means no answer. */
export async function raw (port: number, bytes: string | Buffer): Promise<RawAnswer> {
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.setTimeout(30_000, () => { socket.destroy(new Error('no answer')) })
    socket
      .on('data', (chunk) => {
        chunks.push(chunk)
      })
      .once('close', () => {
        resolve(Buffer.concat(chunks).toString('latin1'))
      })
      .once('error', reject)
    socket.write(bytes)
  })
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = new Headers()
  for (const header of lines) {
    headers.append(
      header.slice(0, header.indexOf(':')),
      header.slice(header.indexOf(':') + 1).trim()
    )
  }
  return { status: Number(line.split(' ')[1] ?? 0), headers, body: rest.join('\r\n\r\n') }
}

/** A request as a string. Its connection is closed after the answer. */
export function request (method: string, target: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ host: 'localhost', connection: 'close', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`
}
