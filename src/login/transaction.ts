import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** Parameters of a login that are Cognito's own. `screen_hint` chooses its page; the others are passed through. */
export const HINTS = ['identity_provider', 'login_hint', 'lang', 'prompt', 'screen_hint'] as const
/** The value of `screen_hint` for the page of a new account. Any other has no effect. */
export const SIGN_UP = 'signup'

export type Hints = Partial<Record<typeof HINTS[number], string>>

/** What a login asks for, checked. */
export interface LoginRequest {
  requestedRole: string
  /** Where the browser goes once signed in. */
  returnTo: string
  hints?: Hints
  /** How long ago the user may have signed in at Cognito, in seconds (OpenID Connect Core §3.1.2.1). */
  maxAge?: number
}

/**
 * One login, from the redirect to Cognito until its callback, as its row holds it.
 *
 * `state` binds the callback to the login (RFC 9700 §4.7), `nonce` the ID token (OpenID Connect Core
 * §3.1.2.1), `codeVerifier` the code (RFC 7636): each has 256 random bits and is kept on the server
 * until it is needed.
 */
export interface LoginTransaction extends LoginRequest {
  state: string
  nonce: string
  codeVerifier: string
  /** The `sub` of the signed-in user whom the login is to confirm. */
  stepUpOf?: string
}

export interface TransactionOptions {
  /** Whether the login is an automatic retry, which is not retried when it is lost as well. */
  isRetry?: boolean
  stepUpOf?: string
}

/** Of `state`, `nonce` and `codeVerifier` each. */
const RANDOM_BYTES = 32

/** Prefix of the `state` of an automatic retry. */
const RETRY_PREFIX = 'retry.'

export function newTransaction (
  request: LoginRequest, { isRetry = false, ...options }: TransactionOptions = {}
): LoginTransaction {
  const prefix = isRetry ? RETRY_PREFIX : ''
  const random = randomBytes(3 * RANDOM_BYTES)
  const [state = '', nonce = '', codeVerifier = ''] = [0, 1, 2].map((index) =>
    random.toString('base64url', index * RANDOM_BYTES, (index + 1) * RANDOM_BYTES))
  return { state: prefix + state, nonce, codeVerifier, ...request, ...options }
}

/** Whether a callback's `state` is of an automatic retry. Such a state can be made up, and gives nothing. */
export function isRetry (state: string): boolean {
  return state.startsWith(RETRY_PREFIX)
}

/** The beginning of the random part of `state`: enough to tell apart the logins of one browser. */
export function stateKey (state: string): string {
  return state.slice(isRetry(state) ? RETRY_PREFIX.length : 0).slice(0, 10)
}

/** The code challenge of method S256 (RFC 7636 §4.2). */
export function codeChallenge (codeVerifier: string): string {
  return hash('sha256', codeVerifier, 'base64url')
}

/** Whether the callback's `state` is the transaction's, compared in constant time. */
export function isState (transaction: LoginTransaction, state: string): boolean {
  const [ours, theirs] = [Buffer.from(transaction.state), Buffer.from(state)]
  return ours.length === theirs.length && timingSafeEqual(ours, theirs)
}

/** The transaction that a row's `sess` holds; undefined when it holds something else. */
export function asTransaction (session: Record<string, unknown>): LoginTransaction | undefined {
  const { state, nonce, codeVerifier, requestedRole, returnTo, hints, maxAge, stepUpOf } = session
  if (!isText(state) || !isText(nonce) || !isText(codeVerifier)) return undefined
  if (!isText(requestedRole) || !isText(returnTo)) return undefined
  // A step-up whose conditions cannot be read must not end as a plain sign-in.
  if (!['undefined', 'number'].includes(typeof maxAge) || !['undefined', 'string'].includes(typeof stepUpOf)) {
    return undefined
  }
  return {
    state,
    nonce,
    codeVerifier,
    requestedRole,
    returnTo,
    ...(isHints(hints) ? { hints } : {}),
    ...(typeof maxAge === 'number' ? { maxAge } : {}),
    ...(typeof stepUpOf === 'string' ? { stepUpOf } : {})
  }
}

const isHints = (value: unknown): value is Hints =>
  typeof value === 'object' && value !== null && Object.values(value).every(isText)
const isText = (value: unknown): value is string => typeof value === 'string'
