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

export function newTransaction (request: LoginRequest): LoginTransaction {
  return { state: random(), nonce: random(), codeVerifier: random(), ...request }
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
