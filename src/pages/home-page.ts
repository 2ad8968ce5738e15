import { guestPage } from './guest-page.js'
import { signedInPage, type SignedIn } from './signed-in-page.js'
import type { View } from './view.js'

/** For `GET /`. `signedIn` is undefined for a guest. */
export function homePage (roles: readonly string[], signedIn: SignedIn | undefined, view: View): string {
  return signedIn === undefined ? guestPage(roles, view) : signedInPage(signedIn, view)
}
