import { TokenVault } from './token-vault.js'

/** What the token endpoint issued. */
export interface Tokens {
  idToken: string
  /** With the moment of its end on this process's monotonic clock, in milliseconds. */
  accessToken?: { token: string, endsAtMs: number }
  /** Absent where the provider keeps the one that it was asked with. */
  refreshToken?: string
}

/** What a session keeps of them, sealed: only what sign-out and the renewal of the access token need. */
export interface KeptTokens {
  refreshToken?: string
  accessToken?: KeptAccessToken
}

export interface KeptAccessToken {
  sealed: string
  /** Milliseconds that it holds, from `since`. */
  lifetimeMs: number
  /** Milliseconds since 1970 on the database's clock; absent: since the session's `createdAt`. */
  since?: number
}

/** A session as far as tokens are concerned. */
export interface TokenSession extends KeptTokens { createdAt?: number }

/** An access token that may still be sent. */
export interface AccessToken { token: string, isDue: boolean, endsAt: number }

/** An access token is renewed this long before its end, in milliseconds, but not before half its life. */
const MARGIN_MS = 60_000

/**
 * The provider's tokens of one session: each sealed for the session's id and for its place in it, so that
 * neither opens in another row, and an access token does not pass for a refresh token.
 */
export class SessionTokens {
  readonly #vault: TokenVault

  /** @param secrets the first seals, all open. */
  constructor (secrets: readonly string[]) {
    this.#vault = new TokenVault(secrets)
  }

  /** @param since the present on the database's clock; undefined: the session begins now. */
  seal ({ accessToken, refreshToken }: Tokens, sessionId: string, since?: number): KeptTokens {
    return {
      ...(refreshToken === undefined ? {} : { refreshToken: this.#vault.seal(refreshToken, refreshTokenOf(sessionId)) }),
      ...(accessToken === undefined
        ? {}
        : {
            accessToken: {
              sealed: this.#vault.seal(accessToken.token, accessTokenOf(sessionId)),
              lifetimeMs: Math.floor(accessToken.endsAtMs - performance.now()),
              ...(since === undefined ? {} : { since: Math.floor(since) })
            }
          })
    }
  }

  /** Undefined when there is none, or none that opens. */
  refreshToken ({ refreshToken }: TokenSession, sessionId: string): string | undefined {
    return typeof refreshToken === 'string' ? this.#vault.open(refreshToken, refreshTokenOf(sessionId)) : undefined
  }

  /** Undefined when there is none that opens and holds at `now`, on the database's clock. */
  accessToken ({ accessToken, createdAt = 0 }: TokenSession, sessionId: string, now: number): AccessToken | undefined {
    if (accessToken === undefined) return undefined
    const { sealed, lifetimeMs, since = createdAt } = accessToken
    const endsAt = since + lifetimeMs
    const token = now < endsAt ? this.#vault.open(sealed, accessTokenOf(sessionId)) : undefined
    return token === undefined ? undefined : { token, endsAt, isDue: now >= endsAt - Math.min(MARGIN_MS, lifetimeMs / 2) }
  }

  /** The same tokens sealed with the first secret; undefined when they are, or when no secret of the list opens them. */
  reseal ({ refreshToken, accessToken }: TokenSession, sessionId: string): KeptTokens | undefined {
    const refresh = this.#reseal(refreshToken, refreshTokenOf(sessionId))
    const access = this.#reseal(accessToken?.sealed, accessTokenOf(sessionId))
    if (refresh === undefined && access === undefined) return undefined
    return {
      ...(refresh === undefined ? {} : { refreshToken: refresh }),
      ...(access === undefined || accessToken === undefined ? {} : { accessToken: { ...accessToken, sealed: access } })
    }
  }

  #reseal (sealed: string | undefined, boundTo: string): string | undefined {
    if (sealed === undefined || this.#vault.isCurrent(sealed)) return undefined
    const token = this.#vault.open(sealed, boundTo)
    return token === undefined ? undefined : this.#vault.seal(token, boundTo)
  }
}

const refreshTokenOf = (sessionId: string): string => `refresh token of ${sessionId}`
const accessTokenOf = (sessionId: string): string => `access token of ${sessionId}`
