import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { keptCookies } from '../local/kept-cookies.js'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface Request {
  method?: string
  headers?: Record<string, string>
  agent?: Agent | false
}

/** A wait beyond this is a hang, whatever the cause. In milliseconds. */
export const ANSWER_TIMEOUT_MS = 20_000

/** Connections that are kept, as those of browsers. */
export const keptConnections = (): Agent => new Agent({ keepAlive: true, maxSockets: 100 })

/** Sends one request to loopback and reads the whole answer. Rejects if the connection fails, or without an answer. */
export function ask (url: string, { method = 'GET', headers = {}, agent = false }: Request = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent, timeout: ANSWER_TIMEOUT_MS }, (response) => {
      text(response).then((body) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      }, reject)
    })
    request.once('timeout', () => { request.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)) })
    request.once('error', reject)
    request.end()
  })
}

/** The `Cookie` header after an answer: what it sets, without what it clears. */
export const cookieOf = ({ headers }: Answer): string => keptCookies(headers['set-cookie'] ?? [])
