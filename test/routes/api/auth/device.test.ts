import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test, type Test } from 'tap'
import type { DeviceEvent } from '../../../../plugins/device-bound.js'
import { DeviceBoundSessions } from '../../../../src/device-bound/index.js'
import { browser, signIn, type Browser, type Page } from '../../../support/browser.js'
import {
  BOUND, challengeOf, Device, offerOf, PUBLIC_URL, REFRESH, REGISTER, sendProof
} from '../../../support/device.js'
import { retried } from '../../../support/error-page.js'
import { pass, sinceSignIn } from '../../../support/pass.js'
import { poolOf, rows, server, sharedServer, type Setup } from '../../../support/server.js'
import { stoppablePostgres } from '../../../support/stoppable-postgres.js'

const ON = { PUBLIC_URL, DEVICE_BOUND_SESSIONS: 'on' }
const ME = `${PUBLIC_URL}/api/auth/me`
const SESSION = 'cashsouk.sid'

interface Party { setup: Setup, user: Browser, device: Device, answer: Page, events: DeviceEvent[] }

const newBrowser = ({ env }: Setup): Browser => browser({ via: { [PUBLIC_URL]: Number(env.PORT) } })

function eventsOf (t: Test): DeviceEvent[] {
  const events: DeviceEvent[] = []
  const keep = (event: unknown): void => { events.push(event as DeviceEvent) }
  subscribe('cashsouk-auth:device', keep)
  t.teardown(() => unsubscribe('cashsouk-auth:device', keep))
  return events
}

/** A browser that is signed in. */
async function signedIn (t: Test, env: Record<string, string> = ON, setup?: Setup): Promise<Party> {
  const party = setup ?? await sharedServer(env)
  const user = newBrowser(party)
  const { answer } = await signIn(user, PUBLIC_URL, { person: 'carol' })
  return { setup: party, user, device: await Device.make(), answer, events: eventsOf(t) }
}

/** A browser that is signed in, and whose session is bound. */
async function bound (t: Test, env?: Record<string, string>, setup?: Setup): Promise<Party> {
  const party = await signedIn(t, env, setup)
  t.equal((await party.device.register(party.user, party.answer)).status, 200)
  return party
}

const me = async (user: Browser) => {
  const { status, text } = await user.get(ME)
  const { reason, deviceBound } = JSON.parse(text) as { reason?: string, deviceBound?: boolean }
  return { status, reason, deviceBound }
}

/** The same browser's cookies in another profile, without the one that shows the device. */
function thief ({ setup, user }: Party): Browser {
  const other = newBrowser(setup)
  other.setCookie(PUBLIC_URL, `${SESSION}=${user.cookie(SESSION)?.value ?? ''}; Path=/; Secure`)
  return other
}

const outcomes = ({ events }: Party): string[] => events.map(({ outcome }) => outcome)

const BOUND_COOKIE = /^__Host-cashsouk\.sid\.bound=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/
const SIGNED_IN = { status: 200, reason: undefined, deviceBound: true }
const REFUSED = { status: 401, reason: 'device', deviceBound: undefined }

test('the answer that signs in offers a registration, and a browser without it is signed in', async (t) => {
  const { user, answer } = await signedIn(t)
  t.match(offerOf(answer), { path: '/api/auth/device/register' })
  t.same(await me(user), { status: 200, reason: undefined, deviceBound: false })
  const { value = '' } = user.cookie(BOUND) ?? {}
  const line = answer.headers.getSetCookie().find((cookie) => cookie.startsWith(BOUND))
  t.equal(line, `${BOUND}=${value}; Max-Age=30; Path=/; HttpOnly; Secure; SameSite=Lax`)
})

test('a session is bound by a proof, without cookies', async (t) => {
  for (const alg of ['ES256', 'RS256']) {
    const party = await signedIn(t)
    const { user, answer } = party
    const device = await Device.make(alg)
    const registered = await device.register(user, answer)
    t.equal(registered.status, 200, alg)
    t.same(JSON.parse(registered.text), {
      session_identifier: device.identifier,
      refresh_url: '/api/auth/device/refresh',
      scope: { origin: PUBLIC_URL, include_site: false },
      credentials: [{ type: 'cookie', name: BOUND, attributes: 'Path=/; Secure; HttpOnly; SameSite=Lax' }],
      allowed_refresh_initiators: ['*']
    })
    const [cookie = ''] = registered.headers.getSetCookie()
    t.match(cookie, BOUND_COOKIE)
    t.match(challengeOf(registered), /./, 'the next challenge')
    t.same(await me(user), SIGNED_IN)
    t.equal((await device.refresh(user, challengeOf(registered))).status, 200, 'it is good')
    t.same(outcomes(party), ['registered', 'refreshed'])
    t.ok(party.events.every(({ sub }) => typeof sub === 'string'))
  }
})

