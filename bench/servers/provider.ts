/**
 * A stub of Amazon Cognito that needs little CPU. It issues tokens for any code. The code is the login's nonce,
 * so the stub needs no state.
 *
 * @module
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { stubTokens } from '../../local/stub-tokens.js'
import { PROVIDER_SUB } from '../sample.js'
import { serve } from './serve.js'

const tokens = stubTokens(() => `http://localhost:${port}/pool`, 'client')

const server = createServer((request, response) => {
  void text(request).then((body) => {
    response.setHeader('content-type', 'application/json')
    const nonce = new URLSearchParams(body).get('code') ?? ''
    if (request.method === 'POST') response.end(tokens.answer({ nonce, sub: PROVIDER_SUB, username: 'person' }))
    else response.end(request.url?.endsWith('/openid-configuration') === true ? discovery() : tokens.keySet)
  })
})

/** As Cognito answers, without what no contestant uses. */
const discovery = (): string => JSON.stringify({
  issuer: `http://localhost:${port}/pool`,
  authorization_endpoint: `http://localhost:${port}/oauth2/authorize`,
  token_endpoint: `http://localhost:${port}/oauth2/token`,
  jwks_uri: `http://localhost:${port}/pool/.well-known/jwks.json`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256']
})

await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
const { port } = server.address() as AddressInfo
serve({ port, cookie: () => '' })
