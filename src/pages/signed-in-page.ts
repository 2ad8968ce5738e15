import { html } from 'ghtml'
import type { User } from '../login/id-token.js'
import { logoutPath } from '../login/paths.js'
import { exits, postButton } from './exits.js'
import { layout } from './layout.js'
import { inWords } from './relative-time.js'
import { roleLabel } from './role-label.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface SignedIn {
  user: User
  role: string
  roles: readonly string[]
  /** ISO 8601. */
  expiresAt: string
}

/** Who is signed in, and a sign-out button. */
export function signedInPage ({ user, role, roles, expiresAt }: SignedIn, view: View): string {
  const { language, labels, prefix } = view
  const { signedIn, signOut } = textsOf(language)
  const title = signedIn.as(nameOf(user))
  const all = new Intl.ListFormat(language, { type: 'unit' }).format(roles.map((role) => roleLabel(role, labels)))
  const seconds = (Date.parse(expiresAt) - Date.now()) / 1000
  const ends = Number.isNaN(seconds) ? '–' : inWords(seconds, language)
  return layout(view, {
    title,
    body: html`<h1>${title}</h1>
<dl>
<div><dt>${signedIn.role}</dt><dd id="role">${roleLabel(role, labels)}</dd></div>
<div><dt>${signedIn.allRoles}</dt><dd id="roles">${all}</dd></div>
<div><dt>${signedIn.email}</dt><dd id="email">${user.email ?? '–'}</dd></div>
<div><dt>${signedIn.endsIfIdle}</dt><dd><time id="expires" datetime="${expiresAt}">${ends}</time></dd></div>
</dl>
!${exits([postButton(logoutPath(prefix), signOut.button)])}`
  })
}

/** What a page calls a user. */
export const nameOf = ({ name, email, sub }: User): string => name ?? email ?? sub