test('the row has a hash of the ticket, then the public key, and no handle', async (t) => {
  const { setup, user, device, answer } = await signedIn(t)
  const offer = offerOf(answer)
  const bindings = async () => (await rows(setup)).map(({ sess }) => sess.deviceBinding as Record<string, unknown>)
  t.match(await bindings(), [{ ticket: /^[\w-]{22}$/ }])
  await device.register(user, answer)
  const [binding = {}] = await bindings()
  t.same(binding.key, device.jwk)
  t.same(Object.keys(binding), ['id', 'alg', 'key', 'spent'])
  const text = JSON.stringify(await rows(setup))
  t.notMatch(text, offer?.ticket ?? '-')
  t.notMatch(text, device.identifier)
})

test('a bound session is refused without its cookie, for that request alone', async (t) => {
  const party = await bound(t)
  const { setup, user } = party
  const before = await rows(setup)
  const other = thief(party)
  t.same(await me(other), REFUSED)
  t.equal((await other.get(`${PUBLIC_URL}/api/auth/verify`)).status, 401, 'verify')
  t.match(JSON.parse((await other.get(`${PUBLIC_URL}/api/auth/verify`)).text), { reason: 'device' })
  t.equal((await other.get(`${PUBLIC_URL}/api/auth/sessions`)).status, 401, 'sessions')
  t.equal((await other.send('POST', `${PUBLIC_URL}/api/auth/extend`)).status, 401, 'extend')
  const gone = await other.send('DELETE', `${PUBLIC_URL}/api/auth/sessions`)
  t.equal(gone.status, 401, 'end sessions')
  t.ok(other.cookie(SESSION), 'the cookie stays')
  t.same((await rows(setup)).map(({ sid }) => sid), before.map(({ sid }) => sid), 'no session ended')
  t.same(await me(user), SIGNED_IN)
})

test('a sign-out without the device ends nothing but the cookie', async (t) => {
  const party = await bound(t)
  const other = thief(party)
  await other.post(`${PUBLIC_URL}/api/auth/logout`, {}, { redirect: 'manual' })
  t.equal(other.cookie(SESSION), undefined)
  t.same(await me(party.user), SIGNED_IN)
})

for (const [what, others] of [
  ['junk before it', () => [`${SESSION}=junk`]],
  ['junk after it', () => ['', `${SESSION}=junk`]],
  ['the session of another user', async (party: Awaited<ReturnType<typeof bound>>) => {
    const other = newBrowser(party.setup)
    await signIn(other, PUBLIC_URL, { person: 'bob' })
    return ['', other.cookieHeader(`${PUBLIC_URL}/`)]
  }]
] as const) {
  test(`a sign-out without the device, with ${what}, does not end the session of the cookie`, async (t) => {
    const party = await bound(t)
    const [before = '', after = ''] = await others(party)
    const copied = `${SESSION}=${party.user.cookie(SESSION)?.value ?? ''}`
    const cookie = [before, copied, after].filter((part) => part !== '').join('; ')
    const send = (method: string, path: string) =>
      newBrowser(party.setup).send(method, PUBLIC_URL + path, { redirect: 'manual', headers: { cookie } })

    t.equal((await send('POST', '/api/auth/logout')).status, 303)
    t.same(await me(party.user), SIGNED_IN)
  })
}

test('a sign-in with a copied cookie and junk does not end the session of the cookie', async (t) => {
  const party = await bound(t)
  const other = thief(party)
  other.setCookie(PUBLIC_URL, `${SESSION}=junk; Path=/api; Secure`)
  t.equal((await signIn(other, PUBLIC_URL, { person: 'bob' })).answer.status, 303)
  t.same(await me(party.user), SIGNED_IN)
})

