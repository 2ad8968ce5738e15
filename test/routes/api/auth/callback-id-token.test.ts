/**
 * The whole server against a provider that does one thing wrong at a time: first the modules of the OpenID
 * Foundation's Basic relying-party certification plan, then what an attacker or a broken provider may come up with.
 *
 * @see {@link https://openid.net/certification/connect_rp_testing/}
 */
import { createHmac, createPublicKey, createSign, generateKeyPairSync, sign, constants } from 'node:crypto'
import { test, type Test } from 'tap'
import { browser } from '../../../support/browser.js'
import {
  base64url, clientId, clientSecret, first, json, rs256, rsaKey, seconds, second, type Behaviour, type Members
} from '../../../support/misbehaving-provider.js'
import { relyingParty, sharedParty, type RelyingParty } from '../../../support/relying-party.js'

/** What the browser gets: the session, or an error. */
type Expected = 'signed in' | [status: number, code: string]

const INVALID: Expected = [401, 'ERR_ID_TOKEN']
const WRONG_ANSWER: Expected = [502, 'ERR_COGNITO_ANSWER']

const SUB = '5d1c0a9e-0000-4000-8000-000000000001'
const with_ = (change: Members) => (all: Members): Members => ({ ...all, ...change })
const without = (...names: string[]) =>
  (all: Members): Members => Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)))
const claims = (change: Members): Behaviour => ({ claims: with_(change) })
const header = (change: Members): Behaviour => ({ header: with_(change) })
/** A key whose member of the set has no `kid`. */
const anonymous = ({ jwk }: typeof first): Members => without('kid')(jwk)

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ecJwk = { ...ec.publicKey.export({ format: 'jwk' }), kid: 'first', alg: 'ES256', use: 'sig' }
const attacker = rsaKey('attacker')
const weak = rsaKey('first', 1024)

const hs256 = (secret: string | Buffer, more: Members = {}): Behaviour => ({
  header: with_({ alg: 'HS256', ...more }), signature: (input) => createHmac('sha256', secret).update(input).digest()
})
/** With one bit changed. */
const flipped = (bytes: Buffer): Buffer => {
  bytes[7] = (bytes[7] as number) ^ 1
  return bytes
}
const pem = createPublicKey(first.privateKey).export({ type: 'spki', format: 'pem' }).toString()
const der = createPublicKey(first.privateKey).export({ type: 'spki', format: 'der' })

/** `oidcc-client-basic-certification-test-plan`, module by module, in its order. */
const BASIC_PLAN: [module: string, why: string, behaviour: Behaviour, expected: Expected][] = [
  ['oidcc-client-test', 'the base flow', {}, 'signed in'],
  ['oidcc-client-test-invalid-iss', 'iss is another issuer', claims({ iss: 'https://evil.example' }), INVALID],
  ['oidcc-client-test-missing-sub', 'there is no sub', { claims: without('sub') }, INVALID],
  ['oidcc-client-test-invalid-aud', 'aud is another client', claims({ aud: 'another-client' }), INVALID],
  ['oidcc-client-test-missing-iat', 'there is no iat', { claims: without('iat') }, INVALID],
  [
    'oidcc-client-test-kid-absent-single-jwks',
    'no kid, and one key it can be',
    { header: without('kid'), keys: [anonymous(first)] },
    'signed in'
  ],
  // The plan lets a relying party refuse it, or try all keys; OpenID Connect Core §10.1 has the provider send a kid.
  [
    'oidcc-client-test-kid-absent-multiple-jwks',
    'no kid, and several keys it can be',
    { header: without('kid'), keys: [anonymous(first), anonymous(second)] },
    INVALID
  ],
  [
    'oidcc-client-test-idtoken-sig-rs256',
    'signed with RS256, among keys of other kinds',
    { keys: [{ ...ecJwk, kid: 'ec' }, first.jwk, second.jwk] },
    'signed in'
  ],
  // The plan accepts an unsigned token from a client that was registered for it; this one never is.
  ['oidcc-client-test-idtoken-sig-none', 'unsigned', { header: () => ({ alg: 'none' }), signature: () => '' }, INVALID],
  [
    'oidcc-client-test-invalid-sig-rs256',
    'the signature is altered',
    { signature: (input) => flipped(rs256(first)(input)) },
    INVALID
  ],
  // oidcc-client-test-userinfo-invalid-sub: not applicable, shown by `the endpoint is never called`.
  ['oidcc-client-test-nonce-invalid', 'another nonce', claims({ nonce: 'another' }), INVALID]
  // oidcc-client-test-scope-userinfo-claims and oidcc-client-test-client-secret-basic: below, they look at requests.
]

