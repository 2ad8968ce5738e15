import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import type { InteractionResults, Provider } from 'oidc-provider'
import { errorPage, pageHeaders, signInPage } from './pages.js'
import { people, personByName, type Person } from './people.js'

/** Where the provider sends the browser to find out who it is. */
export const SIGN_IN = '/login'

/** The form has one field; more is not read, in bytes. */
const MAX_FORM = 4096

/** Answers `GET /login/:id` with the sign-in page, `POST` with the way back to the provider. */
export function createSignIn (provider: Provider) {
  return async function signIn (ctx: Context): Promise<void> {
    const interaction = await provider.interactionDetails(ctx.req, ctx.res).catch(() => undefined)
    if (interaction === undefined) {
      return refuse(ctx, 'This sign-in has expired, or was started in another browser. Go back and start again.')
    }
    if (ctx.method !== 'POST') {
      const hint = interaction.params.login_hint
      ctx.set(pageHeaders)
      ctx.body = signInPage(ctx.path, typeof hint === 'string' ? personByName(hint) : undefined)
      return
    }
    const form = await readForm(ctx.req)
    const person = people.find(({ username }) => username === form?.get('person'))
    if (person === undefined && form?.has('cancel') !== true) return refuse(ctx, 'There is no such person in this user pool.')
    const result = person === undefined ? CANCELLED : signedIn(person)
    const returnTo = await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: false })
    if (person !== undefined) await forgetOther(provider, interaction.session?.uid, person.sub)
    ctx.set('cache-control', 'no-store')
    ctx.redirect(returnTo)
    ctx.status = 303
  }
}

/** Whatever `prompt` asked for happened on this one page. */
const signedIn = ({ sub }: Person): InteractionResults => ({ login: { accountId: sub }, select_account: {}, consent: {} })

const CANCELLED: InteractionResults = { error: 'access_denied', error_description: 'The sign-in was cancelled' }

function refuse (ctx: Context, message: string): void {
  ctx.set(pageHeaders)
  ctx.status = 400
  ctx.body = errorPage('invalid_request', message)
}

/** Somebody else may sign in at this browser: without this, the provider would have a script sign the first one out. */
async function forgetOther (provider: Provider, uid: string | undefined, sub: string): Promise<void> {
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
    if (bytes > MAX_FORM) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
