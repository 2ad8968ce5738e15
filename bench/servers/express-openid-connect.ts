/**
 * The same sign-in on express-openid-connect: with its default, a session in an encrypted cookie, or with the store
 * that `STORE` names. A login in progress is in a signed cookie in both cases. It does not verify the signature of
 * an ID token that comes from the token endpoint, which this server does.
 *
 * @see {@link https://auth0.github.io/express-openid-connect/interfaces/ConfigParams.html}
 * @module
 */
import type { AddressInfo } from 'node:net'
import express from 'express'
import oidc, { type SessionStore as OidcSessionStore } from 'express-openid-connect'
import { SECRET, signed, TTL_S } from '../sample.js'
import { requiredEnv, serve } from './serve.js'
import { createStore, type StoreName } from './stores.js'

const provider = requiredEnv('PROVIDER_URL')
const { store } = await createStore(requiredEnv('STORE') as StoreName, 'rolling')

const app = express()
app.disable('x-powered-by')
app.set('etag', false)
app.use(oidc.auth({
  issuerBaseURL: `${provider}/pool`,
  baseURL: 'http://localhost:1',
  clientID: 'client',
  clientSecret: 'secret',
  clientAuthMethod: 'client_secret_basic',
  secret: SECRET,
  authRequired: false,
  routes: { login: false, logout: false, callback: '/api/auth/callback' },
  authorizationParams: { response_type: 'code', scope: 'openid email profile' },
  session: {
    rollingDuration: TTL_S,
    absoluteDuration: false,
    ...(store === undefined ? {} : { store: store as unknown as OidcSessionStore })
  }
}))

app.get('/api/auth/login', (_request, response) => response.oidc.login({ returnTo: '/' }))

app.get('/api/auth/me', (request, response) => {
  const { user } = request.oidc
  if (user === undefined) response.status(401)
  response.json({ user, role: 'INVESTOR', roles: ['INVESTOR', 'ISSUER'] })
})

app.get('/guarded', oidc.requiresAuth(), (request, response) => {
  const { sub } = request.oidc.user as { sub: string }
  response.json({ sub })
})

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serve({ port, cookie: (id) => `appSession=${encodeURIComponent(signed(id))}` })
})