const CLAIMS: [what: string, behaviour: Behaviour, expected: Expected][] = [
  ['no iss', { claims: without('iss') }, INVALID],
  ['an iss with an extra slash', { claims: (all) => ({ ...all, iss: `${String(all.iss)}/` }) }, INVALID],
  ['an iss in capital letters', { claims: (all) => ({ ...all, iss: String(all.iss).toUpperCase() }) }, INVALID],
  ['an iss in a list', { claims: (all) => ({ ...all, iss: [all.iss] }) }, INVALID],
  ['no aud', { claims: without('aud') }, INVALID],
  ['an empty list as aud', claims({ aud: [] }), INVALID],
  ['this client alone in a list as aud', claims({ aud: [clientId] }), 'signed in'],
  ['a list in a list as aud', claims({ aud: [[clientId]] }), INVALID],
  ['an object as aud', claims({ aud: { 0: clientId } }), INVALID],
  ['an aud that begins with this client\'s id', claims({ aud: `${clientId},another` }), INVALID],
  ['several audiences and no azp', claims({ aud: [clientId, 'another'] }), INVALID],
  ['several audiences and another azp', claims({ aud: [clientId, 'another'], azp: 'another' }), INVALID],
  ['several audiences and this client as azp', claims({ aud: [clientId, 'another'], azp: clientId }), 'signed in'],
  ['this client as aud and another azp', claims({ azp: 'another' }), INVALID],
  ['an azp in a list', claims({ azp: [clientId] }), INVALID],
  ['an exp that has passed', { claims: (all) => ({ ...all, exp: seconds() - 31 }) }, INVALID],
  ['no exp', { claims: without('exp') }, INVALID],
  ['exp as a text', { claims: (all) => ({ ...all, exp: String(all.exp) }) }, INVALID],
  ['exp as null', claims({ exp: null }), INVALID],
  ['iat as a text', { claims: (all) => ({ ...all, iat: String(all.iat) }) }, INVALID],
  ['an iat in the future', { claims: (all) => ({ ...all, iat: seconds() + 120 }) }, INVALID],
  ['an nbf in the future', { claims: (all) => ({ ...all, nbf: seconds() + 120 }) }, INVALID],
  ['auth_time as a text', { claims: (all) => ({ ...all, auth_time: String(all.auth_time) }) }, INVALID],
  ['no auth_time', { claims: without('auth_time') }, 'signed in'],
  ['no nonce', { claims: without('nonce') }, INVALID],
  ['nonce as null', claims({ nonce: null }), INVALID],
  ['nonce in a list', { claims: (all) => ({ ...all, nonce: [all.nonce] }) }, INVALID],
  ['an empty sub', claims({ sub: '' }), INVALID],
  ['a sub of blanks', claims({ sub: ' \t' }), INVALID],
  ['a sub of a no-break space', claims({ sub: '\u00a0' }), INVALID],
  ['a sub with a NUL', claims({ sub: `${SUB}\u0000` }), INVALID],
  ['a sub with a line break', claims({ sub: `${SUB}\r\nx: y` }), INVALID],
  ['a sub of 256 characters', claims({ sub: 'x'.repeat(256) }), INVALID],
  ['a number as sub', claims({ sub: 1 }), INVALID],
  ['token_use access, as an access token has it', claims({ token_use: 'access' }), INVALID],
  ['an access token for an ID token', {
    claims: (all) => ({ ...without('aud', 'nonce')(all), token_use: 'access', client_id: clientId, scope: 'openid' })
  }, INVALID],
  ['no token_use', { claims: without('token_use') }, INVALID],
  [
    'a nonce twice, the last one another',
    { claims: (all) => `${JSON.stringify(all).slice(0, -1)},"nonce":"another"}` },
    INVALID
  ],
  ['a sub twice, the last one empty', { claims: (all) => `${JSON.stringify(all).slice(0, -1)},"sub":""}` }, INVALID],
  // RFC 7519 §4: refused, or the last one counts.
  [
    'an aud twice, the last one this client',
    { claims: (all) => `{"aud":"another",${JSON.stringify(all).slice(1)}` },
    'signed in'
  ],
  ['a __proto__ that brings a nonce', {
    claims: (all) =>
      `{"__proto__":{"nonce":${JSON.stringify(all.nonce)}},${JSON.stringify(without('nonce')(all)).slice(1)}`
  }, INVALID],
  [
    'a name of 3,000 characters and many groups',
    claims({ 'name': 'x'.repeat(3000), 'cognito:groups': Array.from({ length: 1000 }, (_, i) => `group-${i}`) }),
    'signed in'
  ],
  ['a claim of 80,000 characters', claims({ 'custom:note': 'x'.repeat(80_000) }), 'signed in'],
  ['a list for the whole payload', { claims: () => '[]' }, INVALID],
  ['null for the whole payload', { claims: () => 'null' }, INVALID],
  ['a payload that is not JSON', { claims: () => 'not JSON' }, INVALID],
  ['a payload that is not UTF-8', {
    claims: () => '{}',
    idToken: (token) => token.replace(/\.[^.]+\./, `.${Buffer.from([0xff, 0xfe]).toString('base64url')}.`)
  }, INVALID]
]

