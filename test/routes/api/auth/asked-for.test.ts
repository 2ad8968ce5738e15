import { test } from 'tap'
import { browser, reachCallback, signIn } from '../../../support/browser.js'
import { embedded } from '../../../support/embedded.js'
import { linked, retried } from '../../../support/error-page.js'
import { linesOf } from '../../../support/log-lines.js'
import { seconds } from '../../../support/misbehaving-provider.js'
import { relyingParty } from '../../../support/relying-party.js'
import { rows, server, sharedServer } from '../../../support/server.js'
import { makeTable } from '../../../support/tables.js'

const manual = { redirect: 'manual' } as const

for (const value of ['300', '000300', ' 300', '3e2', '300.0']) {
  test(`max_age="${value}" is not lost by 429, as a login takes it`, async (t) => {
    const { url } = await server(t, { LOGIN_RATE_LIMIT: '1' })
    const login = `${url}/api/auth/login?max_age=${encodeURIComponent(value)}`
    t.equal((await browser().get(login, manual)).status, 302)
    const second = await browser().get(login, manual)
    t.equal(second.status, 429)
    t.equal(retried(second).max_age, '300')
  })
}

for (const count of [128, 129, 256]) {
  test(`A login_hint of ${count} emoji reaches the provider`, async (t) => {
    const { url } = await sharedServer()
    const hint = '\u{1F600}'.repeat(count)
    const answer = await browser().get(`${url}/api/auth/login?login_hint=${encodeURIComponent(hint)}`, manual)
    t.equal(answer.status, 302)
    t.ok(new URL(answer.location ?? '').searchParams.get('login_hint') === hint)
  })
}

test('A login_hint of 257 emoji is refused', async (t) => {
  const { url } = await sharedServer()
  const hint = encodeURIComponent('\u{1F600}'.repeat(257))
  t.equal((await browser().get(`${url}/api/auth/login?login_hint=${hint}`, manual)).status, 400)
})

for (const name of ['login_hint', 'identity_provider', 'lang', 'prompt']) {
  test(`A ${name} with a control character is refused, also where sess is jsonb`, async (t) => {
    const { url, database } = await server(t)
    await database.query('DROP TABLE session')
    await makeTable((sql) => database.query(sql), 'jsonb')
    for (const control of ['%00', '%1f', '%7f', '%0a']) {
      t.equal((await browser().get(`${url}/api/auth/login?${name}=a${control}b`, manual)).status, 400, control)
    }
  })
}

test('A browser that sends the cookie of a sign-out is not told that it blocks cookies', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, url, { query: { retry: '1' } })
  await user.post(`${url}/api/auth/logout`, {}, manual)
  t.match(user.cookieHeader(callbackUrl), /signed-out/)
  const page = await user.get(callbackUrl, manual) // the back button
  t.equal(page.status, 400)
  t.notMatch(page.text, /Cookies seem to be switched off/)
})

for (const mode of ['no-cors', 'cors'] as const) {
  test(`A ${mode} request for a callback without state starts no login, and spends no guard`, async (t) => {
    const { url } = await sharedServer()
    const user = browser()
    const callback = (mode: string) =>
      user.get(`${url}/api/auth/callback?code=x`, { ...manual, headers: { 'sec-fetch-mode': mode } })
    t.equal((await callback(mode)).status, 400)
    t.equal((await callback('navigate')).status, 302)
  })
}

test('An empty canonical= does not keep a login at another host', async (t) => {
  const { url } = await sharedServer()
  const other = url.replace('localhost', '127.0.0.1')
  const { status, location } = await browser().get(`${other}/api/auth/login?canonical=&lang=ms`, manual)
  t.equal(status, 302)
  t.equal(location, `${url}/api/auth/login?lang=ms&canonical=1`)
})

const portal = 'https://investor.example.com'
const back = />Back to the portal</

for (const [what, role] of [['no role', {}], ['an empty role', { role: '' }]] as const) {
  test(`429 of a login with ${what} leads back to the portal`, async (t) => {
    const { url } = await server(t, { RETURN_ORIGINS: portal, LOGIN_RATE_LIMIT: '1' })
    await browser().get(`${url}/api/auth/login`, manual)
    const query = new URLSearchParams({ ...role, returnTo: `${portal}/x` }).toString()
    const page = await browser().get(`${url}/api/auth/login?${query}`, manual)
    t.equal(page.status, 429)
    t.equal(retried(page).returnTo, `${portal}/x`)
    t.match(page.text, back)
  })
}

for (const [what, asked] of [
  ['an unknown role', 'role=SUPERUSER'],
  ['a role that is given twice', 'role=ISSUER&role=ISSUER'],
  ['a role that is too long', `role=${'R'.repeat(65)}`],
  ['a hint that is too long', `login_hint=${'x'.repeat(257)}`]
] as const) {
  test(`The page of a login with ${what} leads back to the portal`, async (t) => {
    const { url } = await sharedServer({ RETURN_ORIGINS: portal })
    const returnTo = encodeURIComponent(`${portal}/x`)
    const page = await browser().get(`${url}/api/auth/login?${asked}&returnTo=${returnTo}`, manual)
    t.equal(page.status, 400)
    t.equal(retried(page).returnTo, `${portal}/x`)
    t.match(page.text, back)
  })
}

test('A login that cannot be stored leads back to the portal, also with an empty role', async (t) => {
  const { url, database } = await server(t, { RETURN_ORIGINS: portal })
  await database.query('ALTER TABLE session ADD CHECK (false) NOT VALID')
  const returnTo = encodeURIComponent(`${portal}/x`)
  const page = await browser().get(`${url}/api/auth/login?role=&returnTo=${returnTo}`, manual)
  t.equal(page.status, 503)
  t.match(page.text, back)
})