test('a sign-out before the registration ends the session, and nothing binds it afterwards', async (t) => {
  const setup = await sharedServer({ ...ON, DEVICE_BOUND_SESSIONS: 'required:ADMIN' })
  const user = newBrowser(setup)
  const { answer } = await signIn(user, PUBLIC_URL, { person: 'carol' })

  t.equal((await user.post(`${PUBLIC_URL}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)

  t.equal((await (await Device.make()).register(newBrowser(setup), answer)).status, 400)
  t.same(await setup.database.query('SELECT sid FROM session WHERE sess -> \'user\' IS NOT NULL'), [])
  t.ok(setup.cognito.requests.some(({ path }) => path === '/oauth2/revoke'), 'its refresh token is revoked')
})

test('a sign-in without the device does not end the session of the cookie', async (t) => {
  const party = await bound(t)
  const other = thief(party)
  t.equal((await signIn(other, PUBLIC_URL, { person: 'bob' })).answer.status, 303)
  t.same(await me(other), { status: 200, reason: undefined, deviceBound: false })
  t.same(await me(party.user), SIGNED_IN)
})

test('the cookie of a device is bound to its session, its time and this server', async (t) => {
  const one = await bound(t)
  const two = await bound(t, ON, one.setup)
  const { value = '' } = one.user.cookie(BOUND) ?? {}
  const [id = ''] = /^s:([^.]+)/.exec(decodeURIComponent(one.user.cookie(SESSION)?.value ?? ''))?.slice(1) ?? []
  const { config, sessionStore } = one.setup.fastify.cashsoukAuth
  const devices = new DeviceBoundSessions(config, sessionStore)
  const elsewhere = { ...config, SESSION_SECRET: ['another secret of another server.'] }
  const foreign = new DeviceBoundSessions(elsewhere, sessionStore)
  const now = Date.now()
  for (const [name, cookie, expected] of [
    ['its own', value, 200],
    ['its own, made again', devices.provisionalCookie(id, now).value, 200],
    ['none', '', 401],
    ['a damaged one', `${value.slice(0, -2)}AA`, 401],
    ['the other session\'s', two.user.cookie(BOUND)?.value ?? '', 401],
    ['of another server', foreign.provisionalCookie(id, now).value, 401],
    ['one that ended 10 s ago', devices.provisionalCookie(id, now - 40_000).value, 401],
    ['a longer time', value.replace(/^[^.]+/, (time) => (parseInt(time, 36) + 1e6).toString(36)), 401],
    ['a session id', id, 401],
    ['a large one', 'x'.repeat(4000), 401]
  ] as const) {
    const other = thief(one)
    if (cookie !== '') other.setCookie(PUBLIC_URL, `${BOUND}=${cookie}; Path=/; Secure`)
    t.equal((await me(other)).status, expected, name)
    t.equal((await other.get(`${PUBLIC_URL}/api/auth/verify`)).status, expected, `${name}, verify`)
  }
})

test('a registration that does not hold is refused, and the sign-in stays', async (t) => {
  const party = await signedIn(t)
  const { user, device, answer } = party
  const other = await signedIn(t, ON, party.setup)
  const offer = offerOf(answer) ?? { path: '', challenge: '', ticket: '' }
  const foreign = offerOf(other.answer) ?? offer
  const stranger = await Device.make()
  const rsa = await Device.make('RS256')
  const { jwk } = device
  const none = [{ alg: 'none', typ: 'dbsc+jwt', jwk }, { jti: offer.challenge, authorization: offer.ticket }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const good = await device.registration(offer)
  const proofs: [string, string][] = [
    ['nothing', ''],
    ['no token', 'x.y.z'],
    ['alg none', `${none}.`],
    ['another key in the header', await device.registration(offer, { jwk: stranger.jwk })],
    ['no key', await device.registration(offer, { jwk: undefined })],
    ['another type', await device.registration(offer, { typ: 'jwt' })],
    ['no challenge', await device.registration(offer, { jti: undefined })],
    ['another challenge', await device.registration(offer, { jti: `${offer.challenge}x` })],
    ['the challenge of another login', await device.registration(offer, { jti: foreign.challenge })],
    ['the ticket of another login', await device.registration({ ...foreign, challenge: offer.challenge })],
    ['no ticket', await device.registration(offer, { authorization: undefined })],
    ['a damaged ticket', await device.registration(offer, { authorization: `${offer.ticket.slice(0, -2)}AA` })],
    ['an RSA key as an elliptic one', await device.registration(offer, { jwk: rsa.jwk })],
    ['a private key', await device.registration(offer, { jwk: { ...jwk, d: String(jwk.x) } })],
    ['a damaged signature', `${good.slice(0, -4)}AAAA`],
    ['8 KB', `${good}${'A'.repeat(8000)}`]
  ]
  for (const [name, proof] of proofs) {
    const began = performance.now()
    const refused = await sendProof(user, REGISTER, { 'secure-session-response': proof })
    t.equal(refused.status, 400, name)
    t.match(JSON.parse(refused.text), { code: 'ERR_DEVICE_PROOF' }, name)
    t.ok(performance.now() - began < 1000, `${name}: at once`)
  }
  t.same(new Set(outcomes(party)), new Set(['refused']))
  t.same(await me(user), { status: 200, reason: undefined, deviceBound: false })
  t.equal((await sendProof(user, REGISTER, { 'secure-session-response': good })).status, 200, 'the ticket is not spent')
})

test('RSA keys of 1,024, 8,192 and 16,384 bits, and an exponent of 4,096, are refused at once', async (t) => {
  const { user, answer } = await signedIn(t)
  const offer = offerOf(answer) ?? { path: '', challenge: '', ticket: '' }
  const rsa = await Device.make('RS256')
  const big = (bits: number) => Buffer.alloc(bits / 8, 0xfd).toString('base64url')
  for (const [name, jwk] of [
    ['1,024', { ...rsa.jwk, n: big(1024) }],
    ['8,192', { ...rsa.jwk, n: big(8192) }],
    ['16,384', { ...rsa.jwk, n: big(16_384) }],
    ['exponent', { ...rsa.jwk, e: big(4096) }]
  ] as const) {
    const proof = await rsa.registration(offer, { jwk })
    const began = performance.now()
    t.equal((await sendProof(user, REGISTER, { 'secure-session-response': proof })).status, 400, name)
    t.ok(performance.now() - began < 200, `${name}: at once`)
  }
})

test('an answer of 64 KB is refused at once, as a header and as a body', async (t) => {
  const { setup, user, device } = await bound(t)
  for (const url of [REGISTER, REFRESH]) {
    const began = performance.now()
    const header = await sendProof(user, url, {
      'sec-secure-session-id': device.identifier, 'secure-session-response': 'x'.repeat(65_536)
    })
    t.equal(header.status, 431, `header, ${url}`)
    const body = await user.send('POST', url, { body: 'x'.repeat(65_536), headers: { 'content-type': 'text/plain' } })
    t.equal(body.status, 413, `body, ${url}`)
    t.ok(performance.now() - began < 1000, `${url}: at once`)
  }
  t.equal((await rows(setup)).length, 1)
  t.same(await me(user), SIGNED_IN)
})

test('a ticket of the same session that its row does not know binds nothing', async (t) => {
  const { setup, user, answer } = await signedIn(t)
  const [, id = ''] = /^s:([^.]+)/.exec(decodeURIComponent(user.cookie(SESSION)?.value ?? '')) ?? []
  const { config, sessionStore } = setup.fastify.cashsoukAuth
  const { header } = new DeviceBoundSessions(config, sessionStore).offer(id)
  const other = { ...answer, headers: new Headers({ 'secure-session-registration': header }) }
  t.equal((await (await Device.make()).register(user, other)).status, 400)
  t.match(await me(user), { status: 200, deviceBound: false })
  t.equal((await (await Device.make()).register(user, answer)).status, 200, 'that of the sign-in is good')
})

test('a ticket is good once, also at the same moment', async (t) => {
  const { user, answer } = await signedIn(t)
  const devices = await Promise.all(Array.from({ length: 10 }, () => Device.make()))
  const answers = await Promise.all(devices.map((device) => device.register(user, answer)))
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array<number>(9).fill(400)])
  const [winner] = devices.filter((_device, index) => answers[index]?.status === 200)
  const registered = answers.find(({ status }) => status === 200)
  t.equal((await winner?.refresh(user, registered === undefined ? '' : challengeOf(registered)))?.status, 200)
})

test('a ticket is good for 30 s, and only while its session lives', async (t) => {
  const late = await signedIn(t)
  await sinceSignIn(late.setup, 31)
  t.equal((await late.device.register(late.user, late.answer)).status, 400)
  t.same(await me(late.user), { status: 200, reason: undefined, deviceBound: false })
  const out = await signedIn(t)
  await out.user.post(`${PUBLIC_URL}/api/auth/logout`, {}, { redirect: 'manual' })
  t.equal((await out.device.register(out.user, out.answer)).status, 400)
})

test('a refresh without a proof gets a challenge, and renews the cookie with one', async (t) => {
  const party = await bound(t)
  const { user, device } = party
  const asked = await device.refresh(user)
  t.equal(asked.status, 403)
  t.match(asked.headers.get('secure-session-challenge'), new RegExp(`^"[^"]+";id="${device.identifier}"$`))
  t.same(asked.headers.getSetCookie(), [])
  const renewed = await device.refresh(user, challengeOf(asked))
  t.equal(renewed.status, 200)
  t.equal(renewed.text, '')
  t.match(renewed.headers.getSetCookie()[0], BOUND_COOKIE)
  const next = challengeOf(renewed)
  t.equal((await device.refresh(user, next)).status, 200, 'the next challenge is good')
  t.same(outcomes(party), ['registered', 'refreshed', 'refreshed'])
})

test('a challenge is good once, also at the same moment', async (t) => {
  const { user, device } = await bound(t)
  const challenge = challengeOf(await device.refresh(user))
  const answers = await Promise.all(Array.from({ length: 10 }, () => device.refresh(user, challenge)))
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array<number>(9).fill(403)])
  const again = await device.refresh(user, challenge)
  t.equal(again.status, 403)
  t.equal((await device.refresh(user, challengeOf(again))).status, 200, 'the new one is')
})

