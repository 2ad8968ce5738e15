/**
 * Answers to what cannot be taken for a request of any route: no plugin's hook runs for them.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

type Headers = Record<string, string>

/** The security headers of such an answer: it has neither page nor style. @param https whether browsers come by https */
export function bareHeaders (https: boolean): Headers {
  return {
    'cache-control': 'no-store',
    'content-security-policy': 'default-src \'none\';frame-ancestors \'none\'',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(https ? { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } : {})
  }
}

/** What an error of Node.js' HTTP parser means, by its code; 400 is any other. */
const MEANINGS: Record<string, { statusCode: number, message: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: { statusCode: 408, message: 'The request took too long' },
  HPE_HEADER_OVERFLOW: { statusCode: 431, message: 'The headers of the request are too long' }
}

/**
 * Answers what is no HTTP, and closes the connection. Nothing is logged: the error carries the bytes that
 * came, cookies and all.
 */
export function answerClientError ({ code = '' }: { code?: string }, socket: Socket, headers: Headers): void {
  if (code === 'ECONNRESET' || socket.destroyed) return
  const { statusCode, message } = MEANINGS[code] ?? { statusCode: 400, message: 'The request is malformed' }
  const body = JSON.stringify({ statusCode, code: 'ERR_VALIDATION', message, requestId: randomUUID() })
  const lines = Object.entries({
    ...headers, 'content-type': 'application/json; charset=utf-8', 'content-length': String(Buffer.byteLength(body)), 'connection': 'close'
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  if (socket.writable) socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n${lines.join('')}\r\n${body}`)
  // As Node.js does: what the client still sends is nobody's.
  socket.destroySoon()
}

/** Cannot be decoded: the router answers that the URL is malformed. */
const MALFORMED = '/%'

/**
 * The path of a request target (RFC 9112 §3.2). Of one in absolute form the host counts for nothing: routes
 * and cookies are those of `PUBLIC_URL`. Any other form is none that this server knows.
 */
export function originForm (target: string): string {
  if (target.startsWith('/')) return target
  const [absolute, path = ''] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? []
  if (absolute === undefined) return MALFORMED
  return path.startsWith('/') ? path : `/${path}`
}