test('screen_hint=signup is kept by 429, and by a login whose row is gone', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '1' })
  const way = { query: { screen_hint: 'signup', lang: 'ms' } }
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, way)
  await setup.database.query('DELETE FROM session')

  const lost = await user.get(callbackUrl, manual)
  const tooMany = await user.get(`${setup.url}/api/auth/login?screen_hint=signup&lang=ms`, manual)

  t.equal(lost.status, 400)
  t.same(retried(lost), { role: 'INVESTOR', returnTo: '/', ...way.query })
  t.equal(tooMany.status, 429)
  t.same(retried(tooMany), way.query)
})

test('A screen_hint that Cognito has no page for has no effect', async (t) => {
  const setup = await sharedServer()
  const { location = '' } = await browser().get(`${setup.url}/api/auth/login?screen_hint=sign-up`, manual)
  t.equal(new URL(location).pathname, '/oauth2/authorize')
  t.notOk(new URL(location).searchParams.has('screen_hint'))
  t.notMatch(JSON.stringify(await rows(setup)), /screen_hint/)
})

test('An account without the role is offered those that it has, for the same return address', async (t) => {
  const { url } = await server(t, { ROLE_LABELS: 'ISSUER=Penerbit', OPEN_ROLES: 'ISSUER', RETURN_ORIGINS: portal })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, url, { returnTo: `${portal}/x`, query: { lang: 'ms' } })
  const page = await user.get(callbackUrl, manual)
  t.equal(page.status, 403)

  const { answer } = await signIn(user, url, { query: linked(page, 'Sign in as Penerbit') })

  t.equal(answer.location, `${portal}/x`)
  t.equal((JSON.parse((await user.get(`${url}/api/auth/me`)).text) as { role: string }).role, 'ISSUER')
})

for (const [returnTo, cause] of [
  ['https://evil.example/secret?q=hidden', 'https://evil.example is neither PUBLIC_URL nor in RETURN_ORIGINS'],
  ['//evil.example/', undefined],
  ['javascript:alert(1)', undefined]
] as const) {
  test(`The log says why returnTo=${returnTo} is refused`, async (t) => {
    const { url, log } = await sharedServer()
    const query = new URLSearchParams({ returnTo }).toString()
    t.equal((await browser().get(`${url}/api/auth/login?${query}`, manual)).status, 400)
    const [line] = linesOf(log, 'Request failed')
    t.match(line, { code: 'ERR_RETURN_TO' })
    t.equal(line?.cause, cause)
    // An application's own request log has the query.
    t.notMatch(JSON.stringify(line), 'hidden')
  })
}

for (const [what, headers, said] of [
  ['an origin', { origin: 'https://evil.example' }, 'https://evil.example'],
  ['a long origin', { origin: `https://${'e'.repeat(3000)}.example` }, `https://${'e'.repeat(192)}`],
  ['no origin', { 'sec-fetch-site': 'cross-site' }, 'a page that says Sec-Fetch-Site: cross-site']
] as const) {
  test(`The log says that a page with ${what} may not sign out`, async (t) => {
    const { url, log } = await sharedServer()
    const answer = await fetch(`${url}/api/auth/sessions`, { method: 'DELETE', headers })
    t.equal(answer.status, 403)
    const [line] = linesOf(log, 'Request failed')
    t.match(line, { code: 'ERR_FOREIGN_ORIGIN', cause: `${said} is neither PUBLIC_URL nor in RETURN_ORIGINS` })
  })
}

test('The log says that a client with a cookie did not say where it comes from', async (t) => {
  const { url, log } = await sharedServer()
  const answer = await fetch(`${url}/api/auth/sessions`, { method: 'DELETE', headers: { cookie: 'cashsouk.sid=x' } })
  t.equal(answer.status, 403)
  t.match(await answer.json(), { message: 'Origin not allowed, or not sent' })
  const [line] = linesOf(log, 'Request failed')
  t.match(line, {
    code: 'ERR_FOREIGN_ORIGIN', cause: 'a cookie came without Origin and without Sec-Fetch-Site'
  })
})

test('A user whom onLogin refuses can sign in with another account', async (t) => {
  const { url } = await embedded(t, {
    options: { onLogin: ({ user }) => user.name === 'Alice Sample' ? { refuse: 'No account.' } : undefined }
  })
  const user = browser()
  const { answer } = await signIn(user, url)
  t.equal(answer.status, 403)
  const silent = await user.get(`${url}/api/auth/login?${new URLSearchParams(retried(answer)).toString()}`)
  t.match(silent.text, /No account/, 'the provider signs in the same account')

  const end = await signIn(user, url, { person: 'carol', query: linked(answer, 'Use another account') })

  t.equal(end.answer.status, 303)
})

test('A user who has too many sessions can sign in with another account', async (t) => {
  const { url } = await server(t, { SESSION_LIMIT: '1', SESSION_LIMIT_ACTION: 'refuse' })
  await signIn(browser(), url)
  const second = browser()
  const { answer } = await signIn(second, url)
  t.match([answer.status, answer.text], [403, /ERR_SESSION_LIMIT/])
  const end = await signIn(second, url, { person: 'carol', query: linked(answer, 'Use another account') })
  t.equal(end.answer.status, 303)
})

test('A user whose provider ignores max_age can sign out', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn(user)
  party.provider.behaviour = { claims: (all) => ({ ...all, auth_time: seconds() - 3600 }) }
  const page = await user.get(`${party.url}/api/auth/login?max_age=300&returnTo=/x`)
  const signOut = /<form method="post" action="[^"]*logout[^"]*"><button class="secondary">Sign out</
  t.match([page.status, page.text], [401, signOut])
})