const swap = (change: (claims: Members) => Members) => (token: string): string => {
  const [head, payload = '', signature] = token.split('.')
  return `${head}.${base64url(
    change(JSON.parse(Buffer.from(payload, 'base64url').toString()) as Members)
  )}.${signature}`
}

const SIGNATURES: [what: string, behaviour: Behaviour, expected: Expected][] = [
  ['a payload swapped after signing', { idToken: swap(with_({ 'cognito:groups': ['ADMIN'] })) }, INVALID],
  ['no signature', { signature: () => '' }, INVALID],
  ['no third part', { idToken: (token) => token.slice(0, token.lastIndexOf('.')) }, INVALID],
  ['a signature of another key under its kid', { signature: rs256(attacker) }, INVALID],
  ['HS256 with the client secret', hs256(clientSecret), INVALID],
  ['HS256 with the client secret and no kid', hs256(clientSecret, { kid: undefined }), INVALID],
  ['HS256 with the public key in PEM', hs256(pem), INVALID],
  ['HS256 with the public key in PEM without its last line break', hs256(pem.trim()), INVALID],
  ['HS256 with the public key in DER', hs256(der), INVALID],
  ['HS256 with the public key as a JWK', hs256(JSON.stringify(first.jwk)), INVALID],
  ['HS256 with the modulus', hs256(Buffer.from(String(first.jwk.n), 'base64url')), INVALID],
  [
    'HS256 with a secret in the key set',
    { ...hs256('x'.repeat(32)), keys: [first.jwk, { kty: 'oct', kid: 'first', k: base64url('x'.repeat(32)) }] },
    INVALID
  ],
  [
    'RS384',
    { ...header({ alg: 'RS384' }), signature: (input) => createSign('sha384').update(input).sign(first.privateKey) },
    INVALID
  ],
  ['RS384, of a key without alg', {
    ...header({ alg: 'RS384' }),
    keys: [without('alg')(first.jwk)],
    signature: (input) => createSign('sha384').update(input).sign(first.privateKey)
  }, INVALID],
  [
    'PS256, of a key without alg',
    {
      ...header({ alg: 'PS256' }),
      keys: [without('alg')(first.jwk)],
      signature: (input) => sign(
        'sha256',
        Buffer.from(input),
        { key: first.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      )
    },
    INVALID
  ],
  ['ES256, of a key of the set', {
    ...header({ alg: 'ES256' }),
    keys: [ecJwk],
    signature: (input) => sign('sha256', Buffer.from(input), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
  }, INVALID],
  ...['None', 'nOnE', 'NONE', '', ' none'].map((alg): [string, Behaviour, Expected] =>
    [`alg ${JSON.stringify(alg)} and no signature`, { header: () => ({ alg }), signature: () => '' }, INVALID]),
  ...['rs256', 'RS256 ', 'Rs256', ['RS256'], null, 256].map(
    (alg): [string, Behaviour, Expected] => [`alg ${JSON.stringify(alg)}`, header({ alg }), INVALID]
  ),
  ['no alg', { header: without('alg') }, INVALID],
  [
    'alg twice, the last one none',
    { header: (all) => `${JSON.stringify(all).slice(0, -1)},"alg":"none"}`, signature: () => '' },
    INVALID
  ],
  [
    'the attacker\'s key as jwk in its header',
    { ...header({ jwk: attacker.jwk }), signature: rs256(attacker) },
    INVALID
  ],
  [
    'the attacker\'s key as jwk in its header and no kid',
    { ...header({ jwk: attacker.jwk, kid: undefined }), signature: rs256(attacker) },
    INVALID
  ],
  [
    'the attacker\'s address as jku in its header',
    { ...header({ jku: 'https://evil.example/keys', kid: 'attacker' }), signature: rs256(attacker) },
    INVALID
  ],
  [
    'the attacker\'s address as x5u in its header',
    { ...header({ x5u: 'https://evil.example/chain' }), signature: rs256(attacker) },
    INVALID
  ],
  ['the attacker\'s chain as x5c in its header', {
    ...header({ x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] }),
    signature: rs256(attacker)
  }, INVALID],
  ['crit with an unknown name', header({ 'crit': ['urn:x'], 'urn:x': true }), INVALID],
  ['crit about b64', header({ crit: ['b64'], b64: false }), INVALID],
  ['an empty crit', header({ crit: [] }), INVALID],
  ['another typ', header({ typ: 'JWT' }), 'signed in'],
  [
    'an encrypted token',
    { idToken: () => `${base64url({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'first' })}.a.b.c.d` },
    INVALID
  ],
  [
    'a signed token in a signed token',
    { claims: () => `${base64url({ alg: 'none' })}.${base64url({ sub: SUB })}.`, ...header({ cty: 'JWT' }) },
    INVALID
  ],
  ['a kid that is an SQL injection', { ...header({ kid: '\' OR 1=1 --' }) }, INVALID],
  ['a kid that is a path', {
    ...header({ kid: '../../../../dev/null' }),
    signature: (input) => createHmac('sha256', '').update(input).digest()
  }, INVALID],
  ['a kid of 50,000 characters', header({ kid: 'x'.repeat(50_000) }), INVALID],
  ['an object as kid', header({ kid: { $ne: null } }), INVALID],
  ['a key of 1,024 bits', { keys: [weak.jwk], signature: rs256(weak) }, INVALID],
  ['its key for encryption only', { keys: [{ ...first.jwk, use: 'enc' }] }, INVALID],
  [
    'its key with key_ops for encryption only',
    { keys: [{ ...without('use')(first.jwk), key_ops: ['encrypt'] }] },
    INVALID
  ],
  ['its key for another algorithm', { keys: [{ ...first.jwk, alg: 'RS512' }] }, INVALID],
  ['an elliptic key under its kid', { keys: [ecJwk] }, INVALID],
  ['an elliptic key under its kid, before its own', { keys: [ecJwk, first.jwk] }, 'signed in'],
  [
    'a key for encryption under its kid, before its own',
    { keys: [{ ...second.jwk, kid: 'first', use: 'enc' }, first.jwk] },
    'signed in'
  ],
  // RFC 7517 §4.5: one kid, one key. Which of the two is meant cannot be told.
  ['another RSA key under its kid', { keys: [{ ...second.jwk, kid: 'first' }, first.jwk] }, INVALID],
  [
    'a key set with a broken key of another kid',
    { keys: [{ kty: 'RSA', kid: 'broken', alg: 'RS256', n: '', e: '' }, { kty: 'unheard-of' }, first.jwk] },
    'signed in'
  ],
  ['a key without a modulus', { keys: [without('n')(first.jwk)] }, INVALID],
  ['an empty key set', { keys: [] }, INVALID]
]

const RESPONSES: [what: string, behaviour: Behaviour, expected: Expected][] = [
  ['no id_token', { tokens: without('id_token') }, WRONG_ANSWER],
  ['a list for the id_token', { idToken: (token) => [token] }, WRONG_ANSWER],
  ['null for the id_token', { idToken: () => null }, WRONG_ANSWER],
  ['an empty id_token', { idToken: () => '' }, INVALID],
  ['the access token for the id_token', { tokens: (all) => ({ ...all, id_token: all.access_token }) }, INVALID],
  ['an id_token of 100,000 dots', { idToken: () => '.'.repeat(100_000) }, INVALID],
  ['no refresh_token', { tokens: without('refresh_token') }, 'signed in'],
  ['an object for the refresh_token', { tokens: with_({ refresh_token: {} }) }, 'signed in'],
  ['a refresh_token of 100,000 characters', { tokens: with_({ refresh_token: 'x'.repeat(100_000) }) }, WRONG_ANSWER],
  ...['soon', -1, 1e308, null, {}].map((value): [string, Behaviour, Expected] =>
    [`expires_in ${JSON.stringify(value)}`, { tokens: with_({ expires_in: value }) }, 'signed in']),
  ['the same member twice', { tokens: (all) => `{"id_token":"first",${JSON.stringify(all).slice(1)}` }, 'signed in'],
  [
    'unknown members',
    { tokens: with_({ constructor: { prototype: 1 }, toString: 'x', error: 'invalid_grant' }) },
    'signed in'
  ]
]

for (const [module, why, behaviour, expected] of BASIC_PLAN) {
  test(`${module} (${why}): ${said(expected)}`, async (t) => { await check(t, behaviour, expected) })
}
for (const [what, behaviour, expected] of [...CLAIMS, ...SIGNATURES]) {
  test(`An ID token with ${what}: ${said(expected)}`, async (t) => { await check(t, behaviour, expected) })
}
for (const [what, behaviour, expected] of RESPONSES) {
  test(`A token response with ${what}: ${said(expected)}`, async (t) => { await check(t, behaviour, expected) })
}

function said (expected: Expected): string {
  return expected === 'signed in' ? expected : expected.join(' ')
}

async function check (t: Test, behaviour: Behaviour, expected: Expected): Promise<void> {
  const party = await (behaviour.keys === undefined ? sharedParty() : relyingParty(t))
  const user = browser()
  party.provider.behaviour = behaviour

  const { status, code } = await party.signIn(user)

  if (expected === 'signed in') {
    t.equal(status, 303)
    t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)
    t.match(await party.rows(), [{ sess: { user: { sub: SUB } } }])
  } else {
    t.same([status, code], expected)
    await party.leftNothing(t, user)
  }
  isSilent(t, party)
}

