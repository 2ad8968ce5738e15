import { ERR_COGNITO_ANSWER } from '../errors.js'
import type { Tokens } from './session-tokens.js'

/** A token response (RFC 6749 §5.1), not validated. */
export type TokenResponse = Record<string, unknown>

/** Lifetime of an access token whose response does not say. Cognito's shortest. */
const DEFAULT_EXPIRES_IN_S = 300
/** Longer lifetimes are not trusted. Cognito's longest. */
const MAX_EXPIRES_IN_S = 86_400
/** In characters. Cognito's have about 1,800, and a session has room for this many. */
const MAX_REFRESH_TOKEN_LENGTH = 8192
/**
 * In characters. An access token lists the user's groups. With the most that Cognito allows, 100 groups with names of
 * 128 characters, it has about 19,000, and 70,000 if each character of a name takes four bytes.
 */
const MAX_ACCESS_TOKEN_LENGTH = 73_728

/**
 * The tokens of a token response.
 *
 * @param requestedAtMs when the request was sent, on the monotonic clock.
 * @throws {ERR_COGNITO_ANSWER} without an ID token, or if a token is too long to be stored.
 */
export function parseTokenResponse (response: TokenResponse, requestedAtMs: number): Tokens {
  const { id_token: idToken, expires_in: expiresIn } = response
  if (typeof idToken !== 'string') throw invalid('no id_token in the token response')
  const accessToken = boundedText(response.access_token, MAX_ACCESS_TOKEN_LENGTH, 'an access token')
  const refreshToken = boundedText(response.refresh_token, MAX_REFRESH_TOKEN_LENGTH, 'a refresh token')
  const lifetimeS = Number(expiresIn) > 0 ? Math.min(Number(expiresIn), MAX_EXPIRES_IN_S) : DEFAULT_EXPIRES_IN_S
  const endsAtMs = requestedAtMs + lifetimeS * 1000
  return {
    idToken,
    ...(accessToken === undefined ? {} : { accessToken: { token: accessToken, endsAtMs } }),
    ...(refreshToken === undefined ? {} : { refreshToken })
  }
}

const invalid = (reason: string) => new ERR_COGNITO_ANSWER({ cause: new Error(reason) })

function boundedText (value: unknown, maxLength: number, what: string): string | undefined {
  if (typeof value !== 'string') return undefined
  if (value.length > maxLength) throw invalid(`${what} longer than ${maxLength} characters`)
  return value
}