test('a refresh costs two statements at most, with its challenge, and one where the row is remembered', async (t) => {
  const { setup, user, device } = await bound(t, undefined, await server(t, ON))
  const counts: number[] = []
  let statements = 0
  poolOf(setup.fastify).on('acquire', () => { statements++ })
  let challenge = challengeOf(await device.refresh(user))
  for (let i = 0; i < 3; i++) {
    statements = 0
    const renewed = await device.refresh(user, challenge)
    t.equal(renewed.status, 200)
    challenge = challengeOf(renewed)
    counts.push(statements)
  }
  t.ok(counts.every((count) => count >= 1 && count <= 2), counts.join())
  t.equal(counts.at(-1), 1)
})

test('a challenge is good for a minute', async (t) => {
  const party = await bound(t)
  const { setup, user, device } = party
  const { config } = setup.fastify.cashsoukAuth
  const binding = (await rows(setup))[0]?.sess.deviceBinding as { id: string }
  const { Stamps } = await import('../../../../src/device-bound/stamps.js')
  const stamps = new Stamps(config.SESSION_SECRET, 'device challenge')
  const before = (seconds: number) => stamps.of(binding.id, Date.now() - seconds * 1000)
  t.equal((await device.refresh(user, before(61))).status, 403)
  t.notOk(outcomes(party).includes('refused'), 'an old one is no attack')
  t.equal((await device.refresh(user, before(55))).status, 200)
  t.equal((await device.refresh(user, before(58))).status, 403, 'earlier than the one that was spent')
})

