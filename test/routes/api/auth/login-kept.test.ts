import { test } from 'tap'
import { browser, reachCallback, signIn, type Page } from '../../../support/browser.js'
import { button, restart, retried } from '../../../support/error-page.js'
import { json, type Behaviour } from '../../../support/misbehaving-provider.js'
import { pass } from '../../../support/pass.js'
import { relyingParty } from '../../../support/relying-party.js'
import { rows, server, sharedServer } from '../../../support/server.js'
import { stoppablePostgres } from '../../../support/stoppable-postgres.js'

const manual = { redirect: 'manual' } as const
const portal = 'https://investor.example.com'

/** Everything that a login can ask for. */
const asked = {
  role: 'ISSUER',
  returnTo: `${portal}/offers?page=2#top`,
  identity_provider: 'Google',
  login_hint: 'a+b@example.com',
  lang: 'ms',
  prompt: 'login',
  max_age: '300'
}
const way = { query: asked }
const query = new URLSearchParams(asked).toString()
const signedIn = async (setup: Parameters<typeof rows>[0]) => (await rows(setup)).filter(({ sess }) => 'user' in sess)

test('A login hands everything to the provider and keeps it in its row', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: portal })

  const { location = '' } = await browser().get(`${setup.url}/api/auth/login?${query}`, manual)

  const { role: _role, returnTo: _returnTo, ...handedOn } = asked
  const { searchParams } = new URL(location)
  t.match(Object.fromEntries(searchParams), handedOn)
  t.ok((searchParams.get('state') ?? '').length < 1024)
  const { max_age: _maxAge, ...hints } = handedOn
  t.match((await rows(setup))[0]?.sess, { requestedRole: 'ISSUER', returnTo: asked.returnTo, hints, maxAge: 300 })
})

for (const [what, change] of [
  ['is gone', 'DELETE FROM session'],
  ['was emptied, as by a restore', 'UPDATE session SET sess = \'{}\'']
] as const) {
  test(`A callback whose row ${what} proposes the same login`, async (t) => {
    const setup = await sharedServer({ RETURN_ORIGINS: portal })
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url, way)
    await setup.database.query(change)

    const page = await user.get(callbackUrl, manual)

    t.equal(page.status, 400)
    t.same(retried(page), asked)
    t.equal(restart(page), `${button(page)}&retry=1`)
  })
}

test('A callback without the login cookie proposes the same login and completes none', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: portal })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, way)

  const page = await browser().get(callbackUrl, manual)

  t.equal(page.status, 400)
  t.same(retried(page), asked)
  t.same(await signedIn(setup), [])
  t.same(page.headers.getSetCookie(), [])
  t.equal((await user.get(callbackUrl, manual)).status, 303, 'its own browser can still finish it')
})

test('A proposal ends signed in as the role and where the login wanted', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER', returnTo: `/${'offers/'.repeat(60)}` })
  user.clearCookies()
  await setup.database.query('DELETE FROM session')

  const { searchParams } = new URL(restart(await user.get(callbackUrl, manual)) ?? '')
  const { answer } = await signIn(user, setup.url, { query: Object.fromEntries(searchParams) })

  t.equal(answer.location, `${setup.url}/${'offers/'.repeat(60)}`)
  t.match((await signedIn(setup))[0]?.sess, { role: 'ISSUER' })
})

test('A state with a changed proposal proposes nothing', async (t) => {
  const setup = await sharedServer()
  const { callbackUrl } = await reachCallback(browser(), setup.url, { role: 'ISSUER' })
  const url = new URL(callbackUrl)
  const [random = '', payload = '', mac = ''] = (url.searchParams.get('state') ?? '').split('.')
  const forged = Buffer.from(JSON.stringify([9_999_999_999, 'ADMIN', '/evil'])).toString('base64url')

  for (const state of [
    `${random}.${forged}.${mac}`, `${random}.${payload}.${'A'.repeat(22)}`, `${random}.${payload}`,
    `retry.${random}.${payload}.${mac}`, `x${random}.${payload}.${mac}`, `${random}..${mac}`, `${random}.${payload}.`
  ]) {
    url.searchParams.set('state', state)
    const page = await browser().get(url.href, manual)
    t.equal(page.status, 400)
    t.same(retried(page), {}, state)
  }
})

test('A proposal is checked by the rules of the server that reads it', async (t) => {
  const setup = await server(t, { RETURN_ORIGINS: portal })
  const { callbackUrl } = await reachCallback(browser(), setup.url, way)
  const narrower = await server(t, { DATABASE_URL: setup.database.url })
  const without = await server(t, { DATABASE_URL: setup.database.url, ROLES: 'INVESTOR', OPEN_ROLES: 'INVESTOR' })

  const at = (url: string) => browser().get(callbackUrl.replace(setup.url, url), manual)

  t.same(retried(await at(narrower.url)), { ...asked, returnTo: '/' }, 'the origin is no longer allowed')
  t.same(retried(await at(without.url)), {}, 'the role no longer exists')
})

test('A proposal holds for a day, and with the secrets that still verify', async (t) => {
  const setup = await server(t, { RETURN_ORIGINS: portal })
  const { callbackUrl } = await reachCallback(browser(), setup.url, way)
  const rotated = await server(t, {
    RETURN_ORIGINS: portal, SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
  })
  const others = await server(t, { SESSION_SECRET: 'another secret of a test and of nothing else' })
  const at = (url: string) => browser().get(callbackUrl.replace(setup.url, url), manual)

  t.same(retried(await at(rotated.url)), asked)
  t.same(retried(await at(others.url)), {})

  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 86_000_000
  t.same(retried(await at(setup.url)), asked)
  Date.now = () => now() + 86_500_000
  t.same(retried(await at(setup.url)), {})
})

