import oauth2, { type FastifyOAuth2Options } from '@fastify/oauth2'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { reportingProvider, type ProviderCall } from '../src/channels.js'
import { withDeadline } from '../src/deadline.js'
import { ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN } from '../src/errors.js'
import { latest } from '../src/latest.js'
import { boundedAgent } from '../src/login/bounded-agent.js'
import { proxyFor } from '../src/login/egress-proxy.js'
import { verifyIdToken, type Identity, type Issuers, type User } from '../src/login/id-token.js'
import { ClientsInTurn } from '../src/login/in-turn.js'
import { createKeySet } from '../src/login/key-set.js'
import { providerError } from '../src/login/provider-errors.js'
import type { Tokens } from '../src/login/session-tokens.js'
import { parseTokenResponse, type TokenResponse } from '../src/login/token-response.js'
import { codeChallenge, SIGN_UP, type LoginTransaction } from '../src/login/transaction.js'

export interface Cognito {
  /**
   * Where the browser goes to sign in (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). With `max_age`, `prompt=login`
   * goes along unless the hints have a `prompt`: AWS documents that Cognito honours it, and does not mention `max_age`.
   *
   * With `screen_hint=signup`, the page for a new account comes first. It takes the same parameters.
   *
   * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-endpoints.html}
   */
  authorizationUrl (transaction: LoginTransaction): string
  /**
   * The tokens for a code (RFC 6749 §4.1.3).
   *
   * @throws {ERR_LOGIN_REFUSED} {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT}
   */
  exchange (code: string, transaction: LoginTransaction): Promise<Tokens>
  /**
   * The user that the ID token of an exchange is about.
   *
   * @throws {ERR_ID_TOKEN} {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT}
   */
  identify (idToken: string, transaction: LoginTransaction): Promise<Identity>
  /**
   * New tokens for a refresh token (RFC 6749 §6).
   *
   * @throws {ERR_LOGIN_REFUSED} if the refresh token is no longer valid.
   * @throws {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT}
   */
  refresh (refreshToken: string): Promise<Tokens>
  /**
   * The identity in the ID token of a refresh, which must be about the same `user` (OpenID Connect Core §12.2). Its
   * issuer may be another of COGNITO_ISSUER: a pool may have changed its own meanwhile.
   *
   * @throws {ERR_ID_TOKEN} {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT}
   */
  verifyRefreshedIdToken (idToken: string, user: Pick<User, 'sub'>): Promise<Identity>
  /**
   * Revokes a refresh token and what was issued from it (RFC 7009).
   *
   * @throws {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT}
   */
  revoke (refreshToken: string): Promise<void>
  /**
   * Where the browser goes to end Cognito's own session, and then on to `logoutUri`, which must be registered.
   *
   * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html}
   */
  logoutUrl (logoutUri: string): string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The Amazon Cognito user pool: each step of a sign-in. The caller keeps state, nonce and code verifier. */
    cognito: Cognito
  }
}

/** The client of simple-oauth2, which the types of @fastify/oauth2 leave out. */
interface AuthorizationCode {
  authorizeURL (params: Record<string, string>): string
  getToken (params: Record<string, string>): Promise<{ token: TokenResponse }>
  createToken (token: TokenResponse): {
    refresh (): Promise<{ token: TokenResponse }>
    revoke (type: 'refresh_token', options: { json: boolean }): Promise<unknown>
  }
}

const AUTHORIZE_PATH = '/oauth2/authorize'
const SIGN_UP_PATH = '/signup'
/** How long a call to Cognito may take. */
const DEADLINE_MS = 5000
/** Slightly longer, so that a timeout is reported as one and not as a lost connection. */
const CONNECTION_DEADLINE_MS = DEADLINE_MS + 250
/** The longest response that is read. With 100 groups of 128 characters, two tokens take 20 to 70 KiB each. */
const MAX_BYTES = 160 * 1024

/**
 * Decorates with `cognito`.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html}
 */
