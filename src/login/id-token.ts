import type { JwtPayload } from 'aws-jwt-verify/jwt-model'
import { verifyJwtSync } from 'aws-jwt-verify/jwt-verifier'
import {
  decodeJwt, decodeProtectedHeader, errors, type FlattenedJWSInput, type JWTHeaderParameters, type JWTVerifyGetKey
} from 'jose'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT, ERR_ID_TOKEN } from '../errors.js'
import { publicKey } from './public-key.js'

/** By how much the provider's clock may differ from ours. */
export const CLOCK_TOLERANCE_S = 30

/** OpenID Connect Core §2: at most 255 ASCII characters. No user id contains spaces or controls. */
const SUB = /^[\x21-\x7e]{1,255}$/
/** Where Cognito has a user's groups. */
const GROUPS_CLAIM = 'cognito:groups'
/** The longest attribute of Cognito, in characters. Longer claims would only fill the session. */
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
  /** The claims that {@link Expected.userClaims} names, as they are. */
  [claim: string]: string | number | boolean | undefined
}

export interface Identity {
  user: User
  groups: string[]
  /** `auth_time`: when the user signed in at the provider, in seconds since 1970. `iat` is no substitute. */
  authTime?: number
}

/** The keys of each accepted issuer, by its URL. */
export type Issuers = ReadonlyMap<string, JWTVerifyGetKey>

export interface Expected {
  issuers: Issuers
  clientId: string
  /** The claim that has the user's groups. Default `cognito:groups`. */
  groupsClaim?: string
  /** Further claims for the user. */
  userClaims?: readonly string[]
  /** Null for the ID token of a refresh, which has none (OpenID Connect Core §12.2). */
  nonce: string | null
}

/**
 * Verifies an ID token (OpenID Connect Core §3.1.3.7, and Cognito's `token_use`).
 *
 * @throws {ERR_ID_TOKEN} if it is not valid.
 * @throws {ERR_COGNITO_TIMEOUT} if the keys are not known and the pool does not answer.
 * @throws {ERR_COGNITO_ANSWER} if the pool's answer is not a key set.
 * @see {@link https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation}
 * @see the AWS guide:
 * https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
 */
export async function verifyIdToken (token: string, expected: Expected): Promise<Identity> {
  rejectNonCanonical(token)
  const payload = await verifySignature(token, expected)
  assertClaims(payload, expected)
  const signedInAt = authTime(payload)
  return {
    user: user(payload, expected.userClaims ?? []),
    groups: groups(payload, expected.groupsClaim),
    ...(signedInAt === undefined ? {} : { authTime: signedInAt })
  }
}

const invalid = (reason: string) => new ERR_ID_TOKEN({ cause: new Error(reason) })

/** RFC 7515 §2: a token has one encoding. Node.js tolerates padding and stray trailing bits. */
function rejectNonCanonical (token: string): void {
  const parts = token.split('.')
  const odd = parts.findIndex((part) => Buffer.from(part, 'base64url').toString('base64url') !== part)
  if (odd !== -1) throw invalid(`the ${['header', 'payload'][odd] ?? 'signature'} is not base64url`)
}

/**
 * With the keys of the issuer that the token names, and no others. In this thread: Web Crypto, and so jose, hands each
 * signature to another one, which takes three times as long.
 */
async function verifySignature (token: string, { issuers, clientId, nonce }: Expected): Promise<JwtPayload> {
  try {
    const header = decodeProtectedHeader(token)
    const { iss: issuer = '' } = decodeJwt(token)
    const keys = issuers.get(issuer)
    if (keys === undefined) throw invalid('unexpected iss')
    if (header.alg !== 'RS256') throw invalid('alg is not RS256')
    // RFC 7515 §4.1.11: this server understands no extension.
    if ('crit' in header) throw invalid('crit is not supported')
    const { jwk, key } = publicKey(await keys(header as JWTHeaderParameters, jwsOf(token)))
    const payload = verifyJwtSync(
      token, jwk, { issuer, audience: clientId, graceSeconds: CLOCK_TOLERANCE_S }, () => key
    )
    const missing = requiredClaims(nonce).find((claim) => !(claim in payload))
    if (missing !== undefined) throw invalid(`${missing} is missing`)
    return payload
  } catch (error) {
    throw refusal(error)
  }
}

