import { test } from 'tap'
import { loginUrl, otherAccountUrl, portalOf, recovery } from '../../../src/login/recovery.js'

const login = { requestedRole: 'ISSUER', returnTo: '/offers?page=2#top' }
const query = 'role=ISSUER&returnTo=%2Foffers%3Fpage%3D2%23top'

for (const [what, url, expected] of [
  ['that is unknown', loginUrl(undefined), '/api/auth/login'],
  [
    'that is unknown, as an automatic retry',
    loginUrl(undefined, { isRetry: true }),
    '/api/auth/login?retry=1'
  ],
  ['with its role and return address', loginUrl(login), `/api/auth/login?${query}`],
  ['as an automatic retry', loginUrl(login, { isRetry: true }), `/api/auth/login?${query}&retry=1`],
  [
    'with hints and max_age',
    loginUrl({ ...login, maxAge: 0, hints: { lang: 'ms', prompt: 'login', login_hint: 'a+b@example.com' } }),
    `/api/auth/login?${query}&login_hint=a%2Bb%40example.com&lang=ms&prompt=login&max_age=0`
  ],
  ['whose role is unknown', loginUrl({ returnTo: '/offers' }), '/api/auth/login?returnTo=%2Foffers'],
  ['with its hints', loginUrl({ ...login, hints: { prompt: 'none' } }), `/api/auth/login?${query}&prompt=none`],
  ['with another account', otherAccountUrl(login), `/api/auth/login?${query}&prompt=login`],
  [
    'with another account, which has only the hint of the language',
    otherAccountUrl({ ...login, hints: { login_hint: 'a', identity_provider: 'b', lang: 'ms', prompt: 'none' } }),
    `/api/auth/login?${query}&lang=ms&prompt=login`
  ],
  ['that is unknown, with another account', otherAccountUrl(undefined), '/api/auth/login?prompt=login']
] as const) {
  test(`the URL of a login ${what}`, (t) => {
    t.equal(url, expected)
    t.end()
  })
}

test('a recovery has the URL of the login, and what it asks for', (t) => {
  t.same(recovery(login), { retryUrl: `/api/auth/login?${query}`, login })
  t.same(recovery(undefined), { retryUrl: '/api/auth/login' })
  t.end()
})

for (const [returnTo, portal] of [
  ['/', undefined],
  ['/offers?page=2', undefined],
  ['https://auth.example.com/offers', undefined],
  ['https://investor.example.com/offers?page=2#top', 'https://investor.example.com/'],
  ['http://localhost:5173/', 'http://localhost:5173/']
] as const) {
  test(`a login that returns to ${returnTo} began at ${portal ?? 'this server'}`, (t) => {
    t.equal(portalOf(returnTo, 'https://auth.example.com'), portal)
    t.end()
  })
}
