import { test } from 'tap'
import { isOwnCookie, loginCookies, sessionCookie, signedOutCookie, withExpires } from '../../src/cookies.js'

for (const [COOKIE_NAME, https, prefix] of [
  ['cashsouk.sid', false, 'cashsouk.sid.login.'],
  ['cashsouk.sid', true, '__Host-cashsouk.sid.login.'],
  ['__Secure-sid', true, '__Host-sid.login.'],
  ['__Host-sid', true, '__Host-sid.login.'],
  ['__host-sid', true, '__Host-sid.login.'],
  ['__Http-sid', true, '__Host-sid.login.'],
  ['__Host-Http-sid', true, '__Host-sid.login.']
] as const) {
  const url = https ? 'https://auth.example.com' : 'http://localhost:3000'
  test(`a login cookie of ${COOKIE_NAME} at ${url} is named ${prefix}…`, (t) => {
    const config = { COOKIE_NAME, https }
    t.equal(loginCookies({ ...config, LOGIN_TTL: 900 }).namePrefix, prefix)
    t.equal(isOwnCookie(COOKIE_NAME, config), true)
    t.equal(isOwnCookie(`${prefix}abc`, config), true)
    t.equal(isOwnCookie(`${COOKIE_NAME}2`, config), false)
    t.equal(isOwnCookie(`x${COOKIE_NAME}`, config), false)
    t.end()
  })
}

const config = { COOKIE_NAME: 'cashsouk.sid', SESSION_TTL: 600, LOGIN_TTL: 900, https: false }

test('the session cookie has SESSION_TTL and COOKIE_DOMAIN', (t) => {
  const attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure: false, maxAge: 600 }
  t.same(sessionCookie(config), { name: 'cashsouk.sid', attributes })
  t.same(sessionCookie({ ...config, COOKIE_DOMAIN: 'example.com', https: true }), {
    name: 'cashsouk.sid', attributes: { ...attributes, domain: 'example.com', secure: true }
  })
  t.end()
})

for (const [COOKIE_NAME, name] of [
  ['cashsouk.sid', 'cashsouk.sid.signed-out'], ['__Host-sid', 'sid.signed-out'], ['__Secure-sid', 'sid.signed-out'],
  ['__Http-sid', 'sid.signed-out'], ['__Host-Http-sid', 'sid.signed-out']
] as const) {
  test(`the cookie of a sign-out from ${COOKIE_NAME} is named ${name}, and is not a session's or a login's`, (t) => {
    const cookie = signedOutCookie({ COOKIE_NAME, COOKIE_DOMAIN: 'example.com', https: true })
    const attributes = { path: '/', domain: 'example.com', httpOnly: true, sameSite: 'lax', secure: true, maxAge: 60 }
    t.same(cookie, { name, attributes })
    t.equal(isOwnCookie(name, { COOKIE_NAME, https: true }), false)
    t.end()
  })
}

test('Expires is Max-Age by this process\'s clock', (t) => {
  const { attributes } = sessionCookie(config)
  const { expires, ...others } = withExpires(attributes)
  t.same(others, attributes)
  t.ok(Math.abs(expires.getTime() - Date.now() - 600_000) < 1000)
  t.end()
})

test('a login cookie lasts LOGIN_TTL, but at least a day', (t) => {
  const attributes = { path: '/api/auth', httpOnly: true, sameSite: 'lax', secure: false, maxAge: 86_400 }
  t.same(loginCookies(config).attributes, attributes)
  t.same(loginCookies({ ...config, https: true, LOGIN_TTL: 100_000 }).attributes, {
    ...attributes, path: '/', secure: true, maxAge: 100_000
  })
  t.end()
})
