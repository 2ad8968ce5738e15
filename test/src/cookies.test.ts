import { test } from 'tap'
import {
  isCredential, loginCookies, sessionCookie, sessionCookieAge, signedOutCookie, withExpires
} from '../../src/cookies.js'

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
    t.equal(isCredential(COOKIE_NAME, config), true)
    t.equal(isCredential(`${prefix}abc`, config), true)
    t.equal(isCredential(`${COOKIE_NAME}2`, config), false)
    t.equal(isCredential(`x${COOKIE_NAME}`, config), false)
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
    t.equal(isCredential(name, { COOKIE_NAME, https: true }), false)
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

const TIMES = { nowMs: 1_000_000, createdMs: 900_000, expireMs: 1_599_400, isWritten: false }

for (const [what, times, age] of [
  ['the rest of the row\'s life, rounded down', {}, 599],
  ['that of a row just written, rounded up', { isWritten: true }, 600],
  ['SESSION_TTL at most', { expireMs: 5_000_000 }, 600],
  ['0 in the last second', { expireMs: 1_000_900 }, 0],
  ['0 for a row that has ended', { expireMs: 900_000, isWritten: true }, 0]
] as const) {
  test(`COOKIE_LIFETIME=idle: the session cookie's age is ${what}`, (t) => {
    const lifetimes = { COOKIE_LIFETIME: 'idle', SESSION_TTL: 600, SESSION_ABSOLUTE_TTL: 3600 }
    t.equal(sessionCookieAge(lifetimes, { ...TIMES, ...times }), age)
    t.end()
  })
}

for (const [what, times, age] of [
  ['the rest of the absolute lifetime', {}, 3500],
  ['all of it at first', { createdMs: 1_000_000 }, 3600],
  ['never more than it', { createdMs: 1_000_500 }, 3600],
  ['0 after its end', { createdMs: -5_000_000 }, 0]
] as const) {
  test(`COOKIE_LIFETIME=absolute: the session cookie's age is ${what}`, (t) => {
    const lifetimes = { COOKIE_LIFETIME: 'absolute', SESSION_TTL: 600, SESSION_ABSOLUTE_TTL: 3600 }
    t.equal(sessionCookieAge(lifetimes, { ...TIMES, ...times }), age)
    t.end()
  })
}