test('a refresh that does not hold gets a challenge, and ends no session', async (t) => {
  const party = await bound(t)
  const other = await bound(t, ON, party.setup)
  const { user, device, setup } = party
  const stranger = await Device.make()
  stranger.identifier = device.identifier
  const rsa = await Device.make('RS256')
  rsa.identifier = device.identifier
  const fresh = async () => challengeOf(await device.refresh(user))
  const send = async (proof: string) =>
    sendProof(user, REFRESH, { 'sec-secure-session-id': device.identifier, 'secure-session-response': proof })
  const encoded = [{ alg: 'none', typ: 'dbsc+jwt' }, { jti: await fresh() }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  for (const [name, ask] of [
    ['another key', async () => stranger.refresh(user, await fresh())],
    ['another key in the header', async () => stranger.refresh(user, await fresh(), { jwk: stranger.jwk })],
    ['another algorithm', async () => rsa.refresh(user, await fresh())],
    ['another type', async () => device.refresh(user, await fresh(), { typ: 'JWT' })],
    ['alg none', async () => send(`${encoded}.`)],
    ['the challenge of another session', async () =>
      device.refresh(user, challengeOf(await other.device.refresh(user)))],
    ['a registration\'s challenge', async () => device.refresh(user, offerOf(party.answer)?.challenge)],
    ['no challenge', async () => send(await device.proof({}))],
    ['an invented challenge', async () => device.refresh(user, `${Date.now().toString(36)}.${'A'.repeat(43)}`)],
    ['8 KB', async () => send('x'.repeat(8000))]
  ] as const) {
    const began = performance.now()
    const refused = await ask()
    t.equal(refused.status, 403, name)
    t.match(challengeOf(refused), /./, `${name}: a challenge`)
    t.same(refused.headers.getSetCookie(), [], `${name}: no cookie`)
    t.ok(performance.now() - began < 1000, `${name}: at once`)
  }
  t.equal((await rows(setup)).length, 2)
  t.equal((await device.renew(user)).status, 200, 'the session goes on')
})

test('with another session\'s identifier, a proof renews nothing', async (t) => {
  const one = await bound(t)
  const two = await bound(t, ON, one.setup)
  const challenge = challengeOf(await two.device.refresh(two.user))
  one.device.identifier = two.device.identifier
  const refused = await one.device.refresh(one.user, challenge)
  t.equal(refused.status, 403)
  t.same(refused.headers.getSetCookie(), [])
})

test('a refresh is answered 401 where the session has ended, and only there', async (t) => {
  const { user, device, answer, setup } = await bound(t)
  const ended = async (identifier: string) => {
    const page = await sendProof(user, REFRESH, { 'sec-secure-session-id': identifier })
    return [page.status, (JSON.parse(page.text) as { code: string }).code]
  }
  const ENDED = [401, 'ERR_DEVICE_SESSION']
  t.same(await ended(''), ENDED, 'no identifier')
  t.same(await ended('x'), ENDED, 'not one of ours')
  t.same(await ended('x'.repeat(4000)), ENDED, 'a long one')
  t.same(await ended(offerOf(answer)?.ticket ?? ''), ENDED, 'a ticket')
  t.equal((await device.refresh(user)).status, 403)
  await user.post(`${PUBLIC_URL}/api/auth/logout`, {}, { redirect: 'manual' })
  t.same(await ended(device.identifier), ENDED)
  const idle = await bound(t, ON, setup)
  await pass(setup.database, 901)
  t.equal((await idle.device.refresh(idle.user)).status, 401, 'expired')
})

test('another identifier of the same session renews nothing', async (t) => {
  const { setup, user, device } = await bound(t)
  const [, id = ''] = /^s:([^.]+)/.exec(decodeURIComponent(user.cookie(SESSION)?.value ?? '')) ?? []
  const { Handles } = await import('../../../../src/device-bound/handles.js')
  const challenge = challengeOf(await device.refresh(user))
  device.identifier = new Handles(setup.fastify.cashsoukAuth.config.SESSION_SECRET).make(id, 'identifier')
  t.equal((await device.refresh(user, challenge)).status, 401)
  t.same(await me(user), SIGNED_IN)
})

test('a refresh extends no session', async (t) => {
  const { user, device, setup } = await bound(t)
  await pass(setup.database, 300)
  const expiry = async () => setup.database.query('SELECT expire FROM session')
  const before = await expiry()
  t.equal((await device.renew(user)).status, 200)
  t.same(await expiry(), before)
})

test('a second sign-in ends the first session, and its browser forgets it', async (t) => {
  const { user, device } = await bound(t)
  const { answer } = await signIn(user, PUBLIC_URL, { person: 'carol' })
  t.same(await me(user), { status: 200, reason: undefined, deviceBound: false })
  const second = await Device.make()
  t.equal((await second.register(user, answer)).status, 200)
  t.equal((await device.refresh(user)).status, 401)
  t.equal((await second.renew(user)).status, 200)
  t.same(await me(user), SIGNED_IN)
})

test('a sign-out clears both cookies', async (t) => {
  const { user } = await bound(t)
  await user.post(`${PUBLIC_URL}/api/auth/logout`, {}, { redirect: 'manual' })
  t.equal(user.cookie(SESSION), undefined)
  t.equal(user.cookie(BOUND), undefined)
})

test('a change of the session by another request keeps its device, and a device keeps the change', async (t) => {
  const { setup, user, device, answer } = await signedIn(t)
  const { sessionStore } = setup.fastify.cashsoukAuth
  const id = /^s:([^.]+)/.exec(decodeURIComponent(user.cookie(SESSION)?.value ?? ''))?.[1] ?? ''
  const loaded = await sessionStore.promises.get(id)
  t.equal((await device.register(user, answer)).status, 200)
  await sessionStore.promises.set(id, { ...loaded, cookie: loaded?.cookie as object, basket: ['1'] })
  const again = await sessionStore.promises.get(id)
  const challenge = challengeOf(await device.refresh(user))
  if (again !== null) again.basket = ['1', '2']
  t.equal((await device.refresh(user, challenge)).status, 200)
  await sessionStore.promises.set(id, again ?? {})
  t.equal((await device.refresh(user, challenge)).status, 403, 'a spent challenge stays spent')
  t.match((await rows(setup))[0]?.sess, { basket: ['1', '2'], deviceBinding: { key: device.jwk } })
  t.same(await me(user), SIGNED_IN)
})

test('a session cookie without its device is counted, and its user is told', async (t) => {
  const party = await bound(t)
  const { user, device, setup } = party
  const other = thief(party)
  const skipped = { 'secure-session-skipped': `unreachable;session_identifier="${device.identifier}"` }
  t.equal((await other.get(ME, { headers: skipped })).status, 401)
  t.same(outcomes(party), ['registered', 'missing'])
  const unknown = { 'secure-session-skipped': 'unreachable;session_identifier="x"' }
  t.equal((await other.get(ME, { headers: unknown })).status, 401)
  t.equal((await other.get(`${PUBLIC_URL}/api/auth/verify`)).status, 401)
  t.same(outcomes(party), ['registered', 'missing', 'copied', 'copied'])
  const sessions = async () => JSON.parse((await user.get(`${PUBLIC_URL}/api/auth/sessions`)).text) as
    { deviceBound: boolean, withoutDeviceAt: string | null }[]
  while ((await sessions())[0]?.withoutDeviceAt === null) await new Promise((resolve) => setTimeout(resolve, 20))
  t.match(await sessions(), [{ deviceBound: true, withoutDeviceAt: /^20/ }])
  const page = await user.get(`${PUBLIC_URL}/api/auth/account`)
  t.match(page.text, 'Bound to its device')
  t.match(page.text, 'Used without its device')
  const malay = await user.get(`${PUBLIC_URL}/api/auth/account`, { headers: { 'accept-language': 'ms' } })
  t.match(malay.text, 'Digunakan tanpa perantinya')
  t.equal((await device.renew(user)).status, 200, 'the browser goes on')
  t.equal((await rows(setup)).length, 1)
})

test('verify says whether the session is bound, in every answer', async (t) => {
  const { user, device, answer } = await signedIn(t)
  const header = async () => (await user.get(`${PUBLIC_URL}/api/auth/verify`)).headers.get('x-auth-device-bound')
  t.equal(await header(), 'false')
  await device.register(user, answer)
  t.equal(await header(), 'true')
  user.clearCookies()
  t.equal(await header(), '')
})

test('a navigation without the device gets a page that loads itself once', async (t) => {
  const party = await bound(t)
  const other = thief(party)
  const headers = { accept: 'text/html' }
  for (const path of ['/', '/api/auth/account']) {
    const page = await other.get(PUBLIC_URL + path, { headers })
    t.equal(page.url, `${PUBLIC_URL}/api/auth/device?returnTo=${encodeURIComponent(path)}`)
    const [, next = ''] = /http-equiv="refresh" content="1;url=([^"]+)"/.exec(page.text) ?? []
    const reload = PUBLIC_URL + next.replaceAll(/&#(\d+);/g, (_all, code) => String.fromCharCode(Number(code)))
    const again = await other.get(reload, { headers })
    t.notMatch(again.text, 'http-equiv="refresh"', 'once')
    t.match(again.text, 'Your browser could not be confirmed')
    t.match(again.text, 'Sign in again')
    const own = await party.user.get(reload, { headers, redirect: 'manual' })
    t.equal(own.location, PUBLIC_URL + path, 'with the device it leads on')
  }
  t.equal((await newBrowser(party.setup).get(`${PUBLIC_URL}/api/auth/device?returnTo=https://evil.example/`, {
    redirect: 'manual'
  })).location, `${PUBLIC_URL}/api/auth/login?returnTo=%2F`)
})

