import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto'
import { inspect } from 'node:util'
import {
  CompactSign,
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  type JWTPayload,
  type JWTVerifyGetKey
} from 'jose'
import { test, type Test } from 'tap'
import { ERR_COGNITO_ANSWER, ERR_COGNITO_TIMEOUT } from '../../../src/errors.js'
import { verifyIdToken } from '../../../src/login/id-token.js'

const issuer = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI'
const clientId = '1example23456789'
const clientSecret = 'client-secret-of-a-test-long-enough-for-hs256'
const nonce = 'nonce-of-this-login'

const pool = await generateKeyPair('RS256')
const other = await generateKeyPair('RS256')
const keys = createLocalJWKSet({
  keys: [{ ...(await exportJWK(pool.publicKey)), kid: 'pool-key', alg: 'RS256', use: 'sig' }]
})

const now = () => Math.floor(Date.now() / 1000)

/** The claims of a sample user, as Cognito issues them. */
const claims = (): JWTPayload => ({
  'iss': issuer,
  'aud': clientId,
  'sub': '5d1c0a9e-0000-4000-8000-000000000001',
  nonce,
  'token_use': 'id',
  'iat': now(),
  'exp': now() + 3600,
  'auth_time': now(),
  'email': 'sample.user@example.com',
  'email_verified': true,
  'name': 'Sample User',
  'cognito:username': 'sample-user',
  'cognito:groups': ['ADMIN', 'AUDITOR']
})

