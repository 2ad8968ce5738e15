import { test } from 'tap'
import { loginUrl } from '../../../src/login/recovery.js'

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
  ['with its max_age', loginUrl({ ...login, maxAge: 0 }), `/api/auth/login?${query}&max_age=0`],
  ['as an automatic retry', loginUrl(login, { isRetry: true }), `/api/auth/login?${query}&retry=1`]
] as const) {
  test(`the URL of a login ${what}`, (t) => {
    t.equal(url, expected)
    t.end()
  })
}
