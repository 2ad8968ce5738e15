/**
 * The ways into a sign-in other than `/oauth2/authorize`. Each becomes a request to it.
 *
 * @module
 */
import type { Context } from 'koa'
import { interactionPolicy } from './oidc-provider.js'

export const AUTHORIZE = '/oauth2/authorize'

interface AppClient { clientId: string, redirectUris: readonly string[] }

export type Entry = (ctx: Context) => void

/** What the middleware leaves for the prompt below, in Koa's `ctx.state`. */
interface EntryState { isSignUp?: boolean }

/**
 * `GET /signup`, with the parameters of `/oauth2/authorize`: shows the sign-up page, also to a browser with a session
 * of the pool, and goes on as after a sign-in.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-endpoints.html}
 */
export const signUp: Entry = (ctx) => {
  const state: EntryState = ctx.state
  state.isSignUp = true
  ctx.path = AUTHORIZE
}

/**
 * `GET /idp-initiated?client_id=&redirect_uri=`, both optional: redirects to the callback URL with a code alone.
 *
 * It stands for a tile in the portal of a SAML identity provider, which posts an assertion to Cognito's
 * `/saml2/idpresponse` that no login has asked for. Its `RelayState` holds client, callback URL, response type and
 * scopes. AWS documents the answer as a 302 to `REDIRECT_URI?code=…`, without a `state`; there is no PKCE challenge and
 * no nonce either. Not documented, and not modelled: what Cognito does with further parameters in `RelayState`.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/saml2-idpresponse-endpoint.html}
 */
export function createIdpInitiated ({ clientId, redirectUris }: AppClient): Entry {
  return (ctx) => {
    const { client_id: client = clientId, redirect_uri: redirectUri = redirectUris[0] ?? '' } = ctx.query
    ctx.path = AUTHORIZE
    ctx.query = { response_type: 'code', client_id: client, redirect_uri: redirectUri, scope: 'openid email profile' }
  }
}

/** The name of the prompt that leads to the sign-up page. Not a value of the parameter `prompt`. */
export const SIGN_UP_PROMPT = 'signup'

export function createSignUpPrompt () {
  const { Check, Prompt } = interactionPolicy
  return new Prompt({ name: SIGN_UP_PROMPT }, new Check('signup', 'The sign-up was not completed', ({ state }) =>
    (state as EntryState).isSignUp === true))
}
