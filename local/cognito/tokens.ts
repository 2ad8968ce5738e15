import { createHash, randomUUID } from 'node:crypto'
import { importJWK, SignJWT, type JWTPayload } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { PoolSecrets, SigningKey } from './keys.js'
import { personBySub, type Person } from './people.js'

/** Lifetime of an ID token, in seconds. */
const ID_TOKEN_TTL = 3600

/** What `POST /oauth2/token` answers. There is a refresh token after a code alone: Cognito does not rotate by default. */
export interface TokenResponse {
  id_token?: string
  access_token: string
  refresh_token?: string
  expires_in: number
  token_type: 'Bearer'
}

interface Issuer {
  issuer: string
  clientId: string
  secrets: PoolSecrets
  /** In seconds. */
  accessTokenTtl: number
}

/** Writes the tokens that Cognito would: the provider has checked everything and knows who it is about. */
export function createTokenWriter ({ issuer, clientId, secrets, accessTokenTtl }: Issuer) {
  /**
   * @param issued the provider's own answer.
   * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html}
   * @see {@link https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html}
   */
  return async function write ({ oidc }: KoaContextWithOIDC, issued: { id_token?: string, refresh_token?: string }): Promise<TokenResponse> {
    const { Account, AccessToken, AuthorizationCode, Grant, RefreshToken } = oidc.entities
    const source = AuthorizationCode ?? RefreshToken
    const person = personBySub(Account?.accountId ?? '')
    if (person === undefined || source === undefined) throw new Error('no account for the tokens')
    const scope = AccessToken?.scope ?? ''
    const iat = Math.floor(Date.now() / 1000)
    const common = {
      sub: person.sub,
      ...(person.groups.length > 0 ? { 'cognito:groups': person.groups } : {}),
      iss: issuer,
      origin_jti: Grant?.jti,
      auth_time: source.authTime,
      iat
    }
    const accessToken = await sign(secrets.accessTokenKey, {
      ...common,
      version: 2,
      client_id: clientId,
      token_use: 'access',
      scope,
      exp: iat + accessTokenTtl,
      jti: randomUUID(),
      username: person.username
    })
    const idToken = async () => sign(secrets.idTokenKey, {
      ...common,
      ...profile(person, scope),
      'cognito:username': person.username,
      'at_hash': createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
      'aud': clientId,
      'token_use': 'id',
      ...(source.nonce === undefined ? {} : { nonce: source.nonce }),
      'exp': iat + ID_TOKEN_TTL,
      'jti': randomUUID()
    })
    return {
      ...(issued.id_token === undefined ? {} : { id_token: await idToken() }),
      access_token: accessToken,
      ...(AuthorizationCode === undefined || issued.refresh_token === undefined ? {} : { refresh_token: issued.refresh_token }),
      expires_in: accessTokenTtl,
      token_type: 'Bearer'
    }
  }
}

/** What a client may read of a person: by scope, and everything where `openid` is the only one. */
export function profile ({ email, name }: Person, scope: string) {
  const scopes = scope.split(' ')
  const granted = (wanted: string) => scopes.length === 1 || scopes.includes(wanted)
  return {
    ...(granted('email') ? { email, email_verified: true } : {}),
    ...(granted('profile') ? { name } : {})
  }
}

/** Signs as the pool does: Cognito's tokens have no `typ`. */
export async function sign (key: SigningKey, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ kid: key.kid, alg: 'RS256' }).sign(await importJWK(key, 'RS256'))
}
