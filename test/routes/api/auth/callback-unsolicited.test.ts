import { test } from 'tap'
import { browser, signIn, type Browser } from '../../../support/browser.js'
import { button, retried } from '../../../support/error-page.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'

const manual = { redirect: 'manual' } as const
const exchanges = ({ cognito }: Setup) => cognito.requests.filter(({ path }) => path === '/oauth2/token').length
const tile = (user: Browser, { url }: Setup) => user.get(`${url}/api/auth/callback?code=of-another`, manual)

test('A code without a state starts a login of this browser, and is not exchanged', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  const first = await tile(user, setup)

  t.match(first, { status: 302, location: `${setup.url}/api/auth/login` })
  t.equal(exchanges(setup), 0)
  t.same(await rows(setup), [])
  t.match((await signIn(user, setup.url)).answer, { status: 303, location: `${setup.url}/` })
  t.equal(exchanges(setup), 1)
})

test('A provider that always loses the state does not go round in circles', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  t.equal((await tile(user, setup)).status, 302)
  const second = await tile(user, setup)

  t.equal(second.status, 400)
  t.match(second.text, /ERR_STATE_MISSING/)
  t.notMatch(second.text, /http-equiv/)
  t.equal(button(second), `${setup.url}/api/auth/login`)
  t.same(user.cookies, [])
  t.equal((await tile(user, setup)).status, 302, 'the next click on the tile is a new start')
})

test('After a sign-in, a code without a state starts a login again', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  for (let i = 0; i < 3; i++) {
    t.equal((await tile(user, setup)).status, 302)
    t.equal((await signIn(user, setup.url)).answer.status, 303)
    // The offer to bind the session has a cookie as well.
    const names = user.cookies.map(({ name }) => name).filter((name) => !name.endsWith('.bound'))
    t.same(names.filter((name) => name.startsWith('cashsouk.')), ['cashsouk.sid'])
  }
})

test('A code without a state leaves a session as it is, and keeps its role', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })
  const before = [await rows(setup), user.cookie('cashsouk.sid')?.value]

  const answer = await tile(user, setup)

  t.equal(answer.location, `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2F`)
  t.same([await rows(setup), user.cookie('cashsouk.sid')?.value], before)
})

for (const [what, parameters, status, code] of [
  ['neither code nor state', '', 400, 'ERR_STATE_MISSING'],
  ['an empty code', '?code=', 400, 'ERR_STATE_MISSING'],
  ['an error', '?error=server_error&code=x', 401, 'ERR_LOGIN_REFUSED']
] as const) {
  test(`A callback with ${what} starts no login`, async (t) => {
    const setup = await sharedServer()
    const page = await browser().get(`${setup.url}/api/auth/callback${parameters}`, manual)
    t.equal(page.status, status)
    t.ok(page.text.includes(code))
    t.same(retried(page), {})
    t.same(page.headers.getSetCookie(), [])
  })
}

test('A prefetched code without a state starts no login', async (t) => {
  const setup = await sharedServer()
  const page = await browser().get(
    `${setup.url}/api/auth/callback?code=x`, { ...manual, headers: { 'sec-purpose': 'prefetch' } }
  )
  t.equal(page.status, 403)
  t.same(page.headers.getSetCookie(), [])
})

test('Over https the cookie that ends the loop has the prefix __Host-', async (t) => {
  const origin = 'https://auth.example.com'
  const { env } = await server(t, { PUBLIC_URL: origin })
  const page = await browser({ via: { [origin]: Number(env.PORT) } }).get(`${origin}/api/auth/callback?code=x`, manual)
  t.match(
    page.headers.getSetCookie(),
    [/^__Host-cashsouk\.sid\.unsolicited=1; Max-Age=60; Path=\/; HttpOnly; Secure; SameSite=Lax$/]
  )
})
