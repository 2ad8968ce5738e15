import type { ServerResponse } from 'node:http'

/** What an endpoint of the pool does instead of answering. A number: an answer with this status. */
export type Misbehaviour =
  | 'hang' // accepts, never answers
  | 'stall' // headers and the beginning of a body, then nothing
  | 'reset' // resets the connection once the request is read
  | 'endless' // a body without end
  | 'huge-header'
  | 'html' // 200
  | 'garbage' // 200, JSON by its content type only
  | 'empty' // 200
  | 'invalid_grant' | 'invalid_client' // 400, as from Cognito
  | 404 | 429 | 500 | 503

/** Every one. The keys of an object are texts. */
const KINDS: Readonly<Record<Misbehaviour, true>> = {
  'hang': true,
  'stall': true,
  'reset': true,
  'endless': true,
  'huge-header': true,
  'html': true,
  'garbage': true,
  'empty': true,
  'invalid_grant': true,
  'invalid_client': true,
  '404': true,
  '429': true,
  '500': true,
  '503': true
}

/** @throws {TypeError} for what is none. */
export function checkMisbehaviour (what: string, kind: Misbehaviour): void {
  if (Object.hasOwn(KINDS, kind)) return
  throw new TypeError(`${what} cannot be ${kind}: it is one of ${Object.keys(KINDS).join(', ')}`)
}

/** Answers a request so. */
export function misbehave (response: ServerResponse, kind: Misbehaviour): void {
  const json = { 'content-type': 'application/json' }
  switch (kind) {
    case 'hang':
      return
    case 'stall':
      response.writeHead(200, { ...json, 'content-length': '4096' }).write('{"id_token":"')
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'endless':
      flood(response.writeHead(200, json))
      return
    case 'huge-header':
      response.writeHead(200, { ...json, 'x-huge': 'x'.repeat(1024 * 1024) }).end('{}')
      return
    case 'html':
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<!doctype html><title>Welcome</title><p>Not what you asked for')
      return
    case 'garbage':
      response.writeHead(200, json).end('{"id_token": "eyJ')
      return
    case 'empty':
      response.writeHead(200, { 'content-length': '0' }).end()
      return
    case 'invalid_grant':
    case 'invalid_client':
      response.writeHead(400, json).end(JSON.stringify({ error: kind }))
      return
    default:
      response.writeHead(kind, json).end(JSON.stringify({ message: 'as the test wants it' }))
  }
}

/** Writes as long as the other side reads. */
function flood (response: ServerResponse): void {
  const chunk = ' '.repeat(64 * 1024)
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more).on('error', () => {})
  more()
}
