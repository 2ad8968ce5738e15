import oauth2, { type OAuth2Namespace } from '@fastify/oauth2'
import fp from 'fastify-plugin'
import { withDeadline } from '../src/deadline.js'
import { ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN } from '../src/errors.js'
import { boundedAgent } from '../src/login/bounded-agent.js'
import { verifyIdToken, type Identity, type User } from '../src/login/id-token.js'
import { createKeySet } from '../src/login/key-set.js'
import { providerError } from '../src/login/provider-errors.js'
import type { Tokens } from '../src/login/session-tokens.js'
import { parseTokenResponse, type TokenResponse } from '../src/login/token-response.js'
import { codeChallenge, type LoginTransaction } from '../src/login/transaction.js'

export interface Cognito {
  /**
   * Where the browser goes to sign in (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). With `max_age`, `prompt=login`
   * goes along unless the hints have a `prompt`: AWS documents that Cognito honours it, and does not mention `max_age`.
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
   * The identity in the ID token of a refresh, which must be about the same `user` (OpenID Connect Core §12.2).
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
    /** @fastify/oauth2's own decorator. Its types leave out `oauth2`, the client of simple-oauth2. */
    cognitoOAuth2: OAuth2Namespace & { oauth2: AuthorizationCode }
  }
}

interface AuthorizationCode {
  authorizeURL (params: Record<string, string>): string
  getToken (params: Record<string, string>): Promise<{ token: TokenResponse }>
  createToken (token: TokenResponse): {
    refresh (): Promise<{ token: TokenResponse }>
    revoke (type: 'refresh_token', options: { json: boolean }): Promise<unknown>
  }
}

/** How long a call to Cognito may take. */
const DEADLINE_MS = 5000
/** Slightly longer, so that a timeout is reported as one and not as a lost connection. */
const CONNECTION_DEADLINE_MS = DEADLINE_MS + 250
/** The longest response that is read. Three tokens with many groups take about 10 KiB. */
const MAX_BYTES = 128 * 1024

/**
 * Decorates with `cognito`.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html}
 */
export default fp(async (fastify) => {
  const { config } = fastify
  await fastify.register(oauth2, {
    name: 'cognitoOAuth2',
    scope: config.COGNITO_SCOPES.split(' '),
    callbackUri: config.callbackUrl,
    credentials: {
      client: { id: config.COGNITO_CLIENT_ID, secret: config.COGNITO_CLIENT_SECRET },
      auth: {
        authorizeHost: config.COGNITO_DOMAIN,
        authorizePath: '/oauth2/authorize',
        tokenHost: config.COGNITO_DOMAIN,
        tokenPath: '/oauth2/token',
        revokePath: '/oauth2/revoke'
      },
      // No `timeout`: it abandons a body but keeps its connection, and what then arrives ends the process.
      http: { agent: boundedAgent(config.COGNITO_DOMAIN, CONNECTION_DEADLINE_MS), maxBytes: MAX_BYTES }
    }
  })
  const client = fastify.cognitoOAuth2.oauth2
  const expected = {
    keys: createKeySet(config.COGNITO_ISSUER), issuer: config.COGNITO_ISSUER, clientId: config.COGNITO_CLIENT_ID
  }

  fastify.decorate('cognito', {
    authorizationUrl (transaction) {
      const { hints, maxAge } = transaction
      return client.authorizeURL({
        ...(maxAge === undefined ? {} : { max_age: String(maxAge), prompt: 'login' }),
        ...hints, // before ours, so that they cannot replace the parameters below
        redirect_uri: config.callbackUrl,
        scope: config.COGNITO_SCOPES,
        state: transaction.state,
        nonce: transaction.nonce,
        code_challenge: codeChallenge(transaction.codeVerifier),
        code_challenge_method: 'S256'
      })
    },

    async exchange (code, { codeVerifier }) {
      const requestedAt = performance.now()
      const { token } = await call(client.getToken({
        code, redirect_uri: config.callbackUrl, code_verifier: codeVerifier
      }))
      return parseTokenResponse(token, requestedAt)
    },

    async identify (idToken, { nonce }) {
      return verifyIdToken(idToken, { ...expected, nonce })
    },

    async refresh (refreshToken) {
      const requestedAt = performance.now()
      const { token } = await call(client.createToken({ refresh_token: refreshToken }).refresh())
      return parseTokenResponse(token, requestedAt)
    },

    async verifyRefreshedIdToken (idToken, { sub }) {
      const identity = await verifyIdToken(idToken, { ...expected, nonce: null })
      if (identity.user.sub !== sub) throw new ERR_ID_TOKEN({ cause: new Error('sub is another user') })
      return identity
    },

    async revoke (refreshToken) {
      // Cognito replies with an empty 200, which is not JSON. `json: true` accepts it.
      await call(client.createToken({ refresh_token: refreshToken }).revoke('refresh_token', { json: true }))
    },

    logoutUrl (logoutUri) {
      const query = new URLSearchParams({ client_id: config.COGNITO_CLIENT_ID, logout_uri: logoutUri })
      return `${config.COGNITO_DOMAIN}/logout?${query.toString()}`
    }
  })
}, { name: 'cognito', fastify: '5.x', dependencies: ['config', 'cookies'] })

/** The outcome of a call to Cognito, in bounded time and with the errors of this server. */
async function call<Value> (pending: Promise<Value>): Promise<Value> {
  try {
    return await withDeadline(DEADLINE_MS, pending, late)
  } catch (error) {
    throw error instanceof ERR_COGNITO_TIMEOUT ? error : providerError(error)
  }
}

const late = () => new ERR_COGNITO_TIMEOUT({ cause: new Error(`no answer within ${DEADLINE_MS} ms`) })
