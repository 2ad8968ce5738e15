import { html } from 'ghtml'
import { loginPath } from '../login/paths.js'
import { exits, linkButton } from './exits.js'
import { layout } from './layout.js'
import { givenLabel, roleLabel } from './role-label.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

/** A sign-in button for each role, and, after a sign-out, a line that says so. */
export function guestPage (roles: readonly string[], view: View): string {
  const { language, labels, signedOut = false, prefix } = view
  const { signIn, signedOutNotice } = textsOf(language)
  const notice = signedOut ? html`<p class="notice" role="status">${signedOutNotice}</p>` : ''
  const buttons = roles.map((role) => {
    const text = givenLabel(role, labels) ?? signIn.as(roleLabel(role, labels))
    return linkButton(`${loginPath(prefix)}?role=${encodeURIComponent(role)}`, text)
  })
  return layout(view, {
    title: signIn.title,
    body: html`!${notice}
<h1>${signIn.title}</h1>
<p>${signIn.choose}</p>
!${exits(buttons)}`
  })
}
