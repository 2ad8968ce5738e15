import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import type { InteractionResults, Provider } from 'oidc-provider'
import { SIGN_UP_PROMPT } from './entries.js'
import { errorPage, pageHeaders, signInPage, signUpPage } from './pages.js'
import type { SampleUser } from './sample-users.js'
import type { Users } from './users.js'

/** oidc-provider redirects the browser to this path to sign the user in. */
export const SIGN_IN = '/login'

const MAX_FORM_BYTES = 4096

/**
 * Answers `GET /login/:id` with the sign-in or the sign-up page, and `POST /login/:id` with a redirect to
 * oidc-provider.
 */
export function createSignIn (provider: Provider, users: Users) {
  return async function signIn (ctx: Context): Promise<void> {
    const interaction = await provider.interactionDetails(ctx.req, ctx.res).catch(() => undefined)
    if (interaction === undefined) {
      return refuse(ctx, 'This sign-in has expired, or was started in another browser. Go back and start again.')
    }
    if (ctx.method !== 'POST') {
      const hint = interaction.params.login_hint
      const expected = typeof hint === 'string' ? users.byLogin(hint) : undefined
      ctx.set(pageHeaders)
      const page = interaction.prompt.name === SIGN_UP_PROMPT ? signUpPage : signInPage
      ctx.body = page(ctx.path, users.list, expected)
      return
    }
    const form = await readForm(ctx.req)
    const user = users.byUsername(form?.get('person') ?? '')
    if (user === undefined && form?.has('cancel') !== true) {
      return refuse(ctx, 'There is no such user in this user pool.')
    }
    const result = user === undefined ? CANCELLED : resultOf(user)
    const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: false })
    if (user !== undefined && user.refused === undefined) {
      await forgetOtherUser(provider, interaction.session?.uid, user.sub)
    }
    ctx.set('cache-control', 'no-store')
    ctx.redirect(returnTo)
    ctx.status = 303
  }
}

const resultOf = (user: SampleUser): InteractionResults => user.refused === undefined
  ? signedIn(user)
  : { error: user.refused, error_description: 'The sign-in of this user is refused' }

/** Completes every prompt that was requested, since there is only this page. */
const signedIn = ({ sub }: SampleUser): InteractionResults =>
  ({ login: { accountId: sub }, select_account: {}, consent: {} })

const CANCELLED: InteractionResults = { error: 'access_denied', error_description: 'The sign-in was cancelled' }

function refuse (ctx: Context, message: string): void {
  ctx.set(pageHeaders)
  ctx.status = 400
  ctx.body = errorPage('invalid_request', message)
}

/**
 * Removes another user from the browser's session. Otherwise oidc-provider would first serve a page whose script
 * signs that user out.
 */
async function forgetOtherUser (provider: Provider, uid: string | undefined, sub: string): Promise<void> {
  const session = uid === undefined ? undefined : await provider.Session.findByUid(uid)
  if (session?.accountId === undefined || session.accountId === sub) return
  Reflect.deleteProperty(session, 'accountId')
  await session.persist()
}

async function readForm (request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > MAX_FORM_BYTES) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
