import { createPublicKey, verify } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { test } from 'tap'
import { Assertions, type AssertedSession, type AssertedUser } from '../../../src/assertion/assertions.js'
import { newSigningKey, type SigningKey } from '../../../src/assertion/signing-key.js'

const ISSUER = 'https://auth.example.com'
const NOW_S = 1_800_000_000

const USER: AssertedUser = {
  sub: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f',
  email: 'alice@example.com',
  role: 'ADMIN',
  roles: ['INVESTOR', 'ADMIN'],
  authTime: NOW_S - 300
}

const ALICE: AssertedSession = {
  publicId: 'public-id-of-a-session',
  user: USER,
  expiresAt: (NOW_S + 900) * 1000,
  databaseNow: NOW_S * 1000 + 500
}

/** The session some seconds later, extended by use. */
const later = (seconds: number, changes: Partial<AssertedSession> = {}): AssertedSession => ({
  ...ALICE,
  databaseNow: ALICE.databaseNow + seconds * 1000,
  expiresAt: ALICE.expiresAt + seconds * 1000,
  ...changes
})

async function open () {
  let key: SigningKey = await newSigningKey(0)
  const assertions = new Assertions({ signer: () => key }, ISSUER)
  return { assertions, key, rotate: async () => (key = await newSigningKey(0)) }
}

test('An assertion says who is signed in, and for whom, for a minute', async (t) => {
  const { assertions, key } = await open()

  const assertion = await assertions.of(ALICE)

  t.same(decodeProtectedHeader(assertion), { alg: 'ES256', typ: 'JWT', kid: key.publicJwk.kid })
  t.same(decodeJwt(assertion), {
    iss: ISSUER,
    aud: ISSUER,
    sub: USER.sub,
    email: 'alice@example.com',
    role: 'ADMIN',
    roles: ['INVESTOR', 'ADMIN'],
    auth_time: NOW_S - 300,
    sid: ALICE.publicId,
    iat: NOW_S,
    exp: NOW_S + 60
  })
})

test('An assertion verifies with jose and with node:crypto, and another key does not verify it', async (t) => {
  const { assertions, key, rotate } = await open()
  const assertion = await assertions.of(ALICE)
  const options = { issuer: ISSUER, audience: ISSUER, algorithms: ['ES256'], currentDate: new Date(NOW_S * 1000) }

  await t.resolves(jwtVerify(assertion, await importJWK({ ...key.publicJwk }), options))
  const [header, payload, signature = ''] = assertion.split('.')
  const publicKey = createPublicKey({ key: { ...key.publicJwk }, format: 'jwk' })
  t.ok(verify(
    'sha256',
    Buffer.from(`${header}.${payload}`),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url')
  ))
  const { publicJwk: other } = await rotate()
  await t.rejects(jwtVerify(assertion, await importJWK({ ...other }), options))
})

test('Claims that the session does not have are left out', async (t) => {
  const { assertions } = await open()
  const assertion = await assertions.of({ ...ALICE, user: { sub: USER.sub } })
  t.same(Object.keys(decodeJwt(assertion)), ['iss', 'aud', 'sub', 'sid', 'iat', 'exp'])
})

test('An assertion cannot be confused by quotes, commas or other letters in a claim', async (t) => {
  const { assertions } = await open()
  const email = '"},"sub":"mallory","x":{"\\é\u2028𝒳@example.com'
  t.match(decodeJwt(await assertions.of({ ...ALICE, user: { ...USER, email } })), { sub: USER.sub, email })
})

test('An assertion is handed out again, at once, for half a minute', async (t) => {
  const { assertions } = await open()
  const first = await assertions.of(ALICE)

  t.equal(assertions.of(later(10)), first)
  t.equal(assertions.of(later(19)), first)

  const after = await assertions.of(later(31))
  t.not(after, first)
  t.equal(decodeJwt(after).iat, NOW_S + 31)
})

