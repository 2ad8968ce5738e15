import { test } from 'tap'
import { browser, signIn } from '../../../support/browser.js'
import { pass } from '../../../support/pass.js'
import { rows, server, sharedServer } from '../../../support/server.js'

const revocations = ({ cognito }: Awaited<ReturnType<typeof server>>) =>
  cognito.requests.filter(({ path }) => path === '/oauth2/revoke')

test('POST /api/auth/logout ends the session here and at Cognito', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)

  const answer = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

  t.equal(answer.status, 303)
  const { origin, pathname, searchParams } = new URL(answer.location ?? '')
  t.equal(origin + pathname, `${setup.env.COGNITO_DOMAIN}/logout`)
  t.same(Object.fromEntries(searchParams), { client_id: setup.env.COGNITO_CLIENT_ID, logout_uri: `${setup.url}/` })
  t.same(await rows(setup), [])
  t.equal(user.cookie('cashsouk.sid'), undefined)
  t.equal(revocations(setup).length, 1)
  t.equal((await browser().get(`${setup.url}/api/auth/me`, { headers: { cookie } })).status, 401)
})

test('POST /api/auth/logout ends on LOGOUT_URL through Cognito', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)

  const page = await user.post(`${url}/api/auth/logout`)

  t.match({ url: page.url, status: page.status }, { url: `${url}/`, status: 200 })
  t.match(page.text, /Sign in as Investor/)
})

test('POST /api/auth/logout returns the logout URL to a script', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)

  const answer = await user.post(
    `${setup.url}/api/auth/logout`,
    {},
    { redirect: 'manual', headers: { accept: 'application/json' } }
  )

  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), { logoutUrl: /\/logout\?client_id=.*&logout_uri=/ })
})

for (const fault of ['hang', 500, 'reset', 'html'] as const) {
  test(`POST /api/auth/logout succeeds when the revocation fails (${fault})`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)
    setup.cognito.fault({ revoke: fault })

    const answer = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

    t.equal(answer.status, 303)
    t.same(await rows(setup), [])
  })
}

