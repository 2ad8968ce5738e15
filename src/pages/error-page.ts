import { html } from 'ghtml'
import { loginUrl, otherAccountUrl, type LoginRecovery } from '../login/recovery.js'
import { details } from './details.js'
import { exits, linkButton, postButton } from './exits.js'
import { layout } from './layout.js'
import { inWords } from './relative-time.js'
import { roleLabel } from './role-label.js'
import { errorText, textsOf, type ErrorText, type Texts } from './texts/index.js'
import type { View } from './view.js'

export interface ErrorPage extends LoginRecovery {
  code: string
  /** In English, as a script gets it. */
  message: string
  requestId: string
  /** After how many seconds another try may succeed. */
  retryAfterS?: number
  /** The portal that the login began at, if it is not this server. */
  portalUrl?: string
  /** Where a form signs out. */
  signOutUrl: string
  /** Whether it was a sign-out that failed. */
  isSignOut?: boolean
}

/** Their messages name roles as the configuration does, and people read `ROLE_LABELS`. */
const NAME_ROLES = ['ERR_ROLE_NOT_GRANTED', 'ERR_ROLE_UNKNOWN']
/** The application's own text, for people. */
const DENIED = 'ERR_LOGIN_DENIED'
/** Refusals of an account: the provider signs the same one in again without being asked. */
const OF_THE_ACCOUNT = ['ERR_ROLE_NOT_GRANTED', DENIED]
/** Signing in again helps, once another session has ended. */
const LIMIT = 'ERR_SESSION_LIMIT'
/** Where the provider's session is in the way: it ends with a sign-out. */
const NEEDS_SIGN_OUT = ['ERR_OTHER_USER', 'ERR_AUTH_TIME']

/** For a browser, instead of the JSON error. */
export function errorPage (error: ErrorPage, view: View): string {
  const { code, message, requestId, autoRetryUrl = '', isSignOut = false } = error
  const texts = textsOf(view.language)
  const { title, advice } = problemOf(error, view)
  const repeats = message === title || NAME_ROLES.includes(code) || code === DENIED
  return layout(view, {
    title: isSignOut ? texts.signOut.problem : texts.problem,
    head: autoRetryUrl === '' ? '' : html`<meta http-equiv="refresh" content="0;url=${autoRetryUrl}">`,
    body: html`<h1>${title}</h1>
<p>${advice}</p>
!${exits(exitsOf(error, texts, view))}
!${details({ code, requestId, ...(repeats ? {} : { message }) }, view)}`
  })
}

function problemOf (error: ErrorPage, { language, labels }: View): ErrorText {
  const { code, message, login, retryAfterS, autoRetryUrl = '', cookiesBlocked = false, isSignOut = false } = error
  const texts = textsOf(language)
  if (cookiesBlocked) return texts.cookies
  const known = errorText(texts, code)
  const title = known?.title ?? (language === 'en' ? message : texts.other.title)
  const advice = known?.advice ?? texts.other.advice
  if (isSignOut) return { title, advice: code === 'ERR_LOGOUT_URL' ? advice : texts.signOut.advice }
  if (code === DENIED && message !== '') return { title, advice: message }
  if (autoRetryUrl !== '') return { title, advice: texts.startingAgain }
  if (code === 'ERR_RATE_LIMIT' && retryAfterS !== undefined) {
    return { title, advice: texts.tryAgain(inWords(retryAfterS, language)) }
  }
  if (code !== 'ERR_ROLE_NOT_GRANTED' || login === undefined) return { title, advice }
  return {
    title: texts.roleNotGranted(roleLabel(login.requestedRole, labels)),
    advice: hasAskedForAccount(error) ? `${advice} ${texts.sameAccountAgain}` : advice
  }
}

/** The first one is what most people want. */
function exitsOf (error: ErrorPage, { signIn, signOut, backToPortal }: Texts, view: View): string[] {
  const { prefix } = view
  const { code, retryUrl, portalUrl, signOutUrl, login, isSignOut = false } = error
  const secondary = { isSecondary: true }
  const first: string[] = []
  if (isSignOut) first.push(postButton(signOutUrl, signOut.button))
  if (OF_THE_ACCOUNT.includes(code)) {
    const hasAsked = hasAskedForAccount(error)
    if (hasAsked) first.push(postButton(signOutUrl, signOut.changeAccount))
    first.push(linkButton(otherAccountUrl(login, prefix), signIn.otherAccount, { isSecondary: hasAsked }))
    first.push(...otherRoles(error, view).map(({ url, label }) => linkButton(url, signIn.as(label), secondary)))
  }
  return [
    ...first,
    linkButton(retryUrl, signIn.again, { isSecondary: first.length > 0 }),
    ...(code === LIMIT ? [linkButton(otherAccountUrl(login, prefix), signIn.otherAccount, secondary)] : []),
    ...(NEEDS_SIGN_OUT.includes(code) ? [postButton(signOutUrl, signOut.button, secondary)] : []),
    ...(portalUrl === undefined ? [] : [linkButton(portalUrl, backToPortal, secondary)])
  ]
}

/** The same login for each of the roles that the account does have. */
function otherRoles (
  { login, grantedRoles = [] }: ErrorPage, { labels, prefix }: View
): { url: string, label: string }[] {
  if (login === undefined) return []
  return grantedRoles.map((requestedRole) => ({
    url: loginUrl({ ...login, requestedRole }, { prefix }), label: roleLabel(requestedRole, labels)
  }))
}

/** Classic hosted UI of Cognito ignores `prompt`: then only its sign-out leads to another account. */
const hasAskedForAccount = ({ login }: ErrorPage): boolean => login?.hints?.prompt === 'login'