test('From its twentieth second on, the next one is signed in the background', async (t) => {
  const { assertions } = await open()
  const first = await assertions.of(ALICE)

  for (let i = 0; i < 5; i++) t.equal(assertions.of(later(25)), first)
  let next = assertions.of(later(26))
  for (let i = 0; i < 1000 && next === first; i++) {
    await turn()
    next = assertions.of(later(26))
  }

  t.not(next, first)
  t.equal(decodeJwt(await next).iat, NOW_S + 25)
})

test('Concurrent requests of a session share one signature', async (t) => {
  const { assertions } = await open()
  const [first, ...others] = await Promise.all(Array.from({ length: 20 }, async () => assertions.of(ALICE)))
  t.same(others, Array(19).fill(first), 'ES256 never makes the same signature twice')
})

const changes: [what: string, Partial<AssertedUser>][] = [
  ['role', { role: 'INVESTOR' }],
  ['roles', { roles: ['ADMIN'] }],
  ['e-mail address', { email: 'bob@example.com' }],
  ['sign-in time', { authTime: NOW_S }],
  ['user', { sub: 'another' }]
]
for (const [what, change] of changes) {
  test(`An assertion is not handed out again after a change: ${what}`, async (t) => {
    const { assertions } = await open()
    const first = await assertions.of(ALICE)
    const second = await assertions.of(later(1, { user: { ...USER, ...change } }))
    t.not(second, first)
    t.not(decodeJwt(second).iat, decodeJwt(first).iat)
    t.equal(await assertions.of(later(2, { user: { ...USER, ...change } })), second)
  })

  test(`A copy of a user that keeps its assertion has one of its own after a change: ${what}`, async (t) => {
    const { assertions } = await open()
    const user = keeping()
    const first = await assertions.of({ ...ALICE, user })
    t.equal(assertions.of({ ...ALICE, user }), first)
    const copy: AssertedUser = { ...user, ...change }
    const second = await assertions.of({ ...ALICE, user: copy })
    t.not(second, first)
    t.match(decodeJwt(second), { sub: copy.sub, email: copy.email, role: copy.role, roles: copy.roles })
  })
}

/** A user of a session as `verify` looks at it: the same object at each request. */
const keeping = (): AssertedUser => ({ ...USER, latest: undefined })

for (const [what, change] of Object.entries({
  'after twenty seconds, a newer one is made': later(31),
  'for a session that ends before': later(1, { expiresAt: (NOW_S + 40) * 1000 }),
  'for another session': later(1, { publicId: 'another' }),
  'once the database has another time': later(-1)
})) {
  test(`An assertion that a user keeps is not handed out: ${what}`, async (t) => {
    const { assertions } = await open()
    const user = keeping()
    const first = await assertions.of({ ...ALICE, user })
    t.equal(assertions.of({ ...later(1), user }), first)
    const second = await assertions.of({ ...change, user })
    t.not(second, first)
    t.match(decodeJwt(second), {
      sid: change.publicId,
      iat: Math.floor(change.databaseNow / 1000),
      exp: Math.min(Math.floor(change.databaseNow / 1000) + 60, change.expiresAt / 1000 | 0)
    })
  })
}

test('An assertion that a user keeps is for no other audience, and does not outlive its key', async (t) => {
  const { assertions, rotate } = await open()
  const user = keeping()
  const session = { ...ALICE, user }
  const first = await assertions.of(session)
  t.equal(assertions.of(session), first)
  t.equal(decodeJwt(await assertions.of(session, 'https://other.example.com')).aud, 'https://other.example.com')
  t.equal(decodeJwt(await assertions.of(session)).aud, ISSUER)
  const { publicJwk: { kid } } = await rotate()
  t.equal(decodeProtectedHeader(await assertions.of(session)).kid, kid)
})

test('An assertion is not handed out again once another key signs', async (t) => {
  const { assertions, key, rotate } = await open()
  const first = await assertions.of(ALICE)
  const next = await rotate()
  const second = await assertions.of(later(1))
  t.same([first, second].map((one) => decodeProtectedHeader(one).kid), [key, next].map(({ publicJwk: { kid } }) => kid))
})

