import { TokenVault } from './token-vault.js'

/** What the token endpoint issued. */
export interface Tokens {
  idToken: string
  /** `endsAtMs`: on this process's monotonic clock, in milliseconds. */
  accessToken?: { token: string, endsAtMs: number }
  /** Absent where the one that was sent remains valid. */
  refreshToken?: string
}

/** The encrypted tokens in a session: what sign-out and the renewal of the access token need. */
export interface KeptTokens {
  refreshToken?: string
  accessToken?: KeptAccessToken
}

export interface KeptAccessToken {
  /** The encrypted token. */
  sealed: string
  /** Milliseconds for which it is valid, from `since`. */
  lifetimeMs: number
  /** Milliseconds since 1970 on the database's clock; absent: since the session was created. */
  since?: number
}

/** The part of a session, as a row holds it, that concerns tokens. */
export function tokensOf ({ refreshToken, accessToken }: Record<string, unknown>): KeptTokens {
  return {
    ...(typeof refreshToken === 'string' ? { refreshToken } : {}),
    ...(isKeptAccessToken(accessToken) ? { accessToken } : {})
  }
}

function isKeptAccessToken (value: unknown): value is KeptAccessToken {
  if (typeof value !== 'object' || value === null) return false
  const { sealed, lifetimeMs, since } = value as Partial<Record<keyof KeptAccessToken, unknown>>
  return typeof sealed === 'string' && typeof lifetimeMs === 'number' &&
    ['number', 'undefined'].includes(typeof since)
}

/** An access token that is still valid. `isDue`: to be renewed. */
export interface AccessToken { token: string, isDue: boolean, endsAt: number }

/** An access token is renewed this long before its end, but not before half its life. */
const MARGIN_MS = 60_000

/**
 * The provider's tokens of one session. Each is bound to a name of the session and to its place in it, so that it
 * is decrypted in no other row, and an access token does not pass for a refresh token.
 */
export class SessionTokens {
  readonly #vault: TokenVault
  readonly #namesOf: (sessionId: string) => readonly string[]

  /**
   * @param secrets one at least: the first encrypts, all decrypt.
   * @param namesOf the names of a session, given its id or a name: its refresh token is bound to the first one, and
   *   found by any. With the session's public id among them, the token can be revoked without the session's id.
   */
  constructor (secrets: readonly string[], namesOf: (sessionId: string) => readonly string[] = (id) => [id]) {
    this.#vault = new TokenVault(secrets)
    this.#namesOf = namesOf
  }

  /** @param since the present on the database's clock; undefined: the session begins now. */
  encrypt ({ accessToken, refreshToken }: Tokens, sessionId: string, since?: number): KeptTokens {
    const kept: KeptTokens = {}
    if (refreshToken !== undefined) kept.refreshToken = this.#encryptRefreshToken(refreshToken, sessionId)
    if (accessToken !== undefined) {
      kept.accessToken = {
        sealed: this.#vault.encrypt(accessToken.token, accessTokenOf(sessionId)),
        lifetimeMs: Math.floor(accessToken.endsAtMs - performance.now()),
        ...(since === undefined ? {} : { since: Math.floor(since) })
      }
    }
    return kept
  }

  /** The session's refresh token; undefined when there is none, or none that can be decrypted. */
  refreshToken ({ refreshToken }: KeptTokens, sessionId: string): string | undefined {
    if (typeof refreshToken !== 'string') return undefined
    for (const name of this.#namesOf(sessionId)) {
      const token = this.#vault.decrypt(refreshToken, refreshTokenOf(name))
      if (token !== undefined) return token
    }
    return undefined
  }

  /**
   * The session's access token; undefined when there is none that can be decrypted and is still valid.
   *
   * @param times in milliseconds since 1970 on the database's clock: now, and when the session was created.
   */
  accessToken (
    { accessToken }: KeptTokens,
    sessionId: string,
    { nowMs, createdMs }: { nowMs: number, createdMs: number }
  ): AccessToken | undefined {
    if (accessToken === undefined) return undefined
    const { sealed, lifetimeMs, since = createdMs } = accessToken
    const endsAt = since + lifetimeMs
    if (nowMs >= endsAt) return undefined
    const token = this.#vault.decrypt(sealed, accessTokenOf(sessionId))
    if (token === undefined) return undefined
    return { token, endsAt, isDue: nowMs >= endsAt - Math.min(MARGIN_MS, lifetimeMs / 2) }
  }

  /** The tokens encrypted with the first secret; undefined when they are already, or cannot be decrypted. */
  reencrypt ({ refreshToken, accessToken }: KeptTokens, sessionId: string): KeptTokens | undefined {
    const kept: KeptTokens = {}
    const isRefreshDue = refreshToken !== undefined && !this.#vault.isCurrent(refreshToken)
    const refresh = isRefreshDue ? this.refreshToken({ refreshToken }, sessionId) : undefined
    const access = this.#reencrypt(accessToken?.sealed, accessTokenOf(sessionId))
    if (refresh !== undefined) kept.refreshToken = this.#encryptRefreshToken(refresh, sessionId)
    if (access !== undefined && accessToken !== undefined) kept.accessToken = { ...accessToken, sealed: access }
    return Object.keys(kept).length === 0 ? undefined : kept
  }

  #encryptRefreshToken (token: string, sessionId: string): string {
    const [name = sessionId] = this.#namesOf(sessionId)
    return this.#vault.encrypt(token, refreshTokenOf(name))
  }

  #reencrypt (encrypted: string | undefined, boundTo: string): string | undefined {
    if (encrypted === undefined || this.#vault.isCurrent(encrypted)) return undefined
    const token = this.#vault.decrypt(encrypted, boundTo)
    return token === undefined ? undefined : this.#vault.encrypt(token, boundTo)
  }
}

const refreshTokenOf = (name: string): string => `refresh token of ${name}`
const accessTokenOf = (sessionId: string): string => `access token of ${sessionId}`
