/**
 * Replies to malformed requests, which reach no Fastify hook.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** By the code of the HTTP parser's error. Any other is a 400. */
const REPLIES: Record<string, { statusCode: number, message: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: { statusCode: 408, message: 'The request took too long' },
  HPE_HEADER_OVERFLOW: { statusCode: 431, message: 'The request headers are too long' }
}

/**
 * Replies to a request that Node.js cannot parse, and closes the connection. Nothing is logged: the error holds
 * the bytes that were received, including cookies.
 *
 * @param headers of the reply, beside those that describe its body.
 */
export function answerClientError (
  { code = '' }: { code?: string }, socket: Socket, headers: Record<string, string>
): void {
  if (code === 'ECONNRESET' || socket.destroyed) return
  const { statusCode, message } = REPLIES[code] ?? { statusCode: 400, message: 'The request is malformed' }
  const body = JSON.stringify({ statusCode, code: 'ERR_VALIDATION', message, requestId: randomUUID() })
  const lines = Object.entries({
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'connection': 'close'
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  if (socket.writable) {
    socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n${lines.join('')}\r\n${body}`)
  }
  // As Node.js does: whatever else the client sends is discarded.
  socket.destroySoon()
}

/** Cannot be decoded, so the router replies that the URL is malformed. */
const UNDECODABLE = '/%'

/**
 * The path and query of a request target (RFC 9112 §3.2). The host of an absolute form is ignored: routes and
 * cookies are those of `PUBLIC_URL`. Other forms are malformed.
 */
export function originForm (target: string): string {
  if (target.startsWith('/')) return target
  const [absolute, path = ''] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? []
  if (absolute === undefined) return UNDECODABLE
  return path.startsWith('/') ? path : `/${path}`
}
