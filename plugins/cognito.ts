import oauth2, { type OAuth2Namespace } from '@fastify/oauth2'
import fp from 'fastify-plugin'
import { boundedAgent } from '../src/login/bounded-agent.js'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN } from '../src/errors.js'
import { verifyIdToken, type Identity, type User } from '../src/login/id-token.js'
import { createKeySet } from '../src/login/key-set.js'
import { providerError } from '../src/login/provider-errors.js'
import type { Tokens } from '../src/login/session-tokens.js'
import { codeChallenge, type LoginTransaction } from '../src/login/transaction.js'

/** What `GET /api/auth/login` hands on to Cognito as it is. */
export type Hints = Partial<Record<'identity_provider' | 'login_hint' | 'lang' | 'prompt', string>>

export interface Cognito {
  /** Where the browser goes to sign in (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). */
  authorizationUrl (transaction: LoginTransaction, hints: Hints): string
  /** @throws {ERR_LOGIN_REFUSED} {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT} */
  exchange (code: string, transaction: LoginTransaction): Promise<Tokens>
  /** @throws {ERR_ID_TOKEN} {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT} */
  identify (idToken: string, transaction: LoginTransaction): Promise<Identity>
  /** New tokens for a refresh token (RFC 6749 §6). @throws {ERR_LOGIN_REFUSED} when it is none any more. {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT} */
  refresh (refreshToken: string): Promise<Tokens>
  /** Whom the ID token of a refresh is about: the same `user`, as OpenID Connect Core §12.2 has it. @throws as `identify` */
  verifyRefreshedIdToken (idToken: string, user: Pick<User, 'sub'>): Promise<Identity>
  /** Revokes a refresh token and what was issued from it. @throws {ERR_COGNITO_ANSWER} {ERR_COGNITO_TIMEOUT} */
  revoke (refreshToken: string): Promise<void>
  /** Where the browser goes to end Cognito's own session. */
  readonly logoutUrl: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The Amazon Cognito user pool: one sign-in, step by step. State and nonce are the caller's to keep. */
    cognito: Cognito
    /** @fastify/oauth2's own decorator; its types leave `oauth2`, simple-oauth2's client, out. */
    cognitoOAuth2: OAuth2Namespace & { oauth2: AuthorizationCode }
  }
}

interface AuthorizationCode {
  authorizeURL (params: Record<string, string>): string
  getToken (params: Record<string, string>): Promise<{ token: TokenResponse }>
  createToken (token: TokenResponse): { refresh (): Promise<{ token: TokenResponse }> }
}

/** RFC 6749 §5.1, unchecked. */
type TokenResponse = Record<string, unknown>

/** A call to Cognito is given up after this time, in milliseconds. */
const DEADLINE_MS = 5000
/** And its connection ended a moment later: what a lost connection makes of an answer says less than that there was none in time. */
const CONNECTION_DEADLINE_MS = DEADLINE_MS + 250
/** How long an access token is taken to hold that does not say so, in seconds: Cognito has none that holds for less. */
const LEAST_LIFETIME = 300
/** More than this is not believed, in seconds: Cognito has none that holds for longer than a day. */
const MOST_LIFETIME = 86_400
/** The longest answer that is read, in bytes: three tokens with many groups take some 10 KiB. */
const MAX_BYTES = 128 * 1024
/** The longest refresh token that is kept, in characters. Cognito's are some 1,800; a session has room for so much. */
const MAX_REFRESH_TOKEN = 8192
/** The same of an access token, in which a user's many groups are. */
const MAX_ACCESS_TOKEN = 16_384

/**
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
      // No `timeout`: it gives up a body without ending its connection, and what comes then ends the process.
      http: { agent: boundedAgent(config.COGNITO_DOMAIN, CONNECTION_DEADLINE_MS), maxBytes: MAX_BYTES }
    }
  })
  const keys = createKeySet(config.COGNITO_ISSUER)

  fastify.decorate('cognito', {
    authorizationUrl (transaction, hints) {
      return fastify.cognitoOAuth2.oauth2.authorizeURL({
        ...hints, // first: whatever they hold, ours wins
        redirect_uri: config.callbackUrl,
        scope: config.COGNITO_SCOPES,
        state: transaction.state,
        nonce: transaction.nonce,
        code_challenge: codeChallenge(transaction.codeVerifier),
        code_challenge_method: 'S256'
      })
    },

    async exchange (code, transaction) {
      const start = performance.now()
      const { token } = await call(fastify.cognitoOAuth2.oauth2.getToken({
        code, redirect_uri: config.callbackUrl, code_verifier: transaction.codeVerifier
      }))
      return tokens(token, start)
    },

    async identify (idToken, transaction) {
      return verifyIdToken(idToken, {
        keys, issuer: config.COGNITO_ISSUER, clientId: config.COGNITO_CLIENT_ID, nonce: transaction.nonce
      })
    },

    async refresh (refreshToken) {
      const start = performance.now()
      const { token } = await call(fastify.cognitoOAuth2.oauth2.createToken({ refresh_token: refreshToken }).refresh())
      return tokens(token, start)
    },

    async verifyRefreshedIdToken (idToken, { sub }) {
      const identity = await verifyIdToken(idToken, { keys, issuer: config.COGNITO_ISSUER, clientId: config.COGNITO_CLIENT_ID, nonce: null })
      if (identity.user.sub !== sub) throw new ERR_ID_TOKEN({ cause: new Error('it is about another user') })
      return identity
    },

    async revoke (refreshToken) {
      // Cognito answers an empty 200, which is not JSON: `json: true` accepts that.
      await call(fastify.cognitoOAuth2.revokeToken({ refresh_token: refreshToken } as never, 'refresh_token', { json: true }))
    },

    logoutUrl: `${config.COGNITO_DOMAIN}/logout?${new URLSearchParams({ client_id: config.COGNITO_CLIENT_ID, logout_uri: config.LOGOUT_URL }).toString()}`
  })
}, { name: 'cognito', fastify: '5.x', dependencies: ['config', 'cookies'] })

/** What a token response holds. @param start when it was asked for, on the monotonic clock. @throws {ERR_COGNITO_ANSWER} */
function tokens (response: TokenResponse, start: number): Tokens {
  const { id_token: idToken, access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = response
  if (typeof idToken !== 'string') throw new ERR_COGNITO_ANSWER({ cause: new Error('no id_token in the token response') })
  for (const [name, token, longest] of [['a refresh token', refreshToken, MAX_REFRESH_TOKEN], ['an access token', accessToken, MAX_ACCESS_TOKEN]] as const) {
    if (typeof token === 'string' && token.length > longest) throw new ERR_COGNITO_ANSWER({ cause: new Error(`${name} longer than ${longest} characters`) })
  }
  const lifetime = Number(expiresIn) > 0 ? Math.min(Number(expiresIn), MOST_LIFETIME) : LEAST_LIFETIME
  return {
    idToken,
    ...(typeof accessToken === 'string' ? { accessToken: { token: accessToken, endsAtMs: start + lifetime * 1000 } } : {}),
    ...(typeof refreshToken === 'string' ? { refreshToken } : {})
  }
}

/** The outcome of a call to Cognito, in bounded time and in our words. */
async function call<Value> (pending: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new ERR_COGNITO_TIMEOUT({ cause: new Error(`no answer within ${DEADLINE_MS} ms`) })) }, DEADLINE_MS)
  })
  try {
    return await Promise.race([pending, deadline])
  } catch (error) {
    throw error instanceof ERR_COGNITO_TIMEOUT ? error : providerError(error)
  } finally {
    clearTimeout(timer)
  }
}