/** As jose hands it to a function that chooses a key. */
function jwsOf (token: string): FlattenedJWSInput {
  const [protectedHeader = '', payload = '', signature = ''] = token.split('.')
  return { protected: protectedHeader, payload, signature }
}

const requiredClaims = (nonce: string | null): string[] =>
  ['sub', 'aud', 'iat', 'exp', 'token_use', ...(nonce === null ? [] : ['nonce'])]

/** Checks the claims that the library does not check. @throws {ERR_ID_TOKEN} */
function assertClaims (payload: JwtPayload, { clientId, nonce }: Expected): asserts payload is Claims {
  const { sub, aud, azp, iat, auth_time: authTime } = payload
  if (nonce !== null && payload.nonce !== nonce) throw invalid('nonce does not match the login')
  if (payload.token_use !== 'id') throw invalid('token_use is not id')
  if (typeof sub !== 'string' || !SUB.test(sub)) throw invalid('sub is missing or malformed')
  if (iat === undefined || iat > Date.now() / 1000 + CLOCK_TOLERANCE_S) throw invalid('iat is in the future')
  if (Array.isArray(aud) && aud.length > 1 && azp === undefined) throw invalid('several audiences, but no azp')
  if (azp !== undefined && azp !== clientId) throw invalid('azp is another client')
  if (authTime !== undefined && typeof authTime !== 'number') throw invalid('auth_time is not a number')
}

type Claims = JwtPayload & { sub: string }

/**
 * The libraries' errors hold the token's claims, also in their messages. Only the name of the error is kept, such as
 * `JwtExpiredError`. Those of the key set say why already.
 */
function refusal (error: unknown): Error {
  if (OWN_ERRORS.some((known) => error instanceof known)) return error as Error
  const cause = new Error((error as Error).constructor.name)
  if (error instanceof errors.JWKSTimeout) return new ERR_COGNITO_TIMEOUT({ cause })
  if (error instanceof errors.JWKSInvalid) return new ERR_COGNITO_ANSWER({ cause })
  return new ERR_ID_TOKEN({ cause })
}

const OWN_ERRORS = [ERR_ID_TOKEN, ERR_COGNITO_TIMEOUT, ERR_COGNITO_ANSWER]

function user (payload: Claims, userClaims: readonly string[]): User {
  const email = textClaim(payload, 'email')
  const name = textClaim(payload, 'name')
  const username = textClaim(payload, 'cognito:username')
  const emailVerified = payload.email_verified === true || payload.email_verified === 'true'
  return {
    ...Object.fromEntries(userClaims.map((claim) => [claim, payload[claim]]).filter(isPlain)),
    sub: payload.sub,
    ...(email === undefined ? {} : { email, emailVerified }),
    ...(name === undefined ? {} : { name }),
    ...(username === undefined ? {} : { username })
  }
}

function textClaim (payload: JwtPayload, claim: string): string | undefined {
  const value = payload[claim]
  return typeof value === 'string' && value.length <= MAX_CLAIM_LENGTH ? value : undefined
}

/** A time that cannot be, such as one in the future, counts as none. */
function authTime ({ auth_time: claim }: JwtPayload): number | undefined {
  const isTime = typeof claim === 'number' && claim >= 0 && claim <= Date.now() / 1000 + CLOCK_TOLERANCE_S
  return isTime ? Math.floor(claim) : undefined
}

/** Whether a claim has a value that a session keeps: bounded, and no list or object. */
function isPlain (entry: unknown[]): entry is [claim: string, value: string | number | boolean] {
  const [, value] = entry
  if (typeof value === 'string') return value.length <= MAX_CLAIM_LENGTH
  return typeof value === 'number' || typeof value === 'boolean'
}

/**
 * A list of strings. Cognito's own attributes (`custom:…`) are text: there, groups are separated by commas, with or
 * without brackets around all of them, as Cognito writes the values of a SAML attribute.
 */
function groups (payload: JwtPayload, name = GROUPS_CLAIM): string[] {
  const claim = payload[name]
  if (Array.isArray(claim)) return claim.filter((group) => typeof group === 'string')
  if (typeof claim !== 'string' || name === GROUPS_CLAIM || claim.length > MAX_CLAIM_LENGTH) return []
  return claim.replace(/^\[(.*)\]$/s, '$1').split(',').map((group) => group.trim()).filter((group) => group !== '')
}