function isSilent (t: Test, { log, provider }: RelyingParty): void {
  const text = log.join('')
  const form = provider.requests.find(({ endpoint }) => endpoint === 'token')?.body
  for (const secret of [
    clientSecret, encodeURIComponent(clientSecret), form?.get('code'), form?.get('code_verifier'), 'eyJ',
    'refresh-token-of-a-test', 'sample.user'
  ]) {
    t.notOk(secret !== null && secret !== undefined && text.includes(secret), 'the log has no secret')
  }
}

test('oidcc-client-test-userinfo-invalid-sub: the endpoint is never called', async (t) => {
  const party = await relyingParty(t)
  t.equal((await party.signIn()).status, 303)
  t.same([...new Set(party.provider.requests.map(({ endpoint }) => endpoint))], ['authorize', 'token', 'jwks'])
})

test('oidcc-client-test-scope-userinfo-claims: claims come from the ID token', async (t) => {
  const party = await sharedParty()
  const user = browser()

  await party.signIn(user)

  t.equal(party.provider.requests[0]?.url.searchParams.get('scope'), 'openid email profile')
  t.match(JSON.parse((await user.get(`${party.url}/api/auth/me`)).text), {
    user: {
      sub: SUB,
      email: 'sample.user@example.com',
      emailVerified: true,
      name: 'Sample User',
      username: 'sample-user'
    }
  })
})

