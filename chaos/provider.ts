/**
 * A stub of Amazon Cognito. It issues tokens for any code, which is the login's nonce, and does one thing wrong at a
 * time when it is told to.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { stubTokens } from '../local/stub-tokens.js'

/** How it answers. `hangs`: never; `drips`: a byte each 200 ms; `endless`: a body without an end. */
export type Manner = 'well' | 'hangs' | 'drips' | 'endless' | 429 | 500

export interface Provider {
  origin: string
  manner: Manner
  close (): Promise<void>
}

const DRIP_MS = 200

export async function startProvider (): Promise<Provider> {
  const tokens = stubTokens(() => `${provider.origin}/pool`, 'client')
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      response.setHeader('content-type', 'application/json')
      const nonce = new URLSearchParams(body).get('code') ?? ''
      const sub = randomUUID()
      const answer = request.method === 'POST' ? tokens.answer({ nonce, sub, username: sub }) : tokens.keySet
      respond(response, provider.manner, answer)
    }, () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const provider: Provider = {
    origin: `http://127.0.0.1:${port}`,
    manner: 'well',
    async close () {
      server.close()
      server.closeAllConnections()
    }
  }
  return provider
}

function respond (response: ServerResponse, manner: Manner, answer: string): void {
  if (manner === 'well') {
    response.end(answer)
  } else if (manner === 'drips') {
    dripping(response, answer)
  } else if (manner === 'endless') {
    const timer = setInterval(() => { response.write(' '.repeat(65_536)) }, 20)
    response.once('close', () => { clearInterval(timer) })
  } else if (manner !== 'hangs') {
    response.statusCode = manner
    response.end('{}')
  }
}

function dripping (response: ServerResponse, answer: string): void {
  let at = 0
  const timer = setInterval(() => { response.write(answer.charAt(at++)) }, DRIP_MS)
  response.once('close', () => { clearInterval(timer) })
}
