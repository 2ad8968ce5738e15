/**
 * The same sign-in on express-session, openid-client and connect-pg-simple.
 *
 * @see {@link https://github.com/panva/openid-client#authorization-code-flow}
 * @module
 */
import type { AddressInfo } from 'node:net'
import express from 'express'
import session, { type Store } from 'express-session'
import * as client from 'openid-client'
import { SECRET, signed, TTL_S } from '../sample.js'
import { requiredEnv, serve } from './serve.js'
import { createStore } from './stores.js'

declare module 'express-session' {
  interface SessionData {
    login: { state: string, nonce: string, codeVerifier: string, requestedRole: string }
    user: { sub: string, email: unknown, name: unknown }
    role: string
    roles: string[]
    refreshToken: string | undefined
  }
}

const provider = requiredEnv('PROVIDER_URL')
const callbackUrl = 'http://localhost:1/api/auth/callback'
const oidc = new client.Configuration({
  issuer: `${provider}/pool`,
  authorization_endpoint: `${provider}/oauth2/authorize`,
  token_endpoint: `${provider}/oauth2/token`,
  jwks_uri: `${provider}/pool/.well-known/jwks.json`
}, 'client', undefined, client.ClientSecretBasic('secret'))
client.allowInsecureRequests(oidc) // the stub is on loopback
// This server verifies the signature of the ID token, so this contestant has to as well.
client.enableNonRepudiationChecks(oidc)

const { store } = await createStore('connect-pg-simple', 'rolling')
const app = express()
app.disable('x-powered-by')
app.set('etag', false)
app.use(session({
  store: store as unknown as Store,
  secret: SECRET,
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: TTL_S * 1000, sameSite: 'lax' }
}))

app.get('/api/auth/login', async (request, response) => {
  const login = {
    state: client.randomState(),
    nonce: client.randomNonce(),
    codeVerifier: client.randomPKCECodeVerifier(),
    requestedRole: 'INVESTOR'
  }
  request.session.login = login
  const url = client.buildAuthorizationUrl(oidc, {
    redirect_uri: callbackUrl,
    scope: 'openid email profile',
    state: login.state,
    nonce: login.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(login.codeVerifier),
    code_challenge_method: 'S256'
  })
  response.redirect(url.href)
})

app.get('/api/auth/callback', async (request, response) => {
  const { login } = request.session
  if (login === undefined) {
    response.status(400).json({ code: 'ERR_STATE_UNKNOWN' })
    return
  }
  const tokens = await client.authorizationCodeGrant(oidc, new URL(request.originalUrl, callbackUrl), {
    pkceCodeVerifier: login.codeVerifier,
    expectedState: login.state,
    expectedNonce: login.nonce,
    idTokenExpected: true
  })
  const { sub, email, name } = tokens.claims() as client.IDToken
  await new Promise<void>((resolve, reject) => {
    request.session.regenerate((error: Error | null | undefined) => {
      if (error) reject(error)
      else resolve()
    })
  })
  Object.assign(request.session, {
    user: { sub, email, name },
    role: login.requestedRole,
    roles: ['INVESTOR', 'ISSUER'],
    refreshToken: tokens.refresh_token
  })
  response.redirect(303, '/')
})

app.get('/api/auth/me', (request, response) => {
  const { user, role, roles } = request.session
  if (user === undefined) response.status(401)
  response.json({ user, role, roles })
})

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serve({ port, cookie: (id) => `connect.sid=${encodeURIComponent(`s:${signed(id)}`)}` })
})
