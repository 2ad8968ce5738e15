import { createHash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { request, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { certificate } from './certificate.js'

/** A request that passed, and its answer. */
export interface Passed { method: string, path: string, status: number, headers: IncomingMessage['headers'] }

export interface TlsFront {
  /** Where the requests go from now on. */
  target: number
  /** Everything that was answered, oldest first. */
  readonly passed: Passed[]
  /** Called after an answer, before the browser gets it. */
  beforeAnswer: (passed: Passed) => Promise<void>
  /** The switches with which Chromium accepts its certificate. */
  readonly args: string[]
}

/** Terminates TLS for `host` on a port of 127.0.0.1. */
export async function tlsFront (t: Test, host: string, port: number): Promise<TlsFront> {
  const { key, cert } = certificate(t, host)
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  const front: TlsFront = {
    target: 0,
    passed: [],
    beforeAnswer: async () => {},
    args: [
      `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
      `--host-resolver-rules=MAP ${host} 127.0.0.1, MAP mail.test 127.0.0.1`,
      '--no-proxy-server'
    ]
  }
  const server = createServer({ key, cert }, (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming
    const outgoing = request({
      host: '127.0.0.1',
      port: front.target,
      method,
      path,
      agent: false,
      headers: { ...headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': incoming.socket.remoteAddress }
    }, (answer) => {
      const passed = { method, path, status: answer.statusCode ?? 0, headers }
      front.passed.push(passed)
      front.beforeAnswer(passed).then(() => {
        response.writeHead(passed.status, answer.rawHeaders)
        answer.pipe(response)
      }, () => { response.destroy() })
    })
    outgoing.once('error', () => { response.writeHead(502).end() })
    incoming.pipe(outgoing)
  })
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return front
}
