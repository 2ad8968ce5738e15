import { createHash, randomUUID } from 'node:crypto'
import { importJWK, SignJWT, type JWTPayload } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Issuers } from './issuers.js'
import type { PoolSecrets, SigningKey } from './keys.js'
import type { SampleUser } from './sample-users.js'
import type { Users } from './users.js'

/** How long new tokens are valid, in seconds. */
export interface Lifetimes { idToken: number, accessToken: number }

/** Answer of `POST /oauth2/token`. Only a code yields a refresh token: Cognito does not rotate them by default. */
export interface TokenResponse {
  id_token?: string
  access_token: string
  refresh_token?: string
  expires_in: number
  token_type: 'Bearer'
}

type IssuedTokens = Pick<TokenResponse, 'id_token' | 'refresh_token'>

interface Issuer {
  issuers: Issuers
  clientId: string
  secrets: PoolSecrets
  users: Users
  lifetimes: Lifetimes
}

/**
 * Issues tokens with Cognito's claims, after oidc-provider has checked the request.
 *
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
 */
export function createTokenWriter ({ issuers, clientId, secrets, users, lifetimes }: Issuer) {
  /** @param issued oidc-provider's own answer. */
  return async function write ({ oidc }: KoaContextWithOIDC, issued: IssuedTokens): Promise<TokenResponse> {
    const { Account, AccessToken, AuthorizationCode, Grant, RefreshToken } = oidc.entities
    const source = AuthorizationCode ?? RefreshToken
    const user = users.bySub(Account?.accountId ?? '')
    if (user === undefined || source === undefined) throw new Error('no account for the tokens')
    const scope = AccessToken?.scope ?? ''
    const iat = Math.floor(Date.now() / 1000)
    const common = {
      sub: user.sub,
      ...(user.groups.length > 0 ? { 'cognito:groups': user.groups } : {}),
      iss: issuers.current,
      origin_jti: Grant?.jti,
      auth_time: source.authTime, // of the sign-in on the page: a silent sign-in or a refresh leaves it as it is
      iat
    }
    const accessToken = await sign(secrets.accessTokenKey, {
      ...common,
      version: 2,
      client_id: clientId,
      token_use: 'access',
      scope,
      exp: iat + lifetimes.accessToken,
      jti: randomUUID(),
      username: user.username
    })
    const idToken = async () => sign(secrets.idTokenKey, {
      ...common,
      ...profile(user, scope),
      'cognito:username': user.username,
      'at_hash': createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
      'aud': clientId,
      'token_use': 'id',
      ...(source.nonce === undefined ? {} : { nonce: source.nonce }),
      'exp': iat + lifetimes.idToken,
      'jti': randomUUID()
    })
    const refreshToken = AuthorizationCode === undefined ? undefined : issued.refresh_token
    return {
      ...(issued.id_token === undefined ? {} : { id_token: await idToken() }),
      access_token: accessToken,
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      expires_in: lifetimes.accessToken,
      token_type: 'Bearer'
    }
  }
}

/** The claims that a scope grants. `openid` alone grants all of them. */
export function profile ({ email, name }: SampleUser, scope: string) {
  const scopes = scope.split(' ')
  const granted = (wanted: string) => scopes.length === 1 || scopes.includes(wanted)
  return {
    ...(granted('email') ? { email, email_verified: true } : {}),
    ...(granted('profile') ? { name } : {})
  }
}

/** Signs without a `typ` header, as Cognito does. */
export async function sign (key: SigningKey, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ kid: key.kid, alg: 'RS256' }).sign(await importJWK(key, 'RS256'))
}
