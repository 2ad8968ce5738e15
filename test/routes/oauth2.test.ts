import { test } from 'tap'
import auth from '../../index.js'
import { browser, signIn } from '../support/browser.js'
import { embedded } from '../support/embedded.js'
import { raw } from '../support/raw.js'
import { sharedServer, type Setup } from '../support/server.js'
import { IDENTITY, identity, VERIFY } from '../support/verify.js'

const PORTAL = 'https://investor.example.com'
const SIGNED_OUT = 'https://www.example.com/bye'
const REQUEST = ['user', 'email', 'groups', 'preferred-username']
const NAMES = [...IDENTITY, ...REQUEST.map((name) => `x-auth-request-${name}`)]

const start = (): Promise<Setup> => sharedServer({
  VERIFY_HEADERS: 'oauth2-proxy', RETURN_ORIGINS: PORTAL, TRUST_PROXY: '127.0.0.1,::1', LOGOUT_URLS: SIGNED_OUT
})

test('/oauth2/auth answers 202 with the headers of oauth2-proxy, and so does verify', async (t) => {
  const setup = await start()
  const user = browser()
  await signIn(user, setup.url, { person: 'carol' })
  const me = JSON.parse((await user.get(`${setup.url}/api/auth/me`)).text) as { user: Record<string, string> }

  const answer = await user.get(`${setup.url}/oauth2/auth`)

  t.equal(answer.status, 202)
  t.equal(answer.text, '')
  t.match(identity(answer, NAMES), {
    'x-auth-request-user': me.user.sub,
    'x-auth-request-email': 'carol@example.com',
    'x-auth-request-groups': 'INVESTOR,ISSUER,ADMIN',
    'x-auth-request-preferred-username': me.user.username,
    'x-auth-user': me.user.sub
  })
  const verified = await user.get(`${setup.url}${VERIFY}`)
  t.equal(verified.status, 200)
  t.same(identity(verified, NAMES), identity(answer, NAMES))
})

test('/oauth2/auth answers 401 to a guest, with every header, empty', async (t) => {
  const { url } = await start()

  const answer = await browser().get(`${url}/oauth2/auth`, {
    headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'investor.example.com', 'x-forwarded-uri': '/a?b=1' }
  })

  t.equal(answer.status, 401)
  t.same(identity(answer, NAMES), Object.fromEntries(NAMES.map((name) => [name, ''])))
  t.equal(new URL(answer.headers.get('location') ?? '').searchParams.get('returnTo'), `${PORTAL}/a?b=1`)
})

test('/oauth2/auth?allowed_groups= admits users of one of the groups, and refuses what it does not know', async (t) => {
  const { url } = await start()
  const user = browser()
  await signIn(user, url)
  const status = async (query: string) => (await user.get(`${url}/oauth2/auth?${query}`)).status

  t.equal(await status('allowed_groups=ISSUER'), 202)
  t.equal(await status('allowed_groups=ADMIN,INVESTOR'), 202)
  t.equal(await status('allowed_groups=other,INVESTOR'), 202)
  for (const query of [
    'allowed_groups=ADMIN',
    'allowed_groups=',
    'allowed_groups=,',
    'allowed_groups=other',
    'allowed_groups=ADMIN&allowed_groups=INVESTOR',
    'allowed_emails=alice@example.com',
    'allowed_email_domains=example.com',
    'role=INVESTOR'
  ]) t.equal(await status(query), 403, query)
})

test('/oauth2/start and /oauth2/sign_in lead to the login, and back to rd', async (t) => {
  const setup = await start()
  const { url } = setup
  const to = async (path: string, headers: Record<string, string> = {}) => {
    const { location = '' } = await browser().get(url + path, { redirect: 'manual', headers })
    const { origin, pathname, searchParams } = new URL(location)
    t.equal(origin + pathname, `${url}/api/auth/login`)
    return searchParams.get('returnTo')
  }
  const rd = `${PORTAL}/orders?a=1&b=2`

  for (const path of ['/oauth2/start', '/oauth2/sign_in']) {
    t.equal(await to(`${path}?rd=${encodeURIComponent(rd)}`), rd)
    t.equal(await to(`${path}?rd=/here`), '/here')
    t.equal(await to(path, { 'x-auth-request-redirect': rd }), rd)
    t.equal(await to(path), null)
    for (const evil of ['https://evil.example/', '//evil.example', '/\\evil.example', `${PORTAL}@evil.example`]) {
      t.equal(await to(`${path}?rd=${encodeURIComponent(evil)}`), null)
      t.equal(await to(path, { 'x-auth-request-redirect': evil }), null)
    }
    t.equal(await to(`${path}?rd=/here&rd=/there`), null)
  }
  const user = browser()
  const { answer } = await signIn(user, url, { returnTo: (await to('/oauth2/start?rd=/here')) ?? '' })
  t.equal(answer.location, `${url}/here`)
})

