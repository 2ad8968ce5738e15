import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a login asks for, checked. */
export interface LoginRequest {
  requestedRole: string
  /** Where the browser goes once signed in. */
  returnTo: string
}

/**
 * One login, from the redirect to Cognito until its callback: what its row holds.
 *
 * `state` binds the callback to the login (RFC 9700 §4.7), `nonce` the ID token (OpenID Connect Core
 * §3.1.2.1), `codeVerifier` the code (RFC 7636): each 256 random bits that never leave the server
 * before they have to.
 */
export interface LoginTransaction extends LoginRequest {
  state: string
  nonce: string
  codeVerifier: string
}

/** What the `state` of a login begins with that was started in place of a lost one, without anybody asking for it. */
const AGAIN = 'again.'

/** @param again whether it takes the place of a lost one: it is not replaced again when it gets lost, too. */
export function newTransaction (request: LoginRequest, { again = false } = {}): LoginTransaction {
  return { state: (again ? AGAIN : '') + random(), nonce: random(), codeVerifier: random(), ...request }
}

/** Whether a callback's `state` is of a login that took the place of a lost one. Anybody can write such a state, and gains nothing. */
export function isSecondTry (state: string): boolean {
  return state.startsWith(AGAIN)
}

/** The begin of the random part of `state`: enough to tell apart the logins of one browser. */
export function stateKey (state: string): string {
  return state.slice(isSecondTry(state) ? AGAIN.length : 0).slice(0, 10)
}

/** The code challenge of method S256 (RFC 7636 §4.2). */
export function codeChallenge (codeVerifier: string): string {
  return createHash('sha256').update(codeVerifier).digest('base64url')
}

/** Whether the callback's `state` is the transaction's, compared in constant time. */
export function isState (transaction: LoginTransaction, state: string): boolean {
  const [ours, theirs] = [digest(transaction.state), digest(state)]
  return timingSafeEqual(ours, theirs)
}

/** The transaction that a row's `sess` holds; undefined when it holds something else. */
export function asTransaction (session: Record<string, unknown>): LoginTransaction | undefined {
  const { state, nonce, codeVerifier, requestedRole, returnTo } = session
  return isText(state) && isText(nonce) && isText(codeVerifier) && isText(requestedRole) && isText(returnTo)
    ? { state, nonce, codeVerifier, requestedRole, returnTo }
    : undefined
}

const random = (): string => randomBytes(32).toString('base64url')
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const isText = (value: unknown): value is string => typeof value === 'string'