/** A token of the pool with these changes; `undefined` removes a claim. */
const sign = (
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key = pool.privateKey
) =>
  new SignJWT({ ...claims(), ...changes })
    .setProtectedHeader({ alg: 'RS256', kid: 'pool-key', ...header })
    .sign(key)

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const hs256 = (secret: string, header: Record<string, unknown> = {}) => {
  const input = `${encode({ alg: 'HS256', kid: 'pool-key', ...header })}.${encode(claims())}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

const verify = (token: string, getKey: JWTVerifyGetKey = keys) =>
  verifyIdToken(token, { issuers: new Map([[issuer, getKey]]), clientId, nonce })

/** Asserts that the token is refused with ERR_ID_TOKEN, and that the error repeats no part of it. */
async function refused (t: Test, token: string, reason?: RegExp): Promise<void> {
  const error = await verify(token).then(() => undefined, (raised: unknown) => raised as Error)
  t.match(error, { code: 'ERR_ID_TOKEN', statusCode: 401, message: 'The sign-in could not be verified' })
  if (reason !== undefined) t.match((error?.cause as Error).message, reason)
  const shown = inspect(error, { depth: null, showHidden: true, maxStringLength: null })
  const told = shown.replaceAll(/^ +at .*$/gm, '')
  for (const secret of [
    ...token.split('.').filter((part) => part.length > 20), 'sample', 'Sample', 'ADMIN', nonce,
    clientId, clientSecret, issuer, 'other-client', 'https://evil.example', '5d1c0a9e'
  ]) {
    t.notOk(told.includes(secret), `the error does not contain ${secret.slice(0, 20)}`)
  }
}

test('a valid token is accepted', async (t) => {
  const signedInAt = now() - 1000
  t.same(await verify(await sign({ auth_time: signedInAt })), {
    user: {
      sub: '5d1c0a9e-0000-4000-8000-000000000001',
      email: 'sample.user@example.com',
      emailVerified: true,
      name: 'Sample User',
      username: 'sample-user'
    },
    groups: ['ADMIN', 'AUDITOR'],
    authTime: signedInAt
  })
})

test('a token with only sub yields only sub', async (t) => {
  const token = await sign({
    'email': undefined,
    'email_verified': undefined,
    'name': undefined,
    'cognito:username': undefined,
    'cognito:groups': undefined,
    'auth_time': undefined
  })
  t.same(await verify(token), { user: { sub: '5d1c0a9e-0000-4000-8000-000000000001' }, groups: [] })
})

for (const [given, expected] of [
  [true, true], ['true', true], [false, false], ['false', false], ['TRUE', false], [1, false],
  [undefined, false], [null, false], [['true'], false]
] as const) {
  test(`email_verified ${JSON.stringify(given)} gives ${expected}`, async (t) => {
    t.equal((await verify(await sign({ email_verified: given }))).user.emailVerified, expected)
  })
}

test('email_verified without email is ignored', async (t) => {
  t.notOk('emailVerified' in (await verify(await sign({ email: undefined }))).user)
})

test('claims that are not strings are ignored', async (t) => {
  const { user } = await verify(
    await sign({ 'email': 1, 'name': { given: 'Sample' }, 'cognito:username': ['x'] })
  )
  t.same(user, { sub: '5d1c0a9e-0000-4000-8000-000000000001' })
})

test('claims longer than Cognito allows are ignored', async (t) => {
  const long = 'x'.repeat(2048)
  t.match((await verify(await sign({ email: long, name: long }))).user, { email: long, name: long })
  const longer = { 'email': `${long}x`, 'name': `${long}x`, 'cognito:username': `${long}x` }
  const { user } = await verify(await sign({ ...longer, sub: 'x'.repeat(255) }))
  t.strictSame(user, { sub: 'x'.repeat(255) })
})

for (const given of [
  'ADMIN', 'ADMIN,AUDITOR', { ADMIN: true }, { 0: 'ADMIN', length: 1 }, true, null, undefined, 1
]) {
  test(`cognito:groups ${JSON.stringify(given)} gives no groups`, async (t) => {
    t.same((await verify(await sign({ 'cognito:groups': given }))).groups, [])
  })
}

test('groups that are not strings are ignored', async (t) => {
  const groups = ['ISSUER', 1, null, ['ADMIN'], { name: 'ADMIN' }]
  t.same((await verify(await sign({ 'cognito:groups': groups }))).groups, ['ISSUER'])
})

for (const [what, given, expected] of [
  ['of the past', 1_700_000_000, 1_700_000_000],
  ['with a fraction', 1_700_000_000.9, 1_700_000_000],
  ['20 s ahead', now() + 20, now() + 20],
  ['in the future', now() + 1000, undefined],
  ['before 1970', -1, undefined],
  ['absent', undefined, undefined]
] as const) {
  test(`an auth_time ${what} gives ${expected === undefined ? 'none' : 'that time'}`, async (t) => {
    t.equal((await verify(await sign({ auth_time: given }))).authTime, expected)
  })
}

test('a token is verified only with the keys of its own issuer', async (t) => {
  const updated = issuer.replace('https://', 'https://issuer-')
  const issuers = new Map([
    [issuer, keys],
    [updated, createLocalJWKSet({
      keys: [{ ...(await exportJWK(other.publicKey)), kid: 'pool-key', alg: 'RS256', use: 'sig' }]
    })]
  ])
  const verifyAny = (token: string) => verifyIdToken(token, { issuers, clientId, nonce })

  t.ok(await verifyAny(await sign()))
  t.ok(await verifyAny(await sign({ iss: updated }, {}, other.privateKey)))
  await t.rejects(verifyAny(await sign({ iss: updated })), { code: 'ERR_ID_TOKEN' })
  await t.rejects(verifyAny(await sign({}, {}, other.privateKey)), { code: 'ERR_ID_TOKEN' })
  for (const iss of [undefined, '', `${issuer}/`, 'https://evil.example', [issuer], 1, null, '__proto__']) {
    await t.rejects(verifyAny(await sign({ iss })), { code: 'ERR_ID_TOKEN' }, JSON.stringify(iss))
  }
})

test('the groups may be in another claim', async (t) => {
  const from = async (claims: Record<string, unknown>, groupsClaim = 'custom:groups') => {
    const expected = { issuers: new Map([[issuer, keys]]), clientId, nonce, groupsClaim }
    return (await verifyIdToken(await sign(claims), expected)).groups
  }
  t.same(await from({ 'custom:groups': ['admins', 1, 'staff'] }), ['admins', 'staff'])
  t.same(await from({ 'custom:groups': 'admins' }), ['admins'])
  t.same(await from({ 'custom:groups': 'admins,staff' }), ['admins', 'staff'])
  t.same(await from({ 'custom:groups': ' [admins, the staff,] ' }), ['[admins', 'the staff', ']'])
  t.same(await from({ 'custom:groups': '[admins, the staff,]' }), ['admins', 'the staff'])
  for (const none of ['', ' ', ',', '[]', true, 1, null, { admins: true }, undefined, `admins,${'x'.repeat(2048)}`]) {
    t.same(await from({ 'custom:groups': none }), [], JSON.stringify(none)?.slice(0, 20))
  }
  t.same(await from({ 'custom:groups': ['admins'] }, 'cognito:groups'), ['ADMIN', 'AUDITOR'])
  t.same(await from({}, 'toString'), [])
})

test('further claims are of the user if they are plain and not too long', async (t) => {
  const from = async (userClaims: string[], claims: Record<string, unknown>) => {
    const expected = { issuers: new Map([[issuer, keys]]), clientId, nonce, userClaims }
    return (await verifyIdToken(await sign(claims), expected)).user
  }
  const plain = { 'given_name': 'Sample', 'custom:company': 'Acme', 'phone_number_verified': true, 'custom:n': 7 }
  const plainUser = await from([], {})
  t.strictSame(await from(Object.keys(plain), plain), { ...plainUser, ...plain })
  t.strictSame(await from(['locale'], { locale: 'x'.repeat(2048) }), { ...plainUser, locale: 'x'.repeat(2048) })
  for (const value of [undefined, null, ['de'], { formatted: 'x' }, 'x'.repeat(2049)]) {
    t.strictSame(await from(['locale'], { locale: value }), plainUser, JSON.stringify(value)?.slice(0, 20))
  }
  t.strictSame(await from(['toString', 'constructor'], {}), plainUser, 'nothing is inherited')
  t.equal((await from(['sub'], {})).sub, plainUser.sub)
})

test('several audiences are accepted with this client as azp', async (t) => {
  t.ok(await verify(await sign({ aud: [clientId, 'other-client'], azp: clientId })))
})

test('a list with this client as the only audience needs no azp', async (t) => {
  t.ok(await verify(await sign({ aud: [clientId] })))
})

test('a clock skew below 30 s is tolerated', async (t) => {
  t.ok(await verify(await sign({ iat: now() + 25, nbf: now() + 25 })))
  t.ok(await verify(await sign({ exp: now() - 25 })))
})

type Claims = Record<string, unknown>

/** Times are of when the test runs: other tests of the process may take a minute before. */
const wrong: [what: string, changes: Claims | (() => Claims)][] = [
  ['without an issuer', { iss: undefined }],
  ['of another issuer', { iss: 'https://evil.example' }],
  ['whose issuer has an extra slash', { iss: `${issuer}/` }],
  ['of another pool of the same region', { iss: `${issuer}X` }],
  ['without an audience', { aud: undefined }],
  ['for another client', { aud: 'other-client' }],
  ['for no client', { aud: [] }],
  ['for the client in upper case', { aud: clientId.toUpperCase() }],
  ['with client_id instead of aud', { aud: undefined, client_id: clientId }],
  ['for several clients without an azp', { aud: [clientId, 'other-client'] }],
  ['for several clients and another azp', { aud: [clientId, 'other-client'], azp: 'other-client' }],
  ['for this client and another azp', { azp: 'other-client' }],
  ['for this client and an azp that is not a string', { azp: [clientId] }],
  ['that has expired', () => ({ exp: now() - 31 })],
  ['that expired long ago', { exp: 1 }],
  ['without exp', { exp: undefined }],
  ['whose exp is not a number', { exp: '9999999999' }],
  ['without iat', { iat: undefined }],
  ['issued in the future', () => ({ iat: now() + 60 })],
  ['whose iat is not a number', { iat: 'yesterday' }],
  ['not yet valid', () => ({ nbf: now() + 60 })],
  ['whose nbf is not a number', { nbf: 'now' }],
  ['without a nonce', { nonce: undefined }],
  ['with another nonce', { nonce: 'nonce-of-another-login' }],
  ['with an empty nonce', { nonce: '' }],
  ['with the nonce in a list', { nonce: [nonce] }],
  ['without a token_use', { token_use: undefined }],
  ['that is an access token', { token_use: 'access' }],
  ['whose token_use is a list', { token_use: ['id'] }],
  ['without a sub', { sub: undefined }],
  ['with an empty sub', { sub: '' }],
  ['with a blank sub', { sub: ' ' }],
  ['with a blank before its sub', { sub: ' user-1' }],
  ['with a line break in its sub', { sub: 'user-1\nx-auth-role: ADMIN' }],
  ['with a NUL in its sub', { sub: 'user\u0000' }],
  ['whose sub is not ASCII', { sub: '\u00a0' }],
  ['whose sub has 256 characters', { sub: 'x'.repeat(256) }],
  ['whose auth_time is a string', { auth_time: '1700000000' }],
  ['whose sub is a number', { sub: 1 }],
  ['whose sub is null', { sub: null }]
]

for (const [what, changes] of wrong) {
  test(`a token ${what} is refused`, async (t) => {
    await refused(t, await sign(typeof changes === 'function' ? changes() : changes))
  })
}

test('the logged reason has no claim values', async (t) => {
  await refused(t, await sign({ nonce: 'nonce-of-another-login' }), /nonce/)
  await refused(t, await sign({ aud: 'other-client' }), /^JwtInvalidAudienceError$/)
  await refused(t, await sign({ exp: 1 }), /^JwtExpiredError$/)
})

test('an unsigned token is refused', async (t) => {
  const input = `${encode({ alg: 'none', kid: 'pool-key' })}.${encode(claims())}`
  await refused(t, `${input}.`)
  await refused(t, input)
})

for (const alg of ['None', 'NONE', 'nOnE', '']) {
  test(`an unsigned token of alg ${JSON.stringify(alg)} is refused`, async (t) => {
    await refused(t, `${encode({ alg, kid: 'pool-key' })}.${encode(claims())}.`)
  })
}

test('a token signed with the client secret is refused', async (t) => {
  await refused(t, hs256(clientSecret))
})

test('a token signed with the public key as a secret is refused', async (t) => {
  const pem = await exportSPKI(pool.publicKey)
  await refused(t, hs256(pem))
  await refused(t, hs256(pem.trim()))
})

test('another algorithm is refused, even with a key of the pool', async (t) => {
  const key = await generateKeyPair('ES256')
  const both = createLocalJWKSet({ keys: [{ ...await exportJWK(key.publicKey), kid: 'ec-key' }] })
  const token = await new SignJWT(claims())
    .setProtectedHeader({ alg: 'ES256', kid: 'ec-key' })
    .sign(key.privateKey)
  await t.rejects(verify(token, both), { code: 'ERR_ID_TOKEN' })
})

test('a key of less than 2,048 bits is refused', async (t) => {
  const short = generateKeyPairSync('rsa', { modulusLength: 2040 })
  const jwk = { ...short.publicKey.export({ format: 'jwk' }), kid: 'short', alg: 'RS256' }
  const set = createLocalJWKSet({ keys: [jwk] })
  const input = `${encode({ alg: 'RS256', kid: 'short' })}.${encode(claims())}`
  const token = `${input}.${signWith('sha256', Buffer.from(input), short.privateKey).toString('base64url')}`
  await t.rejects(verify(token, set), { code: 'ERR_ID_TOKEN', cause: { message: 'an RSA key of 2040 bits' } })
})

test('a token signed by another key is refused', async (t) => {
  await refused(t, await sign({}, {}, other.privateKey))
})

test('a token of an unknown key is refused', async (t) => {
  await refused(t, await sign({}, { kid: 'unknown-key' }, other.privateKey))
})

test('a token that brings its own key is refused', async (t) => {
  const jwk = await exportJWK(other.publicKey)
  await refused(t, await sign({}, { jwk }, other.privateKey))
  await refused(t, await sign({}, { jwk, kid: undefined }, other.privateKey))
  await refused(t, await sign({}, { jku: 'https://evil.example/keys', kid: 'unknown-key' }, other.privateKey))
  await refused(t, await sign({}, { x5u: 'https://evil.example/chain' }, other.privateKey))
})

test('a token with a critical header parameter is refused', async (t) => {
  const signed = (header: Record<string, unknown>) => {
    const input = `${encode({ alg: 'RS256', kid: 'own', ...header })}.${encode(claims())}`
    return `${input}.${signWith('sha256', Buffer.from(input), own.privateKey).toString('base64url')}`
  }
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const set = createLocalJWKSet({ keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'own' }] })
  t.ok(await verify(signed({}), set))
  for (const header of [{ crit: ['exp'], exp: 1 }, { crit: ['b64'], b64: true }, { crit: [] }, { crit: null }]) {
    await t.rejects(verify(signed(header), set), { code: 'ERR_ID_TOKEN' }, JSON.stringify(header))
  }
})

test('a header or payload that is padded, or has stray bits, is refused', async (t) => {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const set = createLocalJWKSet({ keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'own' }] })
  // Of a length that leaves bits over.
  const header = [0, 1, 2].map((pad) => encode({ alg: 'RS256', kid: 'own', x: 'x'.repeat(pad) }))
    .find((text) => text.length % 4 === 2) ?? ''
  const stray = header.slice(0, -1) + String.fromCharCode(header.charCodeAt(header.length - 1) + 1)
  for (const [first, reason] of [
    [header, undefined], [`${header}==`, 'the header is not base64url'], [stray, 'the header is not base64url']
  ] as const) {
    const input = `${first}.${encode(claims())}`
    const token = `${input}.${signWith('sha256', Buffer.from(input), own.privateKey).toString('base64url')}`
    const error = await verify(token, set).then(() => undefined, (raised: unknown) => raised as Error)
    t.equal((error?.cause as Error | undefined)?.message, reason, first)
  }
})

test('a token of another algorithm asks for no key', async (t) => {
  const keys: JWTVerifyGetKey = async () => { throw new Error('a key was asked for') }
  for (const alg of ['RS384', 'PS256', 'ES256', 'HS256', 'none', '', undefined, null]) {
    const token = `${encode({ alg, kid: 'pool-key' })}.${encode(claims())}.AAAA`
    const error = await verify(token, keys).then(() => undefined, (raised: unknown) => raised as Error)
    t.match(error, { code: 'ERR_ID_TOKEN' })
    t.not((error?.cause as Error).message, 'Error', String(alg))
  }
})

test('a token with an altered payload is refused', async (t) => {
  const [header, , signature] = (await sign()).split('.')
  await refused(t, `${header}.${encode({ ...claims(), 'cognito:groups': ['ADMIN', 'ROOT'] })}.${signature}`)
})

test('a token with an altered signature is refused', async (t) => {
  const token = await sign()
  const start = token.lastIndexOf('.') + 1
  for (let index = start; index < token.length; index += 17) {
    await t.rejects(
      verify(token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1)),
      { code: 'ERR_ID_TOKEN' }
    )
  }
})

test('a signature with blanks, padding or spare bits is refused', async (t) => {
  const token = await sign()
  const last = token.at(-1) as string
  for (const signature of [
    `${token} `,
    `${token}\n`,
    `${token}==`,
    `${token.slice(0, -5)} ${token.slice(-5)}`,
    token.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1)
  ]) {
    await refused(t, signature, /signature/)
  }
})

for (const [what, token] of [
  ['nothing', ''],
  ['a word', 'token'],
  ['two dots', '..'],
  ['garbage in three parts', 'a.b.c'],
  ['an encrypted token of five parts', 'eyJhbGciOiJSU0EifQ.a.b.c.d'],
  ['a header that is not an object', `${encode([])}.${encode({})}.AAAA`],
  ['JSON', JSON.stringify({ payload: 'x', signatures: [] })],
  ['a payload that is not JSON', `${encode({ alg: 'RS256', kid: 'pool-key' })}.AAAA.AAAA`]
] as const) {
  test(`${what} is not a token`, async (t) => {
    await refused(t, token)
  })
}

test('a signed payload that is not an object is refused', async (t) => {
  for (const payload of ['null', '[]', '"text"', 'not JSON']) {
    const token = await new CompactSign(Buffer.from(payload))
      .setProtectedHeader({ alg: 'RS256', kid: 'pool-key' })
      .sign(pool.privateKey)
    await t.rejects(verify(token), { code: 'ERR_ID_TOKEN' })
  }
})

test('an error of the key set is passed on', async (t) => {
  const token = await sign()
  await t.rejects(
    verify(token, async () => {
      throw new ERR_COGNITO_TIMEOUT({ cause: new Error('x') })
    }),
    { code: 'ERR_COGNITO_TIMEOUT', statusCode: 504 }
  )
  await t.rejects(
    verify(token, async () => {
      throw new ERR_COGNITO_ANSWER({ cause: new Error('x') })
    }),
    { code: 'ERR_COGNITO_ANSWER', statusCode: 502 }
  )
})
