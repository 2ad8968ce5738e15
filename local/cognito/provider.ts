/**
 * Configures oidc-provider to behave like an Amazon Cognito user pool.
 *
 * @module
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Context } from 'koa'
import type { Configuration, KoaContextWithOIDC, Provider as ProviderType } from 'oidc-provider'
import { AUTHORIZE, createIdpInitiated, createSignUpPrompt, signUp, type Entry } from './entries.js'
import type { Issuers } from './issuers.js'
import { publicKey, type PoolSecrets } from './keys.js'
import { interactionPolicy, Provider } from './oidc-provider.js'
import { errorPage, frontPage, pageHeaders } from './pages.js'
import { createSignIn, SIGN_IN } from './sign-in.js'
import { createSignOut } from './sign-out.js'
import { MemoryStore } from './store.js'
import { createTokenWriter, type Lifetimes, type TokenResponse } from './tokens.js'
import { createUserInfo } from './user-info.js'
import type { Users } from './users.js'

export interface Pool {
  /** Origin of the pool's domain, as browsers see it. */
  origin: string
  issuers: Issuers
  clientId: string
  redirectUris: string[]
  logoutUris: string[]
  secrets: PoolSecrets
  users: Users
  lifetimes: Lifetimes
}

const SCOPES = ['openid', 'email', 'profile', 'phone', 'aws.cognito.signin.user.admin']

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S

/** Paths that oidc-provider answers. The last one is its return from the sign-in page. */
const OWN_PATHS = /^\/oauth2\/(authorize|token|revoke|authorize\/[\w-]+)$/

type Route = (ctx: Context) => void | Promise<void>

/** @returns a Koa application; its `callback()` is a request listener. */
export function createProvider (pool: Pool): ProviderType {
  const { origin, issuers, secrets } = pool
  const provider = new Provider(issuers.current, configuration(pool))
  provider.silent = true // otherwise Koa prints errors

  const write = createTokenWriter(pool)
  const signIn = createSignIn(provider, pool.users)
  const keySet = { keys: [secrets.idTokenKey, secrets.accessTokenKey].map(publicKey) }
  const documents = Object.values(issuers.forms).flatMap((issuer): [string, Route][] => {
    const { pathname } = new URL(issuer)
    return [
      [`${pathname}/.well-known/openid-configuration`, (ctx) => { ctx.body = discovery(origin, issuer) }],
      [`${pathname}/.well-known/jwks.json`, (ctx) => { ctx.body = keySet }]
    ]
  })
  const routes = new Map<string, Route>([
    ['/', (ctx) => {
      ctx.set(pageHeaders)
      ctx.body = frontPage()
    }],
    ['/logout', createSignOut(provider, pool)],
    ['/oauth2/userInfo', createUserInfo(provider, {
      issuers, users: pool.users, accessTokenKey: secrets.accessTokenKey
    })],
    ...documents
  ])
  const entries = new Map<string, Entry>([['/signup', signUp], ['/idp-initiated', createIdpInitiated(pool)]])

  provider.use(async (ctx, next) => {
    entries.get(ctx.path)?.(ctx)
    const { path } = ctx
    const route = routes.get(path) ?? (path.startsWith(`${SIGN_IN}/`) ? signIn : undefined)
    if (route !== undefined) return route(ctx)
    if (!OWN_PATHS.test(path)) return notFound(ctx)
    await next()
    if (path === '/oauth2/token') await answerToken(ctx as KoaContextWithOIDC, write)
    else if (path === '/oauth2/revoke') answerError(ctx, ctx.status)
    else answerBrowser(ctx, origin)
  })
  return provider
}

