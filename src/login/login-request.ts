import { safeReturnTo } from './return-to.js'
import { HINTS, SIGN_UP, type LoginRequest } from './transaction.js'

/** What a login may ask for. */
export interface LoginRules {
  ROLES: readonly string[]
  PUBLIC_URL: string
  RETURN_ORIGINS: readonly string[]
  /** Where the login is. */
  prefix?: string
}

/** In characters. */
export const MAX_HINT_LENGTH = 256
export const MAX_MAX_AGE_S = 86_400

/** Texts without control characters, of which a column of type `jsonb` refuses NUL. */
export const HINT_PATTERN = '^[^\\u0000-\\u001f\\u007f]*$'
const HINT = new RegExp(HINT_PATTERN, 'u')

/**
 * The parts of a login's query that a login may ask for. Anything else is left out.
 *
 * @param query untrusted, with the names of `GET /api/auth/login`.
 */
export function validParts (query: Readonly<Record<string, unknown>>, rules: LoginRules): Partial<LoginRequest> {
  const { role, returnTo } = query
  const parts: Partial<LoginRequest> = {}
  if (isText(role) && rules.ROLES.includes(role)) parts.requestedRole = role
  const address = isText(returnTo)
    ? safeReturnTo(returnTo, rules.PUBLIC_URL, rules.RETURN_ORIGINS, rules.prefix)
    : undefined
  if (address !== undefined) parts.returnTo = address
  const hints = HINTS.flatMap((name) => isHint(name, query[name]) ? [[name, query[name]]] : [])
  if (hints.length > 0) parts.hints = Object.fromEntries(hints) as NonNullable<LoginRequest['hints']>
  const maxAge = maxAgeOf(query.max_age)
  if (maxAge !== undefined) parts.maxAge = maxAge
  return parts
}

/** The login that asks for these parts, provided that its role is known; without a return address it ends at `/`. */
export function asLogin (
  { requestedRole, returnTo = '/', ...others }: Partial<LoginRequest>
): LoginRequest | undefined {
  return requestedRole === undefined ? undefined : { requestedRole, returnTo, ...others }
}

function maxAgeOf (value: unknown): number | undefined {
  // As the schema of the login coerces it.
  const seconds = isText(value) && value !== '' ? Number(value) : value
  return Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) <= MAX_MAX_AGE_S
    ? seconds as number
    : undefined
}

/** As the schema of the login has it: JSON Schema counts code points. */
function isHint (name: typeof HINTS[number], value: unknown): value is string {
  if (name === 'screen_hint') return value === SIGN_UP
  return isText(value) && value !== '' && value.length <= 2 * MAX_HINT_LENGTH && [...value].length <= MAX_HINT_LENGTH &&
    HINT.test(value)
}
const isText = (value: unknown): value is string => typeof value === 'string'
