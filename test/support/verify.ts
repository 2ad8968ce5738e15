export const VERIFY = '/api/auth/verify'

/** The headers that every answer of `verify` has. */
export const IDENTITY = ['x-auth-user', 'x-auth-email', 'x-auth-role', 'x-auth-roles', 'x-auth-session']

/** The identity headers of an answer, null where one is missing. */
export const identity = ({ headers }: { headers: Headers }, names = IDENTITY): Record<string, string | null> =>
  Object.fromEntries(names.map((name) => [name, headers.get(name)]))

/** What a refusal has. */
export const NO_IDENTITY = Object.fromEntries(IDENTITY.map((name) => [name, '']))