test('oidcc-client-test-client-secret-basic: the client uses HTTP Basic', async (t) => {
  const party = await sharedParty()

  t.equal((await party.signIn()).status, 303, 'the provider accepts nothing else')

  const token = party.provider.requests.find(({ endpoint }) => endpoint === 'token')
  t.match(token?.headers.authorization, /^Basic /)
  t.equal(token?.body.has('client_secret'), false)
  t.equal(token?.method, 'POST')
})

test('A refused ID token leaves an existing session unchanged', async (t) => {
  const party = await sharedParty()
  const user = browser()
  await party.signIn(user)
  const before = await party.rows()

  for (const behaviour of [
    claims({ nonce: 'another' }),
    { signature: rs256(attacker) },
    { tokens: without('id_token') },
    { tokens: with_({ refresh_token: 'x'.repeat(100_000) }) }
  ]) {
    party.provider.behaviour = behaviour
    t.ok((await party.signIn(user)).status >= 400)
  }

  t.same(await party.rows(), before)
  t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)
})

test('A key added before the login is accepted', async (t) => {
  const party = await relyingParty(t)
  await party.signIn()
  party.provider.behaviour = {
    keys: [second.jwk, first.jwk],
    header: with_({ kid: 'second' }),
    signature: rs256(second)
  }
  await new Promise((resolve) => { setTimeout(resolve, 1100) })

  t.equal((await party.signIn()).status, 303)
  t.equal(party.provider.count('jwks'), 2)
})

