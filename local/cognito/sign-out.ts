import type { Context } from 'koa'
import type { Provider } from 'oidc-provider'
import { errorPage, pageHeaders } from './pages.js'

interface AppClient { clientId: string, logoutUris: readonly string[] }

/**
 * Answers `GET /logout?client_id=&logout_uri=`: ends the pool's session in this browser. Tokens stay valid.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html}
 */
export function createSignOut (provider: Provider, { clientId, logoutUris }: AppClient) {
  return async function signOut (ctx: Context): Promise<void> {
    const { client_id: client, logout_uri: target } = ctx.query
    ctx.set('cache-control', 'no-store')
    if (client !== clientId || typeof target !== 'string' || !logoutUris.includes(target)) {
      ctx.set(pageHeaders)
      ctx.status = 400
      ctx.body = client === clientId
        ? errorPage('redirect_mismatch', 'The logout_uri is not one of the sign-out URLs of this app client.')
        : errorPage('invalid_request', 'There is no such app client.')
      return
    }
    const session = await provider.Session.get(ctx)
    await session.destroy()
    const cookie = provider.cookieName('session')
    for (const name of [cookie, `${cookie}.sig`]) ctx.cookies.set(name, null, { signed: false })
    ctx.redirect(target)
  }
}