export default fp(async (fastify) => {
  const { config } = fastify
  const agent = boundedAgent(config.COGNITO_DOMAIN, CONNECTION_DEADLINE_MS, proxyFor(config.COGNITO_DOMAIN, config))
  const clientWith = (secret: string | undefined): AuthorizationCode => clientOf({
    name: 'cognitoOAuth2',
    scope: config.COGNITO_SCOPES.split(' '),
    callbackUri: config.callbackUrl,
    credentials: {
      client: clientCredentials(config.COGNITO_CLIENT_ID, secret),
      options: { authorizationMethod: secret === undefined ? 'body' : 'header' },
      auth: {
        authorizeHost: config.COGNITO_DOMAIN,
        authorizePath: AUTHORIZE_PATH,
        tokenHost: config.COGNITO_DOMAIN,
        tokenPath: '/oauth2/token',
        revokePath: '/oauth2/revoke'
      },
      // No `timeout`: it abandons a body but keeps its connection, and what then arrives ends the process.
      http: { agent, maxBytes: MAX_BYTES }
    }
  })
  const client = clientWith(config.COGNITO_CLIENT_SECRET[0])
  const clients = latest(() => config.COGNITO_CLIENT_SECRET, ([secret, ...others]) => new ClientsInTurn(
    [clientWith(secret), ...others.map(clientWith)],
    () => { fastify.log.warn('Cognito refused one client secret and accepted the other') }
  ))
  const issuers: Issuers = new Map(config.COGNITO_ISSUER.map(
    (issuer) => [issuer, createKeySet(issuer, proxyFor(issuer, config))]
  ))
  const expected = {
    issuers, clientId: config.COGNITO_CLIENT_ID, groupsClaim: config.ROLE_CLAIM, userClaims: config.USER_CLAIMS
  }

  fastify.decorate('cognito', {
    authorizationUrl (transaction) {
      const { hints: { screen_hint: screen, ...hints } = {}, maxAge } = transaction
      const url = client.authorizeURL({
        ...(maxAge === undefined ? {} : { max_age: String(maxAge), prompt: 'login' }),
        ...hints, // before ours, so that they cannot replace the parameters below
        redirect_uri: config.callbackUrl,
        scope: config.COGNITO_SCOPES,
        state: transaction.state,
        nonce: transaction.nonce,
        code_challenge: codeChallenge(transaction.codeVerifier),
        code_challenge_method: 'S256'
      })
      return screen === SIGN_UP ? url.replace(AUTHORIZE_PATH, SIGN_UP_PATH) : url
    },

    async exchange (code, { codeVerifier }) {
      const requestedAt = performance.now()
      const { token } = await call('token', clients().use((client) => client.getToken({
        code, redirect_uri: config.callbackUrl, code_verifier: codeVerifier
      })))
      return parseTokenResponse(token, requestedAt)
    },

    async identify (idToken, { nonce }) {
      return verifyIdToken(idToken, { ...expected, nonce })
    },

    async refresh (refreshToken) {
      const requestedAt = performance.now()
      const { token } = await call('refresh', clients().use(
        (client) => client.createToken({ refresh_token: refreshToken }).refresh()
      ))
      return parseTokenResponse(token, requestedAt)
    },

    async verifyRefreshedIdToken (idToken, { sub }) {
      const identity = await verifyIdToken(idToken, { ...expected, nonce: null })
      if (identity.user.sub !== sub) throw new ERR_ID_TOKEN({ cause: new Error('sub is another user') })
      return identity
    },

    async revoke (refreshToken) {
      // Cognito replies with an empty 200, which is not JSON. `json: true` accepts it.
      await call('revoke', clients().use(
        (client) => client.createToken({ refresh_token: refreshToken }).revoke('refresh_token', { json: true })
      ))
    },

    logoutUrl (logoutUri) {
      const query = new URLSearchParams({ client_id: config.COGNITO_CLIENT_ID, logout_uri: logoutUri })
      return `${config.COGNITO_DOMAIN}/logout?${query.toString()}`
    }
  })
}, { name: 'cognito', fastify: '5.x', dependencies: ['config', 'cookies'] })

/** What @fastify/oauth2 would decorate the instance with. Secrets change after the instance has listened. */
function clientOf (options: FastifyOAuth2Options): AuthorizationCode {
  let client: AuthorizationCode | undefined
  const recorder = {
    hasReplyDecorator: () => true,
    decorate: (_name: string, { oauth2 }: { oauth2: AuthorizationCode }) => { client = oauth2 }
  } as unknown as FastifyInstance
  oauth2(recorder, options, (error) => { if (error !== undefined) throw error })
  if (client === undefined) throw new Error('@fastify/oauth2 made no client')
  return client
}

/** simple-oauth2 would send a public client's secret as an empty parameter: its name makes it the id once more. */
function clientCredentials (id: string, secret: string | undefined) {
  return secret === undefined ? { id, secret: id, secretParamName: 'client_id' } : { id, secret }
}

/** The outcome of a call to Cognito, in bounded time and with the errors of this server. */
async function call<Value> (endpoint: ProviderCall['endpoint'], pending: Promise<Value>): Promise<Value> {
  return reportingProvider(endpoint, async () => {
    try {
      return await withDeadline(DEADLINE_MS, pending, late)
    } catch (error) {
      throw error instanceof ERR_COGNITO_TIMEOUT ? error : providerError(error)
    }
  })
}

const late = () => new ERR_COGNITO_TIMEOUT({ cause: new Error(`no answer within ${DEADLINE_MS} ms`) })
