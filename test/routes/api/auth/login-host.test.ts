import { test } from 'tap'
import { browser, signIn } from '../../../support/browser.js'
import { raw, request } from '../../../support/raw.js'
import { rows, server, sharedServer } from '../../../support/server.js'

const manual = { redirect: 'manual' } as const
const path = '/api/auth/login'
const query = 'role=ISSUER&returnTo=%2Foffers&login_hint=a%2Bb'

for (const host of ['127.0.0.1', '127.0.0.1:80', 'www.localhost', '[::1]', 'evil.example', 'localhost.', 'a b']) {
  test(`A login at ${host} is sent to PUBLIC_URL first, with its query`, async (t) => {
    const setup = await sharedServer()
    const user = browser()

    const first = await user.get(`${setup.url}${path}?${query}`, { ...manual, headers: { host } })

    t.match(first, { status: 302, location: `${setup.url}${path}?${query}&canonical=1` })
    t.same(first.headers.getSetCookie(), [])
    t.same(await rows(setup), [])
    const second = await user.get(first.location ?? '', { ...manual, headers: { host } })
    t.equal(second.status, 302)
    t.equal(new URL(second.location ?? '').pathname, '/oauth2/authorize', 'not sent on again: a proxy may rewrite Host')
    t.match((await rows(setup))[0]?.sess, { requestedRole: 'ISSUER', returnTo: '/offers' })
  })
}

test('A login begun at 127.0.0.1 ends signed in on localhost', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  const { location = '' } = await user.get(
    `${setup.url.replace('localhost', '127.0.0.1')}${path}?${query}`, manual
  )
  const { answer } = await signIn(user, setup.url, { query: Object.fromEntries(new URL(location).searchParams) })

  t.match(answer, { status: 303, location: `${setup.url}/offers` })
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

for (const host of ['localhost', 'LOCALHOST:1', 'localhost:443']) {
  test(`A login at ${host} starts at once`, async (t) => {
    const setup = await sharedServer()
    const answer = await browser().get(setup.url + path, { ...manual, headers: { host } })
    t.equal(new URL(answer.location ?? '').pathname, '/oauth2/authorize')
  })
}

test('A login without a Host header starts at once', async (t) => {
  const setup = await sharedServer()
  const { status, headers } = await raw(Number(setup.env.PORT), `GET ${path} HTTP/1.0\r\n\r\n`)
  t.equal(status, 302)
  t.match(headers.get('location'), /\/oauth2\/authorize/)
})

test('A fragment in the request target cannot hide that the login was sent on', async (t) => {
  const setup = await sharedServer()
  const { headers } = await raw(Number(setup.env.PORT), request('GET', `${path}?a=b#c`, { host: 'evil.example' }))
  t.equal(headers.get('location'), `${setup.url}${path}?a=b&canonical=1`)
})

test('Behind a trusted proxy, its X-Forwarded-Host and -Proto count', async (t) => {
  const origin = 'https://auth.example.com'
  const { env } = await server(t, { PUBLIC_URL: origin, TRUST_PROXY: '127.0.0.1' })
  const locationOf = async (headers: Record<string, string>) => {
    const answer = await browser().get(
      `${origin}${path}`, { ...manual, via: { port: Number(env.PORT), headers: { host: 'api:3000', ...headers } } }
    )
    return answer.location ?? ''
  }
  const there = { 'x-forwarded-host': 'auth.example.com' }

  t.match(await locationOf({ ...there, 'x-forwarded-proto': 'https' }), /\/oauth2\/authorize/)
  t.match(await locationOf(there), /\/oauth2\/authorize/, 'the proxy does not say the scheme')
  t.equal(await locationOf({ ...there, 'x-forwarded-proto': 'http' }), `${origin}${path}?canonical=1`)
  t.equal(await locationOf({ 'x-forwarded-host': 'www.example.com' }), `${origin}${path}?canonical=1`)
  t.equal(await locationOf({}), `${origin}${path}?canonical=1`, 'the proxy rewrites Host')
})

test('A stranger\'s X-Forwarded-Proto sends no login anywhere', async (t) => {
  const origin = 'https://auth.example.com'
  for (const [TRUST_PROXY, scheme] of [['', 'http'], ['', 'https'], ['10.0.0.0/8', 'https']] as const) {
    const { env } = await server(t, { PUBLIC_URL: origin, TRUST_PROXY })
    const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': scheme }
    const { location = '' } = await browser().get(
      `${origin}${path}`, { ...manual, via: { port: Number(env.PORT), headers } }
    )
    t.match(location, /\/oauth2\/authorize/)
  }
})

test('A login that is sent to PUBLIC_URL counts once for LOGIN_RATE_LIMIT', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '1' })
  const headers = { host: 'evil.example' }
  const statuses: number[] = []
  for (let i = 0; i < 3; i++) {
    statuses.push((await browser().get(setup.url + path, { ...manual, headers })).status)
  }
  const { status } = await browser().get(`${setup.url}${path}?canonical=1`, { ...manual, headers })
  t.same([...statuses, status], [302, 302, 302, 302])
})

test('Other routes answer at any host', async (t) => {
  const setup = await sharedServer()
  for (const [other, status] of [
    ['/', 200], ['/health/live', 200], ['/health/ready', 200], ['/api/auth/me', 401]
  ] as const) {
    const answer = await browser().get(setup.url + other, { ...manual, headers: { host: 'evil.example' } })
    t.equal(answer.status, status, other)
  }
})

test('A prefetch or a script at another host is refused, not sent on', async (t) => {
  const setup = await sharedServer()
  for (const headers of [{ 'sec-purpose': 'prefetch' }, { 'sec-fetch-mode': 'cors' }]) {
    const answer = await browser().get(setup.url + path, { ...manual, headers: { host: 'evil.example', ...headers } })
    t.equal(answer.status, 403)
  }
})
