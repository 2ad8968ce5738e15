/** What `prompt=none` is answered without a session at the provider (OpenID Connect Core §3.1.2.6). */
const NEEDS_PERSON = ['login_required', 'interaction_required', 'consent_required']

/** Whether a login failed only because it was to be silent (`prompt=none`), and the user has to do something. */
export function isSilentRefusal (prompt: string | undefined, error: string): boolean {
  return prompt === 'none' && NEEDS_PERSON.includes(error)
}

/** `returnTo` with `auth=ERROR` in its query, in place of an earlier one. */
export function withAuth (returnTo: string, error: string): string {
  const [address = '', ...fragment] = returnTo.split('#')
  const [path = '', ...query] = address.split('?')
  const kept = query.join('?').split('&').filter((part) => part !== '' && !/^auth(=|$)/.test(part))
  return [`${path}?${[...kept, `auth=${error}`].join('&')}`, ...fragment].join('#')
}