test('Each session and each audience has its own assertion', async (t) => {
  const { assertions } = await open()
  const sessions = [ALICE, { ...ALICE, publicId: 'another' }]
  const audiences = [undefined, 'https://investor.example.com', 'https://issuer.example.com']
  const all = await Promise.all(sessions.flatMap((session) =>
    audiences.map(async (audience) => assertions.of(session, audience))))

  t.same(all.map((one) => [decodeJwt(one).sid, decodeJwt(one).aud]), sessions.flatMap(({ publicId }) =>
    audiences.map((audience) => [publicId, audience ?? ISSUER])))
  t.same(await Promise.all(sessions.flatMap((session) =>
    audiences.map(async (audience) => assertions.of(session, audience)))), all)
})

test('An assertion never outlives its session', async (t) => {
  const { assertions } = await open()
  const ending = { ...ALICE, expiresAt: (NOW_S + 20) * 1000 + 900 }

  const first = await assertions.of(ending)

  t.equal(decodeJwt(first).exp, NOW_S + 20)
  const again = await assertions.of({ ...ending, databaseNow: ending.databaseNow + 5000 })
  t.equal(again, first, 'a new one would not hold longer')
  t.equal(decodeJwt(await assertions.of(later(5))).exp, NOW_S + 65, 'after the session was extended')
  const shortened = await assertions.of(later(6, { expiresAt: (NOW_S + 30) * 1000 }))
  t.equal(decodeJwt(shortened).exp, NOW_S + 30, 'after it was shortened')
})

test('After the clock was set back, an assertion is signed again', async (t) => {
  const { assertions } = await open()
  await assertions.of(ALICE)
  t.equal(decodeJwt(await assertions.of(later(-100))).iat, NOW_S - 100)
})

test('A signature that fails is not kept', async (t) => {
  const { key, rotate } = await open()
  let current: SigningKey = { ...key, privateKey: createPublicKey({ key: { ...key.publicJwk }, format: 'jwk' }) }
  const assertions = new Assertions({ signer: () => current }, ISSUER)
  await t.rejects(async () => assertions.of(ALICE))
  await turn()
  current = key
  await t.resolves(async () => assertions.of(ALICE))
  await rotate()
})

test('A signature that fails for several requests at once is not kept in their user', async (t) => {
  const { key } = await open()
  let current: SigningKey = { ...key, privateKey: createPublicKey({ key: { ...key.publicJwk }, format: 'jwk' }) }
  const assertions = new Assertions({ signer: () => current }, ISSUER)
  const session = { ...ALICE, user: { ...USER, latest: undefined } }
  const [first, second] = await Promise.allSettled([assertions.of(session), assertions.of(session)])
  t.match([first, second], [{ status: 'rejected' }, { status: 'rejected' }])
  await turn()
  current = key
  await t.resolves(async () => assertions.of(session))
})

test('A key that has to be waited for delays the assertion only', async (t) => {
  const { key } = await open()
  const assertions = new Assertions({ signer: async () => key }, ISSUER)
  t.equal(await assertions.of(ALICE), await assertions.of(later(1)))
})

test('At most ten thousand assertions are kept, the ones in use among them', async (t) => {
  const { key } = await open()
  let signatures = 0
  const counting = { ...key, get header () { return (signatures++, key.header) } }
  const assertions = new Assertions({ signer: () => counting }, ISSUER)
  const inUse = await assertions.of(ALICE)
  for (let i = 0; i < 12_000; i++) {
    if (i % 1000 === 0) t.equal(await assertions.of(ALICE), inUse)
    void assertions.of({ ...ALICE, publicId: `session ${i}` })
  }
  signatures = 0

  await assertions.of({ ...ALICE, publicId: 'session 11999' })
  t.equal(signatures, 0)
  await assertions.of({ ...ALICE, publicId: 'session 0' })
  t.equal(signatures, 1, 'the oldest is gone')
})
