import { html } from 'ghtml'
import type { User } from '../login/id-token.js'
import { ACCOUNT_END_PATH, LOGOUT_PATH } from '../login/paths.js'
import type { ListedSession } from '../user-sessions.js'
import { exits, postButton } from './exits.js'
import { layout } from './layout.js'
import { sessionList } from './session-list.js'
import { nameOf } from './signed-in-page.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface Account {
  user: User
  sessions: readonly ListedSession[]
}

/** The sessions of the signed-in user, with buttons that end them. */
export function accountPage ({ user, sessions }: Account, view: View): string {
  const { account, signOut } = textsOf(view.language)
  const hasOthers = sessions.some(({ current }) => !current)
  return layout(view, {
    title: account.title,
    body: html`<h1>${account.title}</h1>
<p>${signOut.signedInAs(nameOf(user))} ${account.explanation}</p>
!${sessionList(sessions, view, { canEnd: true })}
!${exits([
      ...(hasOthers ? [postButton(ACCOUNT_END_PATH, account.endOthers)] : []),
      postButton(LOGOUT_PATH, signOut.button, { isSecondary: hasOthers })
    ])}`
  })
}