test('The page of 429 offers the same login', async (t) => {
  const setup = await server(t, { RETURN_ORIGINS: portal, LOGIN_RATE_LIMIT: '1' })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, way)

  const login = await user.get(`${setup.url}/api/auth/login?${query}`, manual)
  for (let i = 0; i < 5; i++) await user.get(`${setup.url}/api/auth/callback?state=x`, manual)
  const callback = await user.get(callbackUrl, manual)

  t.same([login.status, callback.status], [429, 429])
  t.same(retried(login), asked)
  t.same(retried(callback), asked)
})

test('The page of 503 offers the same login, also to a browser with a session', async (t) => {
  const postgres = await stoppablePostgres(t)
  const setup = await server(t, { DATABASE_URL: postgres.url, RETURN_ORIGINS: portal })
  const [guest, user] = [browser(), browser()]
  await signIn(user, setup.url)
  const urls = await Promise.all([guest, user].map(async (each) => reachCallback(each, setup.url, way)))
  await postgres.stop()

  for (const [index, each] of [guest, user].entries()) {
    const callback = await each.get(urls[index]?.callbackUrl ?? '', manual)
    const login = await each.get(`${setup.url}/api/auth/login?${query}`, manual)
    t.same([callback.status, login.status], [503, 503])
    t.same(retried(callback), asked)
    t.same(retried(login), asked)
    t.equal(restart(callback), undefined)
  }
})

for (const [what, changes, left] of [
  ['an unknown role', { role: 'SUPERUSER' }, ['role']],
  ['a foreign return address', { returnTo: 'https://evil.example/' }, ['returnTo']],
  ['a hint that is too long', { login_hint: 'x'.repeat(257) }, ['login_hint']],
  ['max_age=86401', { max_age: '86401' }, ['max_age']],
  ['max_age=-1', { max_age: '-1' }, ['max_age']],
  ['max_age=soon', { max_age: 'soon' }, ['max_age']]
] as [string, Partial<typeof asked>, (keyof typeof asked)[]][]) {
  test(`A login with ${what} is refused, and its page keeps the rest`, async (t) => {
    const setup = await sharedServer({ RETURN_ORIGINS: portal })

    const page = await browser().get(
      `${setup.url}/api/auth/login?${new URLSearchParams({ ...asked, ...changes }).toString()}`, manual
    )

    t.equal(page.status, 400)
    t.same(retried(page), Object.fromEntries(Object.entries(asked).filter(([name]) => !left.includes(name as 'role'))))
    t.same(await rows(setup), [])
  })
}

for (const [what, behaviour, status] of [
  ['Cognito answers wrongly', { respond: { token: json('not a token response') } }, 502],
  ['the ID token does not hold', { idToken: () => 'x' }, 401],
  ['Cognito refuses', { callback: (parameters) => { parameters.set('error', 'server_error') } }, 401]
] as [string, Behaviour, number][]) {
  test(`When ${what}, the page offers the same login`, async (t) => {
    const party = await relyingParty(t, { RETURN_ORIGINS: portal })
    party.provider.behaviour = behaviour
    const user = browser()
    const login = await user.get(`${party.url}/api/auth/login?${query}`, manual)
    const authorize = await user.get(login.location ?? '', manual)

    const page: Page = await user.get(authorize.location ?? '', manual)

    t.equal(page.status, status)
    t.same(retried(page), asked)
  })
}

test('A role that is not granted is offered again with everything', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: portal })
  const { answer } = await signIn(browser(), setup.url, { query: { ...asked, role: 'ADMIN' } })
  t.equal(answer.status, 403)
  t.same(retried(answer), { ...asked, role: 'ADMIN' })
})

test('The twenty-first login pushes one out, which is offered again', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: portal })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, way)
  await new Promise((resolve) => { setTimeout(resolve, 1100) }) // ids sort by the second
  for (let i = 0; i < 20; i++) await user.get(`${setup.url}/api/auth/login`, manual)

  t.same(retried(await user.get(callbackUrl, manual)), asked)
})

test('A login with the longest values still fits into 1,023 characters of state', async (t) => {
  const setup = await sharedServer()
  const long = { ...asked, returnTo: `/offers/${'x/'.repeat(900)}y?${'q'.repeat(200)}`, role: 'ISSUER', retry: '1' }
  for (const name of ['identity_provider', 'login_hint', 'lang'] as const) long[name] = 'é'.repeat(256)

  const user = browser()
  const { location = '' } = await user.get(
    `${setup.url}/api/auth/login?${new URLSearchParams(long).toString()}`, manual
  )
  const state = new URL(location).searchParams.get('state') ?? ''
  await pass(setup.database, 1000)
  const page = await user.get(`${setup.url}/api/auth/callback?code=x&state=${state}`, manual)

  t.ok(state.length < 1024, String(state.length))
  const { returnTo = '', ...others } = retried(page)
  t.same(others, { role: 'ISSUER', prompt: 'login', max_age: '300' })
  t.match(returnTo, /^\/offers\/(x\/)+$/)
  t.ok(returnTo.length > 400)
})
