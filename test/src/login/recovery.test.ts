import { test } from 'tap'
import { loginUrl, recovery } from '../../../src/login/recovery.js'

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
  ['whose role is unknown', loginUrl({ returnTo: '/offers' }), '/api/auth/login?returnTo=%2Foffers']
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