const REQUIRED = { PUBLIC_URL, DEVICE_BOUND_SESSIONS: 'required:ADMIN' }

test('a role that requires a device has no session before it is bound', async (t) => {
  const { user, device, answer } = await signedIn(t, REQUIRED)
  t.equal(answer.location, `${PUBLIC_URL}/api/auth/device?returnTo=%2F`)
  t.same(await me(user), REFUSED)
  t.equal((await user.get(`${PUBLIC_URL}/api/auth/verify`)).status, 401)
  const headers = { accept: 'text/html' }
  const waiting = await user.get(answer.location ?? '', { headers, redirect: 'manual' })
  t.match(waiting.text, 'http-equiv="refresh"')
  await device.register(user, answer)
  t.equal((await user.get(answer.location ?? '', { headers, redirect: 'manual' })).location, `${PUBLIC_URL}/`)
  t.same(await me(user), SIGNED_IN)
})

test('a role that requires a device is told which browser to use 30 s after the sign-in', async (t) => {
  const { setup, user, answer, device } = await signedIn(t, REQUIRED)
  await sinceSignIn(setup, 31)
  const page = await user.get(answer.location ?? '', { headers: { accept: 'text/html' } })
  t.match(page.text, 'Please use another browser')
  t.match(page.text, 'Google Chrome')
  t.notMatch(page.text, 'http-equiv="refresh"')
  t.equal((await device.register(user, answer)).status, 400, 'it is too late')
  t.same(await me(user), REFUSED)
})

