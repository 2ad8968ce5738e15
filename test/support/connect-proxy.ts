import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface ConnectProxy {
  /** Such as `http://127.0.0.1:3128`. */
  url: string
  /** What was asked for: `host:port`, and the credentials. */
  asked: { target: string, authorization: string | undefined }[]
  /** What happens to requests from now on: tunnelled to `port`, refused with a status, or not answered. */
  answer: (how: { port: number } | { status: number } | 'nothing') => void
}

/** An egress proxy (RFC 9110 §9.3.6) that tunnels every target to a port of this machine. */
export async function connectProxy (t: Test, port: number): Promise<ConnectProxy> {
  const asked: ConnectProxy['asked'] = []
  const sockets = new Set<Socket>()
  let how: Parameters<ConnectProxy['answer']>[0] = { port }
  const server = createServer((_request, response) => { response.writeHead(405).end() })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) })
  })
  server.on('connect', ({ url: target = '', headers }, socket: Socket, head: Buffer) => {
    asked.push({ target, authorization: headers['proxy-authorization'] })
    if (how === 'nothing') return
    if ('status' in how) {
      socket.end(`HTTP/1.1 ${how.status} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const onward = connect(how.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.write(head)
      onward.pipe(socket)
      socket.pipe(onward)
    })
    onward.on('error', () => { socket.destroy() }).on('close', () => { socket.destroy() })
    socket.on('close', () => { onward.destroy() })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (next) => { how = next }
  }
}