test('Without a trusted proxy, X-Auth-Request-Redirect is not believed', async (t) => {
  const { url } = await sharedServer({ VERIFY_HEADERS: 'oauth2-proxy', RETURN_ORIGINS: PORTAL })

  const { location } = await browser().get(`${url}/oauth2/start`, {
    redirect: 'manual', headers: { 'x-auth-request-redirect': `${PORTAL}/` }
  })

  t.equal(location, `${url}/api/auth/login`)
})

test('/oauth2/sign_out ends no session by itself: it leads to the page whose button signs out', async (t) => {
  const { url } = await start()
  const user = browser()
  await signIn(user, url)

  const page = await user.get(`${url}/oauth2/sign_out?rd=${encodeURIComponent(SIGNED_OUT)}`)

  t.equal(page.url, `${url}/api/auth/logout?returnTo=${encodeURIComponent(SIGNED_OUT)}`)
  t.equal(page.status, 200)
  t.equal((await user.get(`${url}${VERIFY}`)).status, 200, 'still signed in')
  const elsewhere = await user.get(`${url}/oauth2/sign_out?rd=https://evil.example/`, { redirect: 'manual' })
  t.equal(elsewhere.location, `${url}/api/auth/logout`)
  await user.submit(page, 'Sign out', { redirect: 'manual' })
  t.equal((await user.get(`${url}${VERIFY}`)).status, 401)
})

test('/oauth2/userinfo tells who is signed in, as oauth2-proxy does', async (t) => {
  const { url } = await start()
  const user = browser()
  await signIn(user, url)
  const me = JSON.parse((await user.get(`${url}/api/auth/me`)).text) as { user: Record<string, string> }

  const answer = await user.get(`${url}/oauth2/userinfo`)

  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-type'), /^application\/json/)
  t.same(JSON.parse(answer.text), {
    user: me.user.sub,
    email: 'alice@example.com',
    groups: ['INVESTOR', 'ISSUER'],
    preferredUsername: me.user.username
  })
  t.equal((await browser().get(`${url}/oauth2/userinfo`)).status, 401)
})

test('A POST of /oauth2/auth with a body is answered and its connection closed', async (t) => {
  const { env } = await start()

  const { status, headers } = await raw(Number(env.PORT), [
    'POST /oauth2/auth HTTP/1.1', 'Host: localhost', 'Content-Type: x', 'Content-Length: 9', '', ''
  ].join('\r\n'))

  t.equal(status, 401)
  t.equal(headers.get('connection'), 'close')
})

test('Without VERIFY_HEADERS=oauth2-proxy, neither its routes nor its headers exist', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)

  for (const path of ['auth', 'start', 'sign_in', 'sign_out', 'userinfo']) {
    t.equal((await user.get(`${url}/oauth2/${path}`)).status, 404)
  }
  t.equal((await user.get(`${url}${VERIFY}`)).headers.get('x-auth-request-user'), null)
})

for (const path of ['/oauth2/start', '/oauth2/sign_in']) {
  for (const wanted of [path, `${path}?rd=%2F`, '/OAuth2/Start/']) {
    test(`${path} does not return to ${wanted}, where the sign-in would begin again`, async (t) => {
      const setup = await sharedServer({ VERIFY_HEADERS: 'oauth2-proxy', TRUST_PROXY: '127.0.0.1,::1' })
      const manual = { redirect: 'manual' } as const
      const headers = { 'x-auth-request-redirect': wanted }
      for (const answer of [
        await browser().get(setup.url + path, { ...manual, headers }),
        await browser().get(`${setup.url}${path}?rd=${encodeURIComponent(wanted)}`, manual),
        await browser().get(`${setup.url}${path}?rd=${encodeURIComponent(setup.url + wanted)}`, manual)
      ]) {
        t.equal(answer.status, 302)
        t.equal(new URL(answer.location ?? '').searchParams.get('returnTo'), null)
      }
    })
  }
}

test('Below the prefix of a scope, a start does not return to itself either', async (t) => {
  const { url } = await embedded(t, {
    path: '/app/api/auth',
    options: { verifyHeaders: 'oauth2-proxy' },
    build: async (app, options) => {
      await app.register(async (scope) => { await scope.register(auth, options) }, { prefix: '/app' })
    }
  })
  const { status, location = '' } = await browser().get(`${url}/app/oauth2/start?rd=/app/oauth2/sign_in`, {
    redirect: 'manual'
  })
  t.equal(status, 302)
  t.equal(new URL(location).searchParams.get('returnTo'), null)
})
