import { test } from 'tap'
import { isOwnCookie, loginCookiePrefix } from '../../src/cookie-names.js'

for (const [COOKIE_NAME, PUBLIC_URL, prefix] of [
  ['cashsouk.sid', 'http://localhost:3000', 'cashsouk.sid.login.'],
  ['cashsouk.sid', 'https://auth.example.com', '__Host-cashsouk.sid.login.'],
  ['__Secure-sid', 'https://auth.example.com', '__Host-sid.login.'],
  ['__Host-sid', 'https://auth.example.com', '__Host-sid.login.'],
  ['__host-sid', 'https://auth.example.com', '__Host-sid.login.']
] as const) {
  test(`with COOKIE_NAME ${COOKIE_NAME} at ${PUBLIC_URL} a login's cookie is named ${prefix}…`, (t) => {
    t.equal(loginCookiePrefix({ COOKIE_NAME, PUBLIC_URL }), prefix)
    t.equal(isOwnCookie(COOKIE_NAME, { COOKIE_NAME, PUBLIC_URL }), true)
    t.equal(isOwnCookie(`${prefix}abc`, { COOKIE_NAME, PUBLIC_URL }), true)
    t.equal(isOwnCookie(`${COOKIE_NAME}2`, { COOKIE_NAME, PUBLIC_URL }), false)
    t.equal(isOwnCookie(`x${COOKIE_NAME}`, { COOKIE_NAME, PUBLIC_URL }), false)
    t.end()
  })
}
