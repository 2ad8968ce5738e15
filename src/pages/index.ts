/**
 * The pages of this server. No script, one style sheet, everything escaped.
 *
 * @module
 */
export { accountPage, type Account } from './account-page.js'
export { errorPage, type ErrorPage } from './error-page.js'
export { homePage } from './home-page.js'
export { preferredLanguage, type Language } from './language.js'
export { styleHash } from './layout.js'
export { signOutPage, type SignOut } from './sign-out-page.js'
export type { SignedIn } from './signed-in-page.js'
export type { View } from './view.js'