test('a role that requires no device is signed in without one', async (t) => {
  const setup = await sharedServer(REQUIRED)
  const user = newBrowser(setup)
  const { answer } = await signIn(user, PUBLIC_URL, { person: 'alice' })
  t.equal(answer.location, `${PUBLIC_URL}/`)
  t.same(await me(user), { status: 200, reason: undefined, deviceBound: false })
})

test('without the database both routes answer 503, and everything goes on afterwards', async (t) => {
  const postgres = await stoppablePostgres(t)
  const setup = await server(t, { ...ON, DATABASE_URL: postgres.url })
  const party = await bound(t, ON, setup)
  const pending = await signedIn(t, ON, setup)
  const challenge = challengeOf(await party.device.refresh(party.user))
  await postgres.stop()
  const began = performance.now()
  t.equal((await party.device.refresh(party.user)).status, 503)
  t.equal((await party.device.refresh(party.user, challenge)).status, 503)
  t.equal((await pending.device.register(pending.user, pending.answer)).status, 503)
  t.ok(performance.now() - began < 20_000, 'in bounded time')
  await postgres.start()
  t.equal((await party.device.renew(party.user)).status, 200)
  t.equal((await pending.device.register(pending.user, pending.answer)).status, 200)
  t.same(await me(party.user), SIGNED_IN)
})

