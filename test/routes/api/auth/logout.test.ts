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
  t.match(page.text, /Sign in as INVESTOR/)
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

test('GET and HEAD /api/auth/logout answer 404', async (t) => {
  const { url } = await sharedServer()
  for (const method of ['GET', 'HEAD']) t.equal((await fetch(`${url}/api/auth/logout`, { method })).status, 404, method)
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
