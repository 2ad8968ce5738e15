import { html } from 'ghtml'
import { deviceOf } from '../device.js'
import { endSessionUrl } from '../login/paths.js'
import type { ListedSession } from '../user-sessions.js'
import { agoInWords } from './relative-time.js'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

interface Options {
  /** Every session but the current one has a button that ends it. */
  canEnd: boolean
  /** The level of their headings; default 2. */
  heading?: 2 | 3
}

export function sessionList (sessions: readonly ListedSession[], view: View, options: Options): string {
  const items = sessions.map((session) => item(session, view, options))
  return html`<ul class="sessions" role="list">
!${items.join('\n')}
</ul>`
}

function item (session: ListedSession, { language, prefix }: View, { canEnd, heading = 2 }: Options): string {
  const { account } = textsOf(language)
  const name = nameOf(session.userAgent, account)
  const marks = [
    ...(session.current ? [account.current] : []),
    ...(session.deviceBound === true ? [account.bound] : [])
  ]
  const mark = marks.map((text) => html` <span class="mark">${text}</span>`).join('')
  const time = (iso: string) =>
    html`<time datetime="${iso}">${agoInWords((Date.now() - Date.parse(iso)) / 1000, language)}</time>`
  const stray = typeof session.withoutDeviceAt === 'string'
    ? html`
<div><dt>${account.withoutDevice}</dt><dd>!${time(session.withoutDeviceAt)}</dd></div>
<div><dd>${account.withoutDeviceAdvice}</dd></div>
`
    : '\n'
  const button = canEnd && !session.current
    ? html`
<form method="post" action="${endSessionUrl(session.id, prefix)}">
<button class="secondary" aria-label="${`${account.end}: ${name}`}">${account.end}</button></form>`
    : ''
  return html`<li>
!${`<h${heading}>`}${name}!${mark}!${`</h${heading}>`}
<dl>
<div><dt>${account.signedIn}</dt><dd>!${time(session.createdAt)}</dd></div>
<div><dt>${account.lastSeen}</dt><dd>!${time(session.lastSeenAt)}</dd></div>
<div><dt>${account.address}</dt><dd>${session.ip ?? account.unknownAddress}</dd></div>!${stray}</dl>!${button}
</li>`
}

function nameOf (
  userAgent: string | null, texts: { device: (browser: string, system: string) => string, unknownDevice: string }
): string {
  const { browser, system } = deviceOf(userAgent ?? undefined)
  if (browser === undefined || system === undefined) return browser ?? system ?? texts.unknownDevice
  return texts.device(browser, system)
}
