import { html } from 'ghtml'
import type { User } from '../login/id-token.js'
import { details, type Details } from './details.js'
import { exits, postButton } from './exits.js'
import { layout } from './layout.js'
import { nameOf } from './signed-in-page.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface SignOut {
  /** What the button posts to. */
  signOutUrl: string
  /** Who is signed in; undefined for a guest. */
  user?: User | undefined
  /** The refusal of a sign-out that another page asked for. It is then unknown who is signed in. */
  refusal?: Details
}

/** A page of this server's own whose button signs out. */
export function signOutPage ({ signOutUrl, user, refusal }: SignOut, view: View): string {
  const { signOut } = textsOf(view.language)
  const status = user === undefined ? signOut.guest : signOut.signedInAs(nameOf(user))
  const title = refusal === undefined ? signOut.title : signOut.confirm
  return layout(view, {
    title,
    body: html`<h1>${title}</h1>
<p>${refusal === undefined ? status : signOut.refused}</p>
!${exits([postButton(signOutUrl, signOut.button)])}
!${refusal === undefined ? '' : details(refusal, view)}`
  })
}