test('A key added between login and callback is accepted', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn()
  const callbackUrl = await party.reachCallback(user)
  party.provider.behaviour = { keys: [second.jwk], header: with_({ kid: 'second' }), signature: rs256(second) }
  await new Promise((resolve) => { setTimeout(resolve, 1100) })

  t.equal((await party.finish(user, callbackUrl)).status, 303)
})

test('Cached keys still verify while the key set is unavailable', async (t) => {
  const party = await relyingParty(t)
  await party.signIn()
  party.provider.behaviour = { respond: { jwks: json({}, 503) } }
  await new Promise((resolve) => { setTimeout(resolve, 1100) })

  for (let i = 0; i < 3; i++) t.equal((await party.signIn()).status, 303)
  t.equal(party.provider.count('jwks'), 1)

  party.provider.behaviour = { ...party.provider.behaviour, header: with_({ kid: 'second' }), signature: rs256(second) }
  const user = browser()
  const { status, code } = await party.signIn(user)
  t.same([status, code], WRONG_ANSWER)
  t.equal((await party.rows()).length, 4, 'only the earlier sessions')
})

test('Tokens with unknown keys cause few key requests', async (t) => {
  const party = await relyingParty(t)
  await party.signIn()
  let number = 0
  party.provider.behaviour = { header: (all) => ({ ...all, kid: `unknown-${number++}` }) }
  const began = performance.now()

  const outcomes = await Promise.all(Array.from({ length: 40 }, () => party.signIn()))

  t.same([...new Set(outcomes.map(({ status, code }) => `${status} ${code}`))], ['401 ERR_ID_TOKEN'])
  t.ok(
    party.provider.count('jwks') <= 2 + (performance.now() - began) / 1000,
    `${party.provider.count('jwks')} requests for keys`
  )
})
