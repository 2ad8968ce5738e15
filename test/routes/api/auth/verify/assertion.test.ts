import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import { test } from 'tap'
import { freePort } from '../../../../../local/free-port.js'
import { browser, signIn, type Browser } from '../../../../support/browser.js'
import { movableClock } from '../../../../support/clock.js'
import { database } from '../../../../support/database.js'
import { instance, server, sharedServer } from '../../../../support/server.js'

const VERIFY = '/api/auth/verify'
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const answerOf = async (user: Browser, url: string, query = '', via?: number) =>
  user.get(`${url}${VERIFY}${query}`, via === undefined ? {} : { via })

const assertionOf = async (...args: Parameters<typeof answerOf>): Promise<string> =>
  (await answerOf(...args)).headers.get('x-auth-assertion') ?? ''

test('x-auth-assertion says the same as the other headers, and verifies', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url, { role: 'ISSUER' })

  const { headers } = await answerOf(user, url)

  const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`))
  const { payload } = await jwtVerify(headers.get('x-auth-assertion') ?? '', keys, { issuer: url, audience: url })
  t.match(payload, {
    sub: headers.get('x-auth-user') ?? '',
    email: headers.get('x-auth-email') ?? '',
    role: 'ISSUER',
    roles: (headers.get('x-auth-roles') ?? '').split(','),
    sid: headers.get('x-auth-session') ?? ''
  })
  const { iat = 0, exp = 0, auth_time: authTime } = payload
  t.equal(exp - iat, 60)
  t.ok(Math.abs(iat - Date.now() / 1000) < 5)
  t.ok(Math.abs(Number(authTime) - Date.now() / 1000) < 60)
})

test('A refusal has an empty x-auth-assertion', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  t.equal((await answerOf(user, url)).headers.get('x-auth-assertion'), '')
  await signIn(user, url)
  const { status, headers } = await answerOf(user, url, '?role=ADMIN')
  t.same([status, headers.get('x-auth-assertion')], [403, ''])
})

test('verify?audience= names the upstream that the assertion is for', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  const audience = 'https://investor.example.com'

  t.equal(decodeJwt(await assertionOf(user, url, `?audience=${audience}`)).aud, audience)
  t.equal(decodeJwt(await assertionOf(user, url)).aud, url)
  for (const query of ['?audience=', '?audience=a%20b', `?audience=${'x'.repeat(257)}`, '?audience=a&audience=b']) {
    t.equal((await answerOf(user, url, query)).status, 403, query)
  }
})

test('The assertion is handed out again, and not after the session was changed', async (t) => {
  const { url, database: db } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  const first = await assertionOf(user, url)
  t.equal(await assertionOf(user, url), first)

  await db.query(`UPDATE session SET sess = jsonb_set(sess::jsonb, '{roles}', '["ADMIN"]')::json
    WHERE sess -> 'user' IS NOT NULL`)

  const second = await assertionOf(user, url)
  t.same(decodeJwt(second).roles, ['ADMIN'])
  t.equal(await assertionOf(user, url), second)
})

test('After a sign-out there is no assertion', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  await assertionOf(user, url)
  const cookie = user.cookieHeader(url)
  await user.post(`${url}/api/auth/logout`)
  const { status, headers } = await browser().get(`${url}${VERIFY}`, { headers: { cookie } })
  t.same([status, headers.get('x-auth-assertion')], [401, ''])
})

test('In eight days, upstreams of two instances notice no rotation', async (t) => {
  const db = await database(t)
  const clock = await movableClock(t, db)
  const lifetimes = { SESSION_TTL: '315360000', SESSION_ABSOLUTE_TTL: '315360000' }
  const { url, env } = await server(t, { DATABASE_URL: clock.url, ...lifetimes })
  const port = await freePort()
  await instance(t, { ...env, PORT: String(port) })
  const user = browser()
  await signIn(user, url)
  const origins = [url, `http://localhost:${port}`]
  const eager = origins.map((origin) => createRemoteJWKSet(new URL(`${origin}/.well-known/jwks.json`)))
  /** Reads the keys twice a day, and for no other reason. */
  let lazy: { keys: ReturnType<typeof createLocalJWKSet>, readMs: number } | undefined
  const kids = new Set<string>()
  let checked = 0

  const steps = [
    ...Array<number>(51).fill(3 * HOUR + 5 * MINUTE), // nearly the whole week
    ...Array<number>(40).fill(17 * MINUTE),
    ...Array<number>(4).fill(6 * HOUR)
  ]
  for (const [index, step] of steps.entries()) {
    await clock.pass(step)
    if (lazy === undefined || Date.now() - lazy.readMs > 12 * HOUR) {
      const answer = await fetch(`${origins[index % 2]}/.well-known/jwks.json`)
      lazy = { keys: createLocalJWKSet(await answer.json() as JSONWebKeySet), readMs: Date.now() }
    }
    for (const via of [undefined, port]) {
      const assertion = await assertionOf(user, url, '', via)
      for (const keys of [...eager, lazy.keys]) {
        const currentDate = new Date(Date.now())
        const { protectedHeader } = await jwtVerify(assertion, keys, { issuer: url, audience: url, currentDate })
        kids.add(protectedHeader.kid ?? '')
        checked++
      }
    }
  }

  t.equal(checked, steps.length * 6)
  t.equal(kids.size, 2)
  t.ok(steps.reduce((sum, step) => sum + step) > 8 * DAY)
})