test('POST /api/auth/logout succeeds while Cognito is down', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  await setup.cognito.stop()

  t.equal((await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
  t.same(await rows(setup), [])
})

test('POST /api/auth/logout succeeds without a session', async (t) => {
  const { url } = await sharedServer()
  t.equal((await browser().post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
})

for (const [name, headers] of [
  ['from a foreign origin', { origin: 'https://evil.example' }],
  ['from a look-alike origin', { origin: 'http://localhost.evil.example' }],
  ['from an opaque origin', { origin: 'null' }],
  [
    'from a sibling that is not in RETURN_ORIGINS',
    { 'sec-fetch-site': 'same-site', 'origin': 'https://other.example.com' }
  ]
] as const) {
  test(`POST /api/auth/logout ${name} answers 403`, async (t) => {
    const { url } = await sharedServer()
    const user = browser()
    await signIn(user, url)

    const answer = await user.post(
      `${url}/api/auth/logout`,
      {},
      { redirect: 'manual', headers: { accept: 'application/json', ...headers } }
    )

    t.match(JSON.parse(answer.text), { statusCode: 403, code: 'ERR_FOREIGN_ORIGIN' })
    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  })
}

test('POST /api/auth/logout from one of RETURN_ORIGINS succeeds', async (t) => {
  const { url } = await server(t, { RETURN_ORIGINS: 'https://investor.example.com' })
  const user = browser()
  await signIn(user, url)

  const answer = await user.post(
    `${url}/api/auth/logout`,
    {},
    { redirect: 'manual', headers: { 'origin': 'https://investor.example.com', 'sec-fetch-site': 'same-site' } }
  )

  t.equal(answer.status, 303)
  t.equal(answer.headers.get('access-control-allow-origin'), 'https://investor.example.com')
  t.equal(answer.headers.get('access-control-allow-credentials'), 'true')
})

test('POST /api/auth/logout accepts any body up to 4 KiB', async (t) => {
  const { url } = await sharedServer()
  const post = async (body: string, type: string) => (await fetch(
    `${url}/api/auth/logout`,
    { method: 'POST', redirect: 'manual', body, headers: { 'content-type': type } }
  )).status

  t.equal(await post('a=b', 'application/x-www-form-urlencoded'), 303)
  t.equal(await post('{"broken', 'application/json'), 303)
  t.equal(await post('x', 'text/plain'), 303)
  t.equal(await post('x'.repeat(5000), 'text/plain'), 413)
})

test('GET and HEAD /api/auth/logout end no session', async (t) => {
  const { url, database } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  for (const method of ['GET', 'HEAD']) {
    const answer = await user.send(method, `${url}/api/auth/logout`)
    t.equal(answer.status, 200, method)
    t.same(answer.headers.getSetCookie(), [])
  }
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  t.equal((await database.query('SELECT FROM session')).length, 1)
})

test('GET /api/auth/logout is a page whose button signs out', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  t.match((await user.get(`${url}/api/auth/logout`)).text, /You are not signed in here/)
  await signIn(user, url)

  const page = await user.get(`${url}/api/auth/logout`)
  const after = await user.submit(page, 'Sign out')

  t.match(page.text, /You are signed in as Alice Sample\./)
  t.equal(after.url, `${url}/`)
  t.match(after.text, /You have been signed out/)
  t.equal((await user.get(`${url}/api/auth/me`)).status, 401)
})

const LOGOUT_URLS = ['https://investor.example.com/bye?from=auth', 'https://issuer.example.com/']
const logoutUriOf = (location: string | undefined) => new URL(location ?? '').searchParams.get('logout_uri')

test('POST /api/auth/logout leads to the returnTo that is one of LOGOUT_URLS', async (t) => {
  const { url } = await sharedServer({ LOGOUT_URLS: LOGOUT_URLS.join(',') })
  const user = browser()
  const post = async (returnTo: string, headers = {}) => {
    await signIn(user, url)
    const query = new URLSearchParams({ returnTo }).toString()
    return user.post(`${url}/api/auth/logout?${query}`, {}, { redirect: 'manual', headers })
  }

  for (const returnTo of LOGOUT_URLS) {
    const answer = await post(returnTo)
    t.equal(answer.status, 303)
    t.equal(logoutUriOf(answer.location), returnTo)
    const script = await post(returnTo, { accept: 'application/json' })
    t.equal(logoutUriOf((JSON.parse(script.text) as { logoutUrl: string }).logoutUrl), returnTo)
  }
  t.equal(logoutUriOf((await post('')).location), `${url}/`, 'LOGOUT_URL if it is empty')
})

test('POST /api/auth/logout accepts LOGOUT_URL as returnTo by default', async (t) => {
  const { url } = await sharedServer()
  const query = new URLSearchParams({ returnTo: `${url}/` }).toString()
  const answer = await browser().post(`${url}/api/auth/logout?${query}`, {}, { redirect: 'manual' })
  t.equal(logoutUriOf(answer.location), `${url}/`)
})

for (const returnTo of [
  'https://evil.example/', 'https://issuer.example.com', 'https://issuer.example.com/?', 'https://ISSUER.example.com/',
  'https://issuer.example.com/x', 'https://issuer.example.com/,https://evil.example/', '/', '//evil.example', '\\evil'
]) {
  test(`/api/auth/logout refuses the returnTo ${returnTo} and ends no session`, async (t) => {
    const { url } = await sharedServer({ LOGOUT_URLS: LOGOUT_URLS.join(',') })
    const user = browser()
    await signIn(user, url)
    const there = `${url}/api/auth/logout?${new URLSearchParams({ returnTo }).toString()}`

    const answers = [
      await user.post(there, {}, { redirect: 'manual', headers: { accept: 'application/json' } }),
      await user.get(there, { redirect: 'manual', headers: { accept: 'application/json' } })
    ]

    for (const { text } of answers) t.match(JSON.parse(text), { statusCode: 400, code: 'ERR_LOGOUT_URL' })
    t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
    const page = await user.post(there, {}, { redirect: 'manual' })
    t.equal(page.status, 400)
    t.equal((await user.submit(page, 'Sign out', { redirect: 'manual' })).status, 303, 'its page signs out')
    t.equal((await user.get(`${url}/api/auth/me`)).status, 401)
  })
}

test('A sign-out from a page without a referrer is asked for again on a page of this server', async (t) => {
  const { url } = await sharedServer({ LOGOUT_URLS: LOGOUT_URLS.join(',') })
  const user = browser()
  await signIn(user, url)
  const query = new URLSearchParams({ returnTo: LOGOUT_URLS[0] ?? '' }).toString()
  const opaque = { 'origin': 'null', 'sec-fetch-site': 'same-site' }

  const page = await user.post(`${url}/api/auth/logout?${query}`, {}, { redirect: 'manual', headers: opaque })
  const own = { 'origin': 'null', 'sec-fetch-site': 'same-origin' }
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200, 'not without the click')
  const after = await user.submit(page, 'Sign out', { redirect: 'manual', headers: own })

  t.equal(page.status, 403)
  t.match(page.text, /ERR_FOREIGN_ORIGIN/)
  t.notMatch(page.text, /Sign in again/)
  t.equal(after.status, 303)
  t.equal(logoutUriOf(after.location), LOGOUT_URLS[0])
  t.equal((await user.get(`${url}/api/auth/me`)).status, 401)
})

const otherSite = 'https://portal.example.net'

for (const [what, headers] of [
  ['', { 'sec-fetch-site': 'cross-site' }], [', by an old browser,', {}]
] as const) {
  test(`A sign-out from another site${what} whose cookie was withheld is no success`, async (t) => {
    const { url, database } = await sharedServer({ RETURN_ORIGINS: otherSite })
    const user = browser()
    await signIn(user, url)
    const post = (accept: string) => user.post(
      `${url}/api/auth/logout`, {}, { redirect: 'manual', from: otherSite, headers: { accept, ...headers } }
    )

    const script = await post('application/json')
    const page = await post('text/html')

    t.match(JSON.parse(script.text), { statusCode: 403, code: 'ERR_FOREIGN_ORIGIN' })
    t.equal(script.headers.get('access-control-allow-origin'), otherSite)
    t.equal(page.status, 403)
    t.same([...script.headers.getSetCookie(), ...page.headers.getSetCookie()], [])
    t.equal((await database.query('SELECT FROM session')).length, 1)
    t.equal((await user.submit(page, 'Sign out', { redirect: 'manual' })).status, 303)
    t.same(await rows({ database }), [])
  })
}

test('A sign-out from another host of the same site succeeds without a session', async (t) => {
  const { url } = await sharedServer({ RETURN_ORIGINS: otherSite })
  const headers = { 'origin': otherSite, 'sec-fetch-site': 'same-site' }
  t.equal((await browser().post(`${url}/api/auth/logout`, {}, { redirect: 'manual', headers })).status, 303)
})

const markersOf = ({ headers }: { headers: Headers }) =>
  headers.getSetCookie().filter((line) => line.includes('.signed-out='))

test('A sign-out sets a cookie that makes browsers drop the pages of the session', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  const values = new Set<string | undefined>()
  for (const accept of ['text/html', 'application/json']) {
    await signIn(user, url)
    const answer = await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual', headers: { accept } })
    t.match(markersOf(answer), [
      /^cashsouk\.sid\.signed-out=[0-9a-z]+; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax$/
    ])
    values.add(user.cookie('cashsouk.sid.signed-out')?.value)
  }
  t.equal(values.size, 2, 'another value each time, so that every sign-out changes the cookie')
})

