import { stored } from './storage.js'

/** Without a click, one login in this time. In milliseconds. */
const LOOP_MS = 60_000
/** The longest `returnTo` that the server takes. */
const MAX_RETURN_LENGTH = 2048

/**
 * Whether the page may leave for the login by itself: a page that does so whenever it finds no session would go in
 * circles where it never gets one. What the user clicks is always allowed.
 *
 * @param isRecent whether the login asks for a recent sign-in, which has a bound of its own.
 */
export function mayLeave (isRecent: boolean): boolean {
  const key = `cashsouk-auth.left.${isRecent}`
  const at = String(Date.now())
  const isFirst = Math.abs(Number(at) - Number(stored(key))) > LOOP_MS
  // Without storage, it is not known whether it is the first.
  return (stored(key, at) === at && isFirst) || navigator.userActivation?.isActive
}

/** The present page, as much of its address as fits. */
export const here = (): string =>
  location.href.length > MAX_RETURN_LENGTH ? location.origin + location.pathname : location.href

export function postForm (action: string): void {
  const form = Object.assign(document.createElement('form'), { method: 'post', action })
  document.body.append(form)
  form.submit()
}
