import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import cookie from '@fastify/cookie'
import oauth2, { type OAuth2Namespace } from '@fastify/oauth2'
import Fastify from 'fastify'
import { test, type Test } from 'tap'
import { providerError } from '../../../src/login/provider-errors.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Client { getToken (params: Record<string, string>): Promise<unknown> }

const secrets = {
  client: 'client-secret-of-a-test',
  basic: Buffer.from('1example23456789:client-secret-of-a-test').toString('base64'),
  code: 'code-of-this-login',
  verifier: 'verifier-of-this-login',
  token: 'eyJ-token-of-the-answer',
  words: 'words of the provider'
}
const TIMEOUT_MS = 400
const MAX_BYTES = 4096

const send = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => (_request, response) => {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** The error of a code exchange with a server that sends `answer`. The client is set up as in plugins/cognito.ts. */
async function failure (t: Test, answer: Answer | undefined): Promise<Error> {
  const server = createServer((request, response) => {
    response.on('error', () => {})
    request.resume().on('end', () => { answer?.(request, response) })
  })
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => { server.close(resolve) })
  }
  t.teardown(close)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  if (answer === undefined) await close()

  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(cookie)
  await fastify.register(oauth2, {
    name: 'provider',
    callbackUri: 'https://auth.example.com/api/auth/callback',
    credentials: {
      client: { id: '1example23456789', secret: secrets.client },
      auth: {
        authorizeHost: origin,
        authorizePath: '/oauth2/authorize',
        tokenHost: origin,
        tokenPath: '/oauth2/token',
        revokePath: '/oauth2/revoke'
      },
      http: { timeout: TIMEOUT_MS, maxBytes: MAX_BYTES }
    }
  })
  const { provider } = fastify as unknown as { provider: OAuth2Namespace & { oauth2: Client } }
  try {
    await provider.oauth2.getToken({
      code: secrets.code,
      code_verifier: secrets.verifier,
      redirect_uri: 'https://auth.example.com/api/auth/callback'
    })
  } catch (error) {
    return providerError(error)
  }
  throw new Error('the exchange succeeded')
}

function isSilent (t: Test, error: Error): void {
  const cause = error.cause as Error
  const shown = [
    inspect(error, { depth: null, showHidden: true, maxStringLength: null }),
    JSON.stringify(error),
    error.message,
    cause.message,
    String(cause.stack),
    JSON.stringify(cause)
  ].join('\n')
  for (const [name, secret] of Object.entries(secrets)) {
    t.notOk(shown.includes(secret.slice(0, 8)), `the error does not contain the ${name}`)
  }
  t.notOk('data' in cause || 'output' in cause || 'cause' in cause, 'the provider\'s error is not attached')
}

const REFUSED = { code: 'ERR_LOGIN_REFUSED', statusCode: 401 }
const ANSWER = { code: 'ERR_COGNITO_ANSWER', statusCode: 502 }
const NO_ANSWER = { code: 'ERR_COGNITO_TIMEOUT', statusCode: 504 }

const oauthError = (error: unknown) => ({ error, error_description: secrets.words })

