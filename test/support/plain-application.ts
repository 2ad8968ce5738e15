/**
 * An application that knows nothing of sessions: plain `node:http`.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A request as the application received it. */
export interface Received {
  method: string
  url: string
  rawHeaders: string[]
  rawTrailers: string[]
  /** In bytes. */
  bodyLength: number
}

export interface PlainApplication {
  port: number
  /** Without those for an icon, which browsers add. */
  received: Received[]
}

const ETAG = '"a-version"'

/**
 * - `/status/N`: status N with the body `own N`, and a challenge with 401
 * - `/etag`: an answer with an entity tag, or 304
 * - `/page`: a page with the URL, the headers and a sign-out button
 * - a WebSocket: tells `x-auth-user`, and closes
 * - all others: what was received, as JSON
 */
export async function plainApplication (t: Test, signOut = '/api/auth/logout'): Promise<PlainApplication> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    read(request).then((bodyLength) => {
      const { method = '', url = '', rawHeaders, rawTrailers } = request
      const what = { method, url, rawHeaders, rawTrailers, bodyLength }
      if (url !== '/favicon.ico') received.push(what)
      answer(request, response, what, signOut)
    }, () => { response.destroy() })
  })
  server.on('upgrade', (request, socket) => {
    const { method = '', url = '', rawHeaders } = request
    received.push({ method, url, rawHeaders, rawTrailers: [], bodyLength: 0 })
    socket.on('error', () => {})
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${accept(request)}\r\n\r\n`)
    const text = Buffer.from(String(request.headers['x-auth-user']))
    socket.end(Buffer.concat([Buffer.from([0x81, text.length]), text, Buffer.from([0x88, 0])]))
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, received }
}

function answer (request: IncomingMessage, response: ServerResponse, what: Received, signOut: string): void {
  const { pathname } = new URL(what.url, 'http://application')
  const status = Number(/^\/status\/(\d{3})$/.exec(pathname)?.[1] ?? 0)
  if (status !== 0) {
    if (status === 401) response.setHeader('www-authenticate', 'Own')
    response.writeHead(status).end(`own ${status}`)
  } else if (pathname === '/etag') {
    const isSame = request.headers['if-none-match'] === ETAG
    response.writeHead(isSame ? 304 : 200, { etag: ETAG }).end(isSame ? undefined : 'a version')
  } else if (pathname === '/page') {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(`<!doctype html><title>Portal</title><pre>${JSON.stringify(request.headers)}</pre>
      <form method="post" action="${signOut}"><button>Sign out</button></form>`)
  } else {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(what))
  }
}

async function read (request: IncomingMessage): Promise<number> {
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) length += chunk.length
  return length
}

/** RFC 6455 §4.2.2. */
function accept ({ headers }: IncomingMessage): string {
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  return createHash('sha1').update(key).digest('base64')
}
