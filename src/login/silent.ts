import type { LoginRequest } from './transaction.js'

/** What `prompt=none` is answered where the user has to do something (OpenID Connect Core §3.1.2.6). */
const NEEDS_PERSON = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required']

/** Whether a login failed only because it was to be silent (`prompt=none`), and the user has to do something. */
export function isSilentRefusal (prompt: string | undefined, error: string): boolean {
  return prompt === 'none' && NEEDS_PERSON.includes(error)
}

/** The same login, for which the provider may ask the user. */
export function notSilent (login: LoginRequest): LoginRequest {
  const { prompt, ...hints } = login.hints ?? {}
  return prompt === 'none' ? { ...login, hints } : login
}

/** What a silent login has left in the query of its return address; undefined for anything else. */
export function authIn (query: unknown): string | undefined {
  const { auth } = query as { auth?: unknown }
  return NEEDS_PERSON.find((error) => error === auth)
}

/** `returnTo` with `auth=ERROR` in its query, in place of an earlier one. */
export function withAuth (returnTo: string, error: string): string {
  const [address = '', ...fragment] = returnTo.split('#')
  const [path = '', ...query] = address.split('?')
  const kept = query.join('?').split('&').filter((part) => part !== '' && !/^auth(=|$)/.test(part))
  return [`${path}?${[...kept, `auth=${error}`].join('&')}`, ...fragment].join('#')
}
