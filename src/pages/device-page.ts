import { html } from 'ghtml'
import { exits, linkButton, postButton } from './exits.js'
import { layout } from './layout.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface DevicePage {
  /** The session is not bound (yet), and has to be; otherwise it is bound, and the browser has not shown its device. */
  isUnbound: boolean
  /** What the page loads after a second; undefined: it stays. */
  reloadUrl: string | undefined
  loginUrl: string
  signOutUrl: string
}

/** For a browser that has not shown the device of its session. */
export function devicePage ({ isUnbound, reloadUrl, loginUrl, signOutUrl }: DevicePage, view: View): string {
  const { device, problem, signIn, signOut } = textsOf(view.language)
  if (reloadUrl !== undefined) {
    const { title, advice } = device.waiting
    return layout(view, {
      title,
      head: html`<meta http-equiv="refresh" content="1;url=${reloadUrl}">`,
      body: html`<h1>${title}</h1>
<p>${advice}</p>`
    })
  }
  const { title, advice } = isUnbound ? device.unbound : device.missing
  const buttons = [
    linkButton(loginUrl, signIn.again),
    postButton(signOutUrl, signOut.button, { isSecondary: true })
  ]
  return layout(view, {
    title: problem,
    body: html`<h1>${title}</h1>
<p>${advice}</p>
!${exits(buttons)}`
  })
}