test('device routes have no rate limit', async (t) => {
  const { user, device } = await bound(t, { ...ON, LOGIN_RATE_LIMIT: '5' })
  for (let i = 0; i < 50; i++) t.equal((await device.refresh(user)).status, 403)
})

test('with DEVICE_BOUND_SESSIONS=off there is nothing of it', async (t) => {
  const { user, answer } = await signedIn(t, { PUBLIC_URL, DEVICE_BOUND_SESSIONS: 'off' })
  t.equal(offerOf(answer), undefined)
  t.equal(user.cookie(BOUND), undefined)
  t.equal((await user.get(`${PUBLIC_URL}/api/auth/verify`)).headers.get('x-auth-device-bound'), '')
  t.notMatch((await user.get(ME)).text, 'deviceBound')
  for (const url of [REGISTER, REFRESH]) t.equal((await user.send('POST', url)).status, 404)
  t.equal((await user.get(`${PUBLIC_URL}/api/auth/device`)).status, 404)
})

test('the audit trail has what happened with devices, and only counts what browsers do by themselves', async (t) => {
  const party = await bound(t, undefined, await server(t, { ...ON, AUDIT: 'true' }))
  const { setup, user, device, answer } = party
  const [{ id = '' } = {}] = JSON.parse((await user.get(`${PUBLIC_URL}/api/auth/sessions`)).text) as { id: string }[]
  for (let i = 0; i < 3; i++) t.equal((await device.renew(user)).status, 200)
  t.equal((await device.register(user, answer)).status, 400, 'the ticket is spent')
  t.equal((await thief(party).get(ME)).status, 401)
  await setup.fastify.close()

  const events = await setup.database.query(
    'SELECT sub, session, reason, ip, count FROM auth_event WHERE type = \'device\' ORDER BY reason'
  )
  const known = { sub: '33333333-3333-4333-8333-333333333333', session: id, ip: '127.0.0.1', count: 1 }
  t.same(events, [
    { ...known, reason: 'copied' },
    { sub: null, session: null, reason: 'refreshed', ip: null, count: 3 },
    { sub: null, session: null, reason: 'refused', ip: '127.0.0.1', count: 1 },
    { ...known, reason: 'registered' }
  ])
})

test('proofs that do not hold keep no copied cookie out of the audit trail', async (t) => {
  const party = await bound(t, undefined, await server(t, { ...ON, AUDIT: 'true' }))
  const other = thief(party)
  for (let i = 0; i < 40; i++) await sendProof(other, REGISTER, { 'secure-session-response': 'junk' })
  t.equal((await other.get(ME)).status, 401)
  await party.setup.fastify.close()
  const copied = await party.setup.database.query(
    'SELECT sub, session FROM auth_event WHERE type = \'device\' AND reason = \'copied\''
  )
  t.match(copied, [{ sub: '33333333-3333-4333-8333-333333333333', session: /^[\w-]{22}$/ }])
})

test('the page of a missing device signs in again for the role of the session', async (t) => {
  const env = { PUBLIC_URL, DEVICE_BOUND_SESSIONS: 'required:ADMIN' }
  const setup = await sharedServer(env)
  const user = newBrowser(setup)
  const { answer } = await signIn(user, PUBLIC_URL, { person: 'carol', role: 'ADMIN' })
  await (await Device.make()).register(user, answer)
  const page = await thief({ setup, user, answer, device: await Device.make(), events: [] })
    .get(`${PUBLIC_URL}/api/auth/device?returnTo=/deep&again=1`)
  t.same(retried(page), { role: 'ADMIN', returnTo: '/deep' })
})