function configuration ({ clientId, redirectUris, secrets, users }: Pool): Configuration {
  const login = interactionPolicy.base().get('login')
  const off = { enabled: false }
  return {
    adapter: () => new MemoryStore(),
    clients: [{
      client_id: clientId,
      client_secret: secrets.clientSecret,
      redirect_uris: redirectUris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      application_type: 'web',
      token_endpoint_auth_method: 'client_secret_basic' // this accepts client_secret_post as well
    }],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    clientBasedCORS: () => false,
    // Cookies are shared by all ports of a host, so these names must differ from the application's.
    // A new key at each start ends all sessions with the process.
    cookies: {
      names: { session: 'local-cognito', interaction: 'local-cognito-login', resume: 'local-cognito-resume' },
      keys: [randomBytes(32).toString('base64url')],
      long: { httpOnly: true, sameSite: 'lax', path: '/' },
      short: { httpOnly: true, sameSite: 'lax' }
    },
    jwks: { keys: [secrets.idTokenKey] as never },
    responseTypes: ['code'],
    scopes: SCOPES,
    claims: { openid: ['sub'] },
    features: {
      claimsParameter: off,
      devInteractions: off,
      dPoP: off,
      pushedAuthorizationRequests: off,
      rpInitiatedLogout: off,
      userinfo: off,
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId }
    },
    routes: { authorization: AUTHORIZE, token: '/oauth2/token', revocation: '/oauth2/revoke' },
    extraParams: ['identity_provider', 'lang'],
    pkce: { required: () => false },
    interactions: {
      policy: [
        createSignUpPrompt(),
        ...login === undefined ? [] : [login],
        withoutEffect('select_account'),
        withoutEffect('consent')
      ],
      url: (_ctx, { uid }) => `${SIGN_IN}/${uid}`
    },
    findAccount: (_ctx, sub) => {
      if (users.bySub(sub) === undefined) return undefined
      return { accountId: sub, claims: async () => ({ sub }) }
    },
    loadExistingGrant: grantAll,
    issueRefreshToken: () => true,
    rotateRefreshToken: () => false,
    expiresWithSession: () => false,
    renderError: (ctx, { error, error_description: description }) => {
      if (isBackChannel(ctx.path)) ctx.body = { error, error_description: description }
      else {
        ctx.set(pageHeaders)
        ctx.body = errorPage(error === 'invalid_redirect_uri' ? 'redirect_mismatch' : error, description ?? '')
      }
    },
    ttl: {
      AuthorizationCode: 300,
      AccessToken: HOUR_S,
      IdToken: HOUR_S,
      RefreshToken: 30 * DAY_S,
      Grant: 30 * DAY_S,
      Interaction: 900,
      Session: (_ctx, { loginTs }) => loginTs === undefined ? HOUR_S : Math.max(1, loginTs + HOUR_S - seconds())
    }
  }
}

/** A value of `prompt` that Cognito accepts, and forwards to external identity providers only. */
function withoutEffect (name: string) {
  const prompt = new interactionPolicy.Prompt({ name, requestable: true })
  prompt.checks.clear()
  return prompt
}

/** Grants without asking for consent. Each sign-in gets its own grant, so that revoking one leaves the others valid. */
async function grantAll ({ oidc }: KoaContextWithOIDC) {
  const { client, provider, params, session } = oidc
  const { accountId } = session ?? {}
  if (client === undefined || accountId === undefined) return undefined
  const grant = new provider.Grant({ accountId, clientId: client.clientId })
  grant.jti = randomUUID() // becomes the tokens' origin_jti
  const requested = typeof params?.scope === 'string' ? params.scope.split(' ') : []
  grant.addOIDCScope(requested.filter((scope) => SCOPES.includes(scope)).join(' '))
  await grant.save()
  return grant
}

const seconds = (): number => Math.floor(Date.now() / 1000)

const isBackChannel = (path: string): boolean => path === '/oauth2/token' || path === '/oauth2/revoke'

type TokenWriter = (ctx: KoaContextWithOIDC, issued: TokenResponse) => Promise<TokenResponse>

async function answerToken (ctx: KoaContextWithOIDC, write: TokenWriter): Promise<void> {
  if (ctx.status === 200 && ctx.method === 'POST') ctx.body = await write(ctx, ctx.body as TokenResponse)
  else answerError(ctx, ctx.status === 401 ? 400 : ctx.status) // Cognito never answers 401 here
}

/** Cognito's errors have no description. */
function answerError (ctx: Context, status: number): void {
  if (status < 400) return
  const body = (ctx.body ?? {}) as { error?: string, error_description?: string }
  const { error, error_description: description = '' } = body
  // Cognito treats a malformed code verifier as a wrong one.
  ctx.body = { error: description.includes('code_verifier') ? 'invalid_grant' : error ?? 'invalid_request' }
  ctx.status = status
  ctx.remove('www-authenticate')
}

/** Cognito redirects with 302 and sends no `iss` parameter (RFC 9207). */
function answerBrowser (ctx: Context, origin: string): void {
  if (!ctx.res.hasHeader('location')) return
  const url = new URL(ctx.response.get('location'), origin)
  if (url.searchParams.has('iss')) {
    url.searchParams.delete('iss')
    ctx.set('location', url.href)
  }
  ctx.status = 302
}

function notFound (ctx: Context): void {
  ctx.set(pageHeaders)
  ctx.status = 404
  ctx.body = errorPage('not_found', 'There is no such page.')
}

/** @see {@link https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata} */
const discovery = (origin: string, issuer: string) => ({
  authorization_endpoint: `${origin}/oauth2/authorize`,
  end_session_endpoint: `${origin}/logout`,
  id_token_signing_alg_values_supported: ['RS256'],
  issuer,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  response_types_supported: ['code'],
  revocation_endpoint: `${origin}/oauth2/revoke`,
  scopes_supported: ['openid', 'email', 'phone', 'profile'],
  subject_types_supported: ['public'],
  token_endpoint: `${origin}/oauth2/token`,
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  userinfo_endpoint: `${origin}/oauth2/userInfo`
})
