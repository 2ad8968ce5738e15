import fc from 'fast-check'
import { sign } from 'node:crypto'
import { createLocalJWKSet } from 'jose'
import { test } from 'tap'
import { verifyIdToken, type Identity } from '../../src/login/id-token.js'
import { base64url, clientId, first, second, seconds, type Members } from '../support/misbehaving-provider.js'
import { alteration, anyString, holds } from '../support/properties.js'

const issuer = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI'
const nonce = 'nonce-of-this-login'
const keys = createLocalJWKSet({ keys: [first.jwk, second.jwk] })
const sub = '5d1c0a9e-0000-4000-8000-000000000001'

const right = (): Members => ({
  sub,
  iss: issuer,
  aud: clientId,
  token_use: 'id',
  nonce,
  iat: seconds(),
  exp: seconds() + 3600,
  auth_time: seconds()
})

const signed = (header: unknown, claims: unknown): string => {
  const input = [header, claims].map(base64url).join('.')
  return `${input}.${sign('sha256', Buffer.from(input), first.privateKey).toString('base64url')}`
}

/** The identity, or undefined for ERR_ID_TOKEN; any other error is thrown. */
async function verified (token: string): Promise<Identity | undefined> {
  try {
    return await verifyIdToken(token, { issuers: new Map([[issuer, keys]]), clientId, nonce })
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_ID_TOKEN') throw error
    return undefined
  }
}

/** Values of a claim: valid ones, ones of another time or claim, and other types. */
const time = fc.oneof(
  fc
    .integer({ min: -7200, max: 7200 })
    .filter((offset) => Math.abs(Math.abs(offset) - 30) > 5)
    .map((offset) => seconds() + offset),
  fc.double(),
  fc.integer(),
  fc.integer().map(String)
)
const text = fc.oneof(anyString(), fc.constantFrom(
  issuer, clientId, nonce, sub, 'id', 'access', '', ' ', `${issuer}/`, clientId.toUpperCase()
))
const anything = fc.oneof(text, fc.jsonValue({ maxDepth: 2 }), time, fc.constantFrom(undefined))
const claim: Record<string, fc.Arbitrary<unknown>> = {
  'sub': fc.oneof(text, anything),
  'iss': fc.oneof(text, anything),
  'nonce': fc.oneof(text, anything),
  'token_use': fc.oneof(text, anything),
  'azp': fc.oneof(text, anything),
  'aud': fc.oneof(text, fc.array(text, { maxLength: 3 }), anything),
  'iat': fc.oneof(time, anything),
  'exp': fc.oneof(time, anything),
  'nbf': fc.oneof(time, anything),
  'auth_time': fc.oneof(time, anything),
  'email': anything,
  'email_verified': anything,
  'name': anything,
  'cognito:groups': fc.oneof(fc.array(text), anything),
  'cognito:username': anything,
  ['__proto__']: anything
}
/** Most change at most two claims; otherwise hardly any token would be accepted. */
const claims = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .subarray(Object.keys(claim), { maxLength: 2 })
      .chain((names) =>
        fc.record(
          Object.fromEntries(Object.entries(claim).filter(([name]) => names.includes(name)))
        )
      )
  },
  { weight: 1, arbitrary: fc.record(claim, { requiredKeys: [] }) }
)

/** OpenID Connect Core §3.1.3.7, written independently of the code under test. */
function isValid (all: Members): boolean {
  const now = Date.now() / 1000
  const audiences = Array.isArray(all.aud) ? all.aud as unknown[] : [all.aud]
  return typeof all.sub === 'string' && /^[\x21-\x7e]{1,255}$/.test(all.sub) &&
    all.iss === issuer && audiences.includes(clientId) &&
    (audiences.length === 1 || all.azp === clientId) && (all.azp === undefined || all.azp === clientId) &&
    typeof all.exp === 'number' && all.exp > now - 30 &&
    typeof all.iat === 'number' && all.iat <= now + 30 &&
    (all.nbf === undefined || (typeof all.nbf === 'number' && all.nbf <= now + 30)) &&
    (all.auth_time === undefined || typeof all.auth_time === 'number') &&
    all.nonce === nonce && all.token_use === 'id'
}

test('a signed token is accepted exactly if OpenID Connect Core allows it', async (t) => {
  let accepted = 0
  await holds(fc.asyncProperty(claims, async (changes) => {
    const all = JSON.parse(JSON.stringify({ ...right(), ...changes })) as Members
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) Reflect.deleteProperty(all, name)
    }
    const identity = await verified(signed({ alg: 'RS256', kid: 'first' }, all))
    if (identity === undefined) return !isValid(all)
    accepted++
    const { user, groups } = identity
    return (
      isValid(all) &&
      user.sub === all.sub &&
      [user.email, user.name, user.username].every(
        (each) => each === undefined || typeof each === 'string'
      ) &&
      groups.every((group) => typeof group === 'string')
    )
  }))
  t.ok(accepted > 30, `${accepted} were accepted`)
})

test('an altered token is never accepted', async () => {
  const token = signed({ alg: 'RS256', kid: 'first' }, { ...right(), exp: seconds() + 86_400 })
  await holds(fc.asyncProperty(alteration, fc.nat(3), async (alter, part) => {
    const parts = token.split('.')
    const altered =
      part === 3
        ? alter(token)
        : parts.map((own, index) => (index === part ? alter(own) : own)).join('.')
    fc.pre(altered !== token)
    return await verified(altered) === undefined
  }))
})

test('a token with another header is never accepted', async () => {
  const header = fc.record(
    {
      alg: fc.oneof(
        fc.constantFrom(
          'none',
          'None',
          'HS256',
          'RS384',
          'RS512',
          'PS256',
          'ES256',
          'EdDSA',
          'rs256',
          'RSA-OAEP',
          'dir'
        ),
        anything
      ),
      kid: fc.oneof(fc.constantFrom('first', 'second', undefined), anything),
      jwk: fc.constantFrom(undefined, first.jwk),
      crit: anything,
      b64: anything,
      typ: anything,
      cty: anything,
      zip: anything,
      enc: anything,
      __proto__: anything
    },
    { requiredKeys: [] }
  )
  const token = signed({ alg: 'RS256', kid: 'first' }, { ...right(), exp: seconds() + 86_400 })
  const [own = '', payload = '', signature = ''] = token.split('.')
  await holds(fc.asyncProperty(header, async (other) => {
    const encoded = base64url(JSON.stringify(other))
    fc.pre(encoded !== own)
    return await verified([encoded, payload, signature].join('.')) === undefined
  }))
})

test('an arbitrary string is never accepted', async () => {
  await holds(
    fc.asyncProperty(
      fc.oneof(
        anyString(200),
        fc
          .array(fc.base64String({ maxLength: 60 }), { maxLength: 6 })
          .map((parts) => parts.join('.'))
      ),
      async (token) => (await verified(token)) === undefined
    )
  )
})
