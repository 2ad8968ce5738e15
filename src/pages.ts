/**
 * The pages of this server. No script, one style sheet, everything escaped.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { html } from 'ghtml'
import type { User } from './login/id-token.js'
import { LOGIN_PATH, LOGOUT_PATH } from './login/paths.js'
import type { LoginRecovery } from './login/recovery.js'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 34rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.6rem; line-height: 1.2 }
a.button, button { display: inline-block; margin: 0 .5rem .5rem 0; padding: .6rem 1.1rem;
  border: 0; border-radius: .4rem; background: #07743a; color: #fff; font: inherit;
  text-decoration: none; cursor: pointer }
a.button:focus-visible, button:focus-visible { outline: 3px solid #fa0 }
dt { font-weight: 600 } dd { margin: 0 0 .5rem }
small { opacity: .7 }
`

/** The source that allows the style sheet in a Content-Security-Policy. */
export const styleHash = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`

const page = (title: string, body: string, head = ''): string => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">!${head}
<title>${title}</title>
<style>!${STYLE}</style>
</head>
<body><main>!${body}</main></body>
</html>
`

export interface SignedIn {
  user: User
  role: string
  roles: readonly string[]
  /** ISO 8601. */
  expiresAt: string
}

/** For `GET /` outside production. `signedIn` is undefined for a guest. */
export function homePage (roles: readonly string[], signedIn?: SignedIn): string {
  return signedIn === undefined ? guestPage(roles) : signedInPage(signedIn)
}

function guestPage (roles: readonly string[]): string {
  const buttons = roles.map((role) =>
    html`<a class="button" href="${LOGIN_PATH}?role=${encodeURIComponent(role)}">Sign in as ${role}</a>`)
  return page('Sign in', html`<h1>Sign in</h1>
<p>Choose the portal you want to use.</p>
<p>!${buttons.join('\n')}</p>`)
}

function signedInPage ({ user, role, roles, expiresAt }: SignedIn): string {
  return page('Signed in', html`<h1>Signed in as ${user.name ?? user.email ?? user.sub}</h1>
<dl>
<dt>Role</dt><dd id="role">${role}</dd>
<dt>All roles</dt><dd id="roles">${roles.join(', ')}</dd>
<dt>Email</dt><dd id="email">${user.email ?? '–'}</dd>
<dt>Expires if idle at</dt><dd id="expires">${expiresAt}</dd>
</dl>
<form method="post" action="!${LOGOUT_PATH}"><button>Sign out</button></form>`)
}

/** What a user can do about an error. */
const ADVICE: Record<string, string> = {
  ERR_DATABASE: 'The service is briefly unavailable. Please try again in a moment.',
  ERR_COGNITO_TIMEOUT: 'The sign-in service did not answer. Please try again in a moment.',
  ERR_COGNITO_ANSWER: 'The sign-in service has a problem. Please try again in a moment.',
  ERR_RATE_LIMIT: 'Please wait, then reload this page.',
  ERR_AUTH_TIME: 'You are still signed in, as before. Please try again; if this page comes back, tell us.',
  ERR_OTHER_USER: 'Please sign in with the account that you are signed in with, or sign out first.',
  ERR_ROLE_NOT_GRANTED: 'Ask an administrator for this role, or sign in with another account.'
}
const DEFAULT_ADVICE = 'Nothing was changed. You can start the sign-in again.'

export interface ErrorPage extends LoginRecovery {
  code: string
  message: string
  requestId: string
}

/** For a browser, instead of the JSON error. */
export function errorPage (error: ErrorPage): string {
  const { code, requestId, retryUrl, autoRetryUrl = '', cookiesBlocked = false } = error
  const head = autoRetryUrl === '' ? '' : html`<meta http-equiv="refresh" content="0;url=${autoRetryUrl}">`
  const problem = cookiesBlocked ? cookieProblem(error) : generalProblem(error)
  return page('Sign-in problem', html`!${problem}
<p><a class="button" href="${retryUrl}">Sign in again</a></p>
<p><small>Code <code id="code">${code}</code>, request <code id="request">${requestId}</code></small></p>`, head)
}

const cookieProblem = ({ message }: ErrorPage): string => html`<h1>Cookies seem to be switched off</h1>
<p>Signing in needs cookies, but your browser sent none. Allow cookies for this site, then sign in again.</p>
<p>${message}.</p>`

function generalProblem ({ code, message, autoRetryUrl = '' }: ErrorPage): string {
  const advice = autoRetryUrl === '' ? ADVICE[code] ?? DEFAULT_ADVICE : 'The sign-in is being started again.'
  return html`<h1>${message}</h1>
<p>${advice}</p>`
}
