import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN } from '../errors.js'

/** By how much the provider's clock may differ from ours, in seconds. */
const CLOCK_TOLERANCE = 30

/** OpenID Connect Core §2: `sub` is of at most 255 ASCII characters. Blanks and controls are in no user's id. */
const SUB = /^[\x21-\x7e]{1,255}$/
/** Cognito's attributes are no longer: what is would only fill the session. */
const MAX_CLAIM_LENGTH = 2048

/** Who signed in, as the session keeps it. */
export interface User {
  /** Cognito's user id, a UUID. */
  sub: string
  email?: string
  emailVerified?: boolean
  name?: string
  /** `cognito:username`. */
  username?: string
}

export interface Identity { user: User, groups: string[] }

export interface Expected {
  keys: JWTVerifyGetKey
  issuer: string
  clientId: string
  /** Null: of a refresh, which has none (OpenID Connect Core §12.2). */
  nonce: string | null
}

/**
 * Verifies an ID token as OpenID Connect Core §3.1.3.7 has it, with Cognito's `token_use`.
 *
 * @throws {ERR_ID_TOKEN} when it does not hold.
 * @throws {ERR_COGNITO_TIMEOUT} when the keys are not known and the pool does not answer.
 * @throws {ERR_COGNITO_ANSWER} when the pool's answer is not a key set.
 * @see {@link https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation}
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html}
 */
export async function verifyIdToken (token: string, { keys, issuer, clientId, nonce }: Expected): Promise<Identity> {
  // One token has one form (RFC 7515 §2): jose skips blanks, and what the last letter has too much.
  const signature = token.slice(token.lastIndexOf('.') + 1)
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) throw invalid('its signature is not base64url')
  let payload: JWTPayload
  try {
    ({ payload } = await jwtVerify(token, keys, {
      algorithms: ['RS256'],
      issuer,
      audience: clientId,
      requiredClaims: ['sub', 'aud', 'iat', 'exp', 'token_use', ...(nonce === null ? [] : ['nonce'])],
      clockTolerance: CLOCK_TOLERANCE
    }))
  } catch (error) {
    throw refusal(error)
  }
  const { sub, aud, azp, iat, nonce: sent, token_use: use } = payload
  if (nonce !== null && sent !== nonce) throw invalid('its nonce is not the login\'s')
  if (use !== 'id') throw invalid('its token_use is not id')
  if (typeof sub !== 'string' || !SUB.test(sub)) throw invalid('it has no sub')
  if (iat === undefined || iat > Date.now() / 1000 + CLOCK_TOLERANCE) throw invalid('it was issued in the future')
  if (Array.isArray(aud) && aud.length > 1 && azp === undefined) throw invalid('it has several audiences and no azp')
  if (azp !== undefined && azp !== clientId) throw invalid('its azp is another client')
  if (payload.auth_time !== undefined && typeof payload.auth_time !== 'number') throw invalid('its auth_time is no number')
  return { user: user(sub, payload), groups: groups(payload) }
}

const invalid = (reason: string) => new ERR_ID_TOKEN({ cause: new Error(reason) })

/** jose's errors hold the token's claims: only code and message go on. */
function refusal (error: unknown): Error {
  const { code = '', message } = error as { code?: string, message: string }
  const cause = new Error(code === '' ? message : `${code}: ${message}`)
  if (error instanceof errors.JWKSTimeout || code === 'ERR_COGNITO_TIMEOUT') return new ERR_COGNITO_TIMEOUT({ cause })
  if (error instanceof errors.JWKSInvalid || code === 'ERR_COGNITO_ANSWER') return new ERR_COGNITO_ANSWER({ cause })
  return new ERR_ID_TOKEN({ cause })
}

function user (sub: string, payload: JWTPayload): User {
  const text = (claim: string) => {
    const value = payload[claim]
    return typeof value === 'string' && value.length <= MAX_CLAIM_LENGTH ? value : undefined
  }
  const email = text('email')
  const name = text('name')
  const username = text('cognito:username')
  return {
    sub,
    ...(email === undefined ? {} : { email, emailVerified: payload.email_verified === true || payload.email_verified === 'true' }),
    ...(name === undefined ? {} : { name }),
    ...(username === undefined ? {} : { username })
  }
}

function groups (payload: JWTPayload): string[] {
  const claim = payload['cognito:groups']
  return Array.isArray(claim) ? claim.filter((group) => typeof group === 'string') : []
}
