import { html } from 'ghtml'
import { textsOf } from './texts/index.js'
import type { View } from './view.js'

export interface Details {
  code: string
  requestId: string
  /** In English, as a script gets it. */
  message?: string
}

/** What the people who run the server need to find an error in the log. */
export function details ({ code, requestId, message }: Details, { language }: View): string {
  const texts = textsOf(language).details
  const english = message === undefined
    ? ''
    : html`<div><dt>${texts.message}</dt><dd lang="en">${message}</dd></div>`
  return html`<dl class="details">
!${english}
<div><dt>${texts.code}</dt><dd><code id="code">${code}</code></dd></div>
<div><dt>${texts.requestId}</dt><dd><code id="request">${requestId}</code></dd></div>
</dl>`
}
