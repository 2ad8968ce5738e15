/**
 * The few pages this server shows by itself. No script, one style sheet, everything escaped.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { User } from './login/id-token.js'
import type { LoginRecovery } from './login/recovery.js'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 34rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.6rem; line-height: 1.2 }
a.button, button { display: inline-block; margin: 0 .5rem .5rem 0; padding: .6rem 1.1rem; border: 0; border-radius: .4rem;
  background: #07743a; color: #fff; font: inherit; text-decoration: none; cursor: pointer }
a.button:focus-visible, button:focus-visible { outline: 3px solid #fa0 }
dt { font-weight: 600 } dd { margin: 0 0 .5rem }
small { opacity: .7 }
`

/** What a Content-Security-Policy allows these pages' style sheet by. */
export const styleHash = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`

const page = (title: string, body: string, head = ''): string => html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">!${head}<title>${title}</title><style>!${STYLE}</style></head>
<body><main>!${body}</main></body>
</html>
`

/** For `GET /` outside production. */
export function homePage (roles: readonly string[], signedIn?: { user: User, role: string, roles: readonly string[], expiresAt: string }): string {
  if (signedIn === undefined) {
    return page('Sign in', html`<h1>Sign in</h1>
<p>Choose the portal you want to use.</p>
<p>!${roles.map((role) => html`<a class="button" href="/api/auth/login?role=${encodeURIComponent(role)}">Sign in as ${role}</a>`).join('\n')}</p>`)
  }
  const { user, role, expiresAt } = signedIn
  return page('Signed in', html`<h1>Signed in as ${user.name ?? user.email ?? user.sub}</h1>
<dl>
<dt>Role</dt><dd id="role">${role}</dd>
<dt>All roles</dt><dd id="roles">${signedIn.roles.join(', ')}</dd>
<dt>Email</dt><dd id="email">${user.email ?? '–'}</dd>
<dt>Session ends without use at</dt><dd id="expires">${expiresAt}</dd>
</dl>
<form method="post" action="/api/auth/logout"><button>Sign out</button></form>`)
}

/** What to tell a person about an error, beyond its message. */
const ADVICE: Record<string, string> = {
  ERR_DATABASE: 'The service is briefly unavailable. Please try again in a moment.',
  ERR_COGNITO_TIMEOUT: 'The sign-in service did not answer. Please try again in a moment.',
  ERR_COGNITO_ANSWER: 'The sign-in service has a problem. Please try again in a moment.',
  ERR_RATE_LIMIT: 'Please wait, then reload this page.',
  ERR_ROLE_NOT_GRANTED: 'Ask an administrator for this role, or sign in with another account.'
}

export interface ErrorPage extends LoginRecovery {
  code: string
  message: string
  requestId: string
}

/** For a browser, instead of the JSON error. */
export function errorPage (
  { code, message, requestId, retryUrl, autoRetryUrl = '', cookiesBlocked = false }: ErrorPage
): string {
  const problem = cookiesBlocked
    ? html`<h1>Cookies seem to be switched off</h1>
<p>A sign-in needs cookies, and your browser sent none back. Allow cookies for this site, then sign in again.</p>
<p>${message}.</p>`
    : html`<h1>${message}</h1>
<p>${autoRetryUrl === '' ? ADVICE[code] ?? 'Nothing was changed. You can start the sign-in again.' : 'The sign-in is being started again.'}</p>`
  return page('Sign-in problem', html`!${problem}
<p><a class="button" href="${retryUrl}">Sign in again</a></p>
<p><small>Code <code id="code">${code}</code>, request <code id="request">${requestId}</code></small></p>`,
  autoRetryUrl === '' ? '' : html`<meta http-equiv="refresh" content="0;url=${autoRetryUrl}">`)
}
