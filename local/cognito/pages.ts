/**
 * The pages of the local user pool: no script, one style sheet, every value escaped.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { SampleUser } from './sample-users.js'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: light-dark(#eef1f5, #15181d); color: light-dark(#1c2430, #e8ebf0) }
main { box-sizing: border-box; width: min(26rem, 100% - 2rem); margin: 2rem 0; padding: 2rem; border-radius: .75rem;
  background: light-dark(#fff, #20252d); box-shadow: 0 2px 16px #0003 }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.2 }
ul { margin: 1.5rem 0; padding: 0; list-style: none; display: grid; gap: .75rem }
button { width: 100%; padding: .7rem 1rem; border: 1px solid light-dark(#b6c0cf, #4a5464); border-radius: .5rem;
  background: transparent; color: inherit; font: inherit; text-align: left; cursor: pointer }
button:hover { background: light-dark(#f2f5f9, #2a313b) }
button:focus-visible { outline: 3px solid #2b74e2; outline-offset: 2px }
button strong { display: block }
button.expected { border: 2px solid #2b74e2 }
button.cancel { text-align: center }
.note { color: light-dark(#566275, #a5afbe) }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/**
 * Allows the style sheet only. `form-action` allows every origin, because Chromium applies it to the redirects
 * after a form as well, and the last one may lead to any portal.
 */
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; ` +
  'form-action \'self\' http: https:; base-uri \'none\'; frame-ancestors \'none\''

export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': POLICY,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const page = (title: string, body: string): string => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>!${STYLE}</style>
</head>
<body><main>!${body}</main></body>
</html>
`

/**
 * A button for each user, and one to cancel.
 *
 * @param action URL of the form.
 * @param expected the user that `login_hint` names: first, and focused.
 */
export function signInPage (action: string, users: readonly SampleUser[], expected?: SampleUser): string {
  return page('Sign in to the local user pool', html`<h1>Sign in</h1>
<p class="note">This page stands in for Amazon Cognito on your machine. Choose one of the sample users.</p>
!${choice(action, users, expected)}`)
}

/** As the sign-in page. Signing up makes no user: it ends with one of the sample users. */
export function signUpPage (action: string, users: readonly SampleUser[], expected?: SampleUser): string {
  return page('Sign up to the local user pool', html`<h1>Sign up</h1>
<p class="note">This page stands in for Amazon Cognito on your machine. Choose the sample user that you become.</p>
!${choice(action, users, expected)}`)
}

function choice (action: string, users: readonly SampleUser[], expected?: SampleUser): string {
  const ordered = expected === undefined ? users : [expected, ...users.filter((user) => user !== expected)]
  return html`<form method="post" action="${action}">
<ul aria-label="Sample users">
!${ordered.map((user) => html`<li>!${button(user, user === expected)}</li>`).join('\n')}
</ul>
<button class="cancel" name="cancel" value="true">Cancel</button>
</form>`
}

/** What is at the pool's address itself, where Cognito has nothing. */
export function frontPage (): string {
  return page('Local user pool', html`<h1>Local user pool</h1>
<p>This server stands in for Amazon Cognito on your machine. Start at your application, or
<a href="/idp-initiated">sign in from the portal of an identity provider</a>.</p>`)
}

function button ({ username, name, email, groups }: SampleUser, expected: boolean): string {
  const attributes = expected ? ' class="expected" autofocus' : ''
  const membership = groups.length > 0 ? `group ${groups.join(', ')}` : 'no group'
  return html`<button name="person" value="${username}"!${attributes}>` +
    html`<strong>${name}</strong> <span class="note">${email}, ${membership}</span></button>`
}

/** @param code as Cognito's own error page shows it, such as `redirect_mismatch`. */
export function errorPage (code: string, message: string): string {
  return page('Sign-in problem', html`<h1>An error was encountered with the requested page.</h1>
<p>${message}</p>
<p class="note">Code <code id="error">${code}</code></p>`)
}
