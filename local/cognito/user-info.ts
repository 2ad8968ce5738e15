import { importJWK, jwtVerify } from 'jose'
import type { Context } from 'koa'
import type { Provider } from 'oidc-provider'
import type { Issuers } from './issuers.js'
import { publicKey, type SigningKey } from './keys.js'
import { profile } from './tokens.js'
import type { Users } from './users.js'

interface Issuer { issuers: Issuers, users: Users, accessTokenKey: SigningKey }

/**
 * Answers `/oauth2/userInfo` for an access token whose refresh token was not revoked.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html}
 */
export function createUserInfo (provider: Provider, { issuers, users, accessTokenKey }: Issuer) {
  return async function userInfo (ctx: Context): Promise<void> {
    ctx.set('cache-control', 'no-store')
    const [, token = ''] = /^Bearer (.+)$/i.exec(ctx.get('authorization')) ?? []
    const found = await read(token)
    if (found === undefined) {
      ctx.status = 401
      ctx.set('www-authenticate', 'Bearer error="invalid_token"')
      ctx.body = { error: 'invalid_token' }
      return
    }
    const { user, scope } = found
    const { email_verified: verified, ...claims } = profile(user, scope)
    ctx.body = {
      sub: user.sub,
      ...claims,
      ...(verified === undefined ? {} : { email_verified: String(verified) }),
      username: user.username
    }
  }

  async function read (token: string) {
    try {
      const key = await importJWK(publicKey(accessTokenKey) as never, 'RS256')
      const { payload } = await jwtVerify(token, key, { issuer: Object.values(issuers.forms) })
      const grant = await provider.Grant.find(String(payload.origin_jti))
      const user = users.bySub(payload.sub ?? '')
      if (grant === undefined || user === undefined || payload.token_use !== 'access') return undefined
      return { user, scope: String(payload.scope) }
    } catch {
      return undefined
    }
  }
}