const answers: [what: string, answer: Answer | undefined, error: typeof ANSWER, reason?: RegExp][] = [
  ['400 invalid_grant', send(400, oauthError('invalid_grant')), REFUSED, /^status 400, invalid_grant$/],
  ['401 invalid_grant', send(401, oauthError('invalid_grant')), REFUSED, /^status 401, invalid_grant$/],
  ['500 invalid_grant', send(500, oauthError('invalid_grant')), ANSWER, /^status 500, invalid_grant$/],
  ['429 invalid_grant', send(429, oauthError('invalid_grant')), ANSWER],
  ['400 invalid_client', send(400, oauthError('invalid_client')), ANSWER, /^status 400, invalid_client$/],
  ['401 invalid_client', send(401, oauthError('invalid_client')), ANSWER, /^status 401, invalid_client$/],
  [
    '400 unauthorized_client', send(400, oauthError('unauthorized_client')),
    ANSWER, /^status 400, unauthorized_client$/
  ],
  ['400 invalid_request', send(400, oauthError('invalid_request')), ANSWER],
  ['400 without an error', send(400, {}), ANSWER, /^status 400$/],
  ['400 null', send(400, 'null'), ANSWER, /^status 400$/],
  [
    '400 with an error that is not a code', send(400, oauthError(`invalid_grant ${secrets.token}`)),
    ANSWER, /^status 400$/
  ],
  ['400 with an error that is not a string', send(400, oauthError(['invalid_grant'])), ANSWER, /^status 400$/],
  ['400 with an error code that is too long', send(400, oauthError('x'.repeat(65))), ANSWER, /^status 400$/],
  ['400 in HTML', send(400, `<p>${secrets.words}`, { 'content-type': 'text/html' }), ANSWER],
  ['401', send(401, {}), ANSWER],
  ['403', send(403, { message: secrets.words }), ANSWER],
  ['404', send(404, {}), ANSWER],
  ['408', send(408, {}), ANSWER],
  ['429', send(429, { message: secrets.words }), ANSWER, /^status 429$/],
  ['500', send(500, { message: secrets.words }), ANSWER, /^status 500$/],
  ['502 in HTML', send(502, `<p>${secrets.words}`, { 'content-type': 'text/html' }), ANSWER],
  ['503', send(503, {}), ANSWER],
  ['504', send(504, {}), ANSWER],
  ['HTML', send(200, `<p>${secrets.words}`, { 'content-type': 'text/html' }), ANSWER],
  ['garbage as JSON', send(200, 'hello'), ANSWER],
  ['truncated JSON', send(200, `{"id_token":"${secrets.token}`), ANSWER],
  ['JSON that is invalid after a token', send(200, `{"id_token":"${secrets.token}"]`), ANSWER],
  ['a token outside JSON', send(200, secrets.token), ANSWER],
  ['plain text', send(200, secrets.words), ANSWER],
  ['JSON with a forbidden key', send(200, `{"__proto__":{"x":"${secrets.token}"}}`), ANSWER],
  ['an empty body without a type', (_request, response) => { response.writeHead(200).end() }, ANSWER],
  ['an empty body as JSON', send(200, ''), ANSWER],
  ['204', (_request, response) => { response.writeHead(204, { 'content-type': 'application/json' }).end() }, ANSWER],
  ['null', send(200, 'null'), ANSWER],
  ['a redirect', (_request, response) => {
    response.writeHead(302, { location: `https://evil.example/?${secrets.token}` }).end()
  }, ANSWER],
  ['a permanent redirect', (_request, response) => {
    response.writeHead(308, { location: '/elsewhere' }).end()
  }, ANSWER],
  ['a body that is too long', send(200, { id_token: secrets.token.repeat(1000) }), ANSWER],
  [
    'an error that is too long',
    send(400, { error: 'invalid_grant', error_description: secrets.words.repeat(1000) }), ANSWER
  ],
  ['a content-length that is too large', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000000000' }).write('{')
  }, NO_ANSWER],
  ['without end', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = () => {
      while (!response.destroyed && response.write(' '.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  }, ANSWER],
  ['a header that is too long', send(200, {}, { 'x-long': 'x'.repeat(1024 * 1024) }), ANSWER, /^HPE_HEADER_OVERFLOW$/],
  ['something other than HTTP', (request) => {
    request.socket.end(`${secrets.words}\r\n\r\n`)
  }, ANSWER, /^HPE_INVALID_CONSTANT$/],
  ['nothing at all', () => {}, NO_ANSWER],
  ['only headers', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
  }, NO_ANSWER],
  ['half a body', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write(`{"id_token":"${secrets.token}`)
  }, NO_ANSWER],
  ['with a reset', (request) => { request.socket.resetAndDestroy() }, NO_ANSWER],
  ['by closing the connection', (request) => { request.socket.end() }, NO_ANSWER],
  ['by refusing the connection', undefined, NO_ANSWER]
]

for (const [what, answer, expected, reason] of answers) {
  test(`the token endpoint answers ${what}: ${expected.code}`, async (t) => {
    const error = await failure(t, answer)
    t.match(error, expected)
    t.ok(error.cause instanceof Error && error.cause.message !== '', 'the error has a reason for the log')
    if (reason !== undefined) t.match((error.cause as Error).message, reason)
    isSilent(t, error)
  })
}

test('a reset within the body is a Cognito error without secrets', async (t) => {
  const error = await failure(t, (request, response) => {
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      .write(`{"id_token":"${secrets.token}`, () => {
        request.socket.resetAndDestroy()
      })
  })
  t.match(error, { code: /^ERR_COGNITO_(ANSWER|TIMEOUT)$/ })
  isSilent(t, error)
})

test('a hanging token endpoint times out', async (t) => {
  const start = performance.now()
  await failure(t, () => {})
  await failure(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write(' ')
  })
  t.ok(performance.now() - start < TIMEOUT_MS * 2 + 2000)
})

test('a refused connection is reported by its code', async (t) => {
  t.match(((await failure(t, undefined)).cause as Error).message, /ECONNREFUSED/)
})

test('an unknown host is ERR_COGNITO_TIMEOUT', (t) => {
  t.match(
    providerError(
      Object.assign(new Error('getaddrinfo ENOTFOUND cognito.invalid'), { code: 'ENOTFOUND' })
    ),
    NO_ANSWER
  )
  t.end()
})
