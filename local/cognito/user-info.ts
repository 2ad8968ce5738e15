import { importJWK, jwtVerify } from 'jose'
import type { Context } from 'koa'
import type { Provider } from 'oidc-provider'
import { publicKey, type SigningKey } from './keys.js'
import { personBySub } from './people.js'
import { profile } from './tokens.js'

/**
 * Answers `/oauth2/userInfo` to the bearer of an access token whose refresh token was not revoked.
 *
 * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/userinfo-endpoint.html}
 */
export function createUserInfo (provider: Provider, { issuer, accessTokenKey }: { issuer: string, accessTokenKey: SigningKey }) {
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
    const { person, scope } = found
    const { email_verified: verified, ...claims } = profile(person, scope)
    ctx.body = { sub: person.sub, ...claims, ...(verified === undefined ? {} : { email_verified: String(verified) }), username: person.username }
  }

  async function read (token: string) {
    try {
      const { payload } = await jwtVerify(token, await importJWK(publicKey(accessTokenKey) as never, 'RS256'), { issuer })
      const grant = await provider.Grant.find(String(payload.origin_jti))
      const person = personBySub(payload.sub ?? '')
      return grant === undefined || person === undefined || payload.token_use !== 'access' ? undefined : { person, scope: String(payload.scope) }
    } catch {
      return undefined
    }
  }
}
