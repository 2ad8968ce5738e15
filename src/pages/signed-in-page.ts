import { html } from 'ghtml'
import type { User } from '../login/id-token.js'
import { logoutPath } from '../login/paths.js'
import type { ListedSession } from '../user-sessions.js'
import { exits, linkButton, postButton } from './exits.js'
import { perLanguage } from './language.js'
import { layout } from './layout.js'
import { inWords } from './relative-time.js'
import { roleLabel } from './role-label.js'
import { sessionList } from './session-list.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface SignedIn {
  user: User
  role: string
  roles: readonly string[]
  /** ISO 8601. */
  expiresAt: string
  sessions: readonly ListedSession[]
  /** Where sessions are ended; undefined where there is no such page. */
  accountUrl?: string | undefined
}

const lists = perLanguage((language) => new Intl.ListFormat(language, { type: 'unit' }))

/** Who is signed in, the sessions and a sign-out button. */
export function signedInPage (
  { user, role, roles, expiresAt, sessions, accountUrl }: SignedIn, view: View
): string {
  const { language, labels, prefix } = view
  const { account, signedIn, signOut } = textsOf(language)
  const title = signedIn.as(nameOf(user))
  const all = lists(language).format(roles.map((role) => roleLabel(role, labels)))
  const seconds = (Date.parse(expiresAt) - Date.now()) / 1000
  const ends = Number.isNaN(seconds) ? '–' : inWords(seconds, language)
  const buttons = [
    postButton(logoutPath(prefix), signOut.button),
    ...(accountUrl === undefined ? [] : [linkButton(accountUrl, account.manage, { isSecondary: true })])
  ]
  return layout(view, {
    title,
    body: html`<h1>${title}</h1>
<dl>
<div><dt>${signedIn.role}</dt><dd id="role">${roleLabel(role, labels)}</dd></div>
<div><dt>${signedIn.allRoles}</dt><dd id="roles">${all}</dd></div>
<div><dt>${signedIn.email}</dt><dd id="email">${user.email ?? '–'}</dd></div>
<div><dt>${signedIn.endsIfIdle}</dt><dd><time id="expires" datetime="${expiresAt}">${ends}</time></dd></div>
</dl>
<h2 class="part">${account.title}</h2>
!${sessionList(sessions, view, { canEnd: false, heading: 3 })}
!${exits(buttons)}`
  })
}

/** What a page calls a user. */
export const nameOf = ({ name, email, sub }: User): string => name ?? email ?? sub