test('The cookie of a sign-out reaches the hosts that the session cookie reaches', async (t) => {
  const { url, env } = await server(t, {
    PUBLIC_URL: 'https://auth.example.com', COOKIE_NAME: '__Secure-sid', COOKIE_DOMAIN: 'example.com'
  })
  const user = browser({ via: { [url]: Number(env.PORT) } })
  await signIn(user, url)
  const answer = await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })
  t.match(markersOf(answer), [
    /^sid\.signed-out=[0-9a-z]+; Max-Age=60; Domain=example\.com; Path=\/; HttpOnly; Secure; SameSite=Lax$/
  ])
})

test('A sign-out that failed sets no cookie', async (t) => {
  const { url, database } = await server(t)
  const user = browser()
  await signIn(user, url)
  await database.query('ALTER TABLE session RENAME COLUMN sess TO other')
  const answer = await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })
  t.equal(answer.status, 503)
  t.same(answer.headers.getSetCookie(), [])
})

test('A request in progress does not restore an ended session', async (t) => {
  const setup = await server(t, { SESSION_TOUCH_INTERVAL: '1' })
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  await pass(setup.database, 2)

  const others = Array.from({ length: 30 }, () => browser().get(`${setup.url}/api/auth/me`, { headers: { cookie } }))
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  await Promise.all(others)

  t.same(await rows(setup), [])
})
