import { test } from 'tap'
import { isSilentRefusal, withAuth } from '../../../src/login/silent.js'

for (const [returnTo, expected] of [
  ['/', '/?auth=login_required'],
  ['/offers', '/offers?auth=login_required'],
  ['/offers?', '/offers?auth=login_required'],
  ['/offers?page=2', '/offers?page=2&auth=login_required'],
  ['/offers?page=2&', '/offers?page=2&auth=login_required'],
  ['/offers#top', '/offers?auth=login_required#top'],
  ['/offers?page=2#top?x=y#z', '/offers?page=2&auth=login_required#top?x=y#z'],
  ['/offers?a?b=c', '/offers?a?b=c&auth=login_required'],
  ['/offers?auth=login_required&q=a+b%20c', '/offers?q=a+b%20c&auth=login_required'],
  ['/offers?auth&author=x', '/offers?author=x&auth=login_required'],
  ['https://investor.example.com/?q', 'https://investor.example.com/?q&auth=login_required']
] as const) {
  test(`${returnTo} learns of a silent login that failed`, (t) => {
    t.equal(withAuth(returnTo, 'login_required'), expected)
    t.equal(withAuth(expected, 'login_required'), expected, 'again, it stays as it is')
    t.end()
  })
}

test('only the three errors that need the user, and only of prompt=none, are a silent refusal', (t) => {
  for (const error of ['login_required', 'interaction_required', 'consent_required']) {
    t.equal(isSilentRefusal('none', error), true)
    for (const prompt of [undefined, '', 'login', 'none login']) t.equal(isSilentRefusal(prompt, error), false)
  }
  for (const error of ['', 'access_denied', 'server_error', 'login_required_']) {
    t.equal(isSilentRefusal('none', error), false)
  }
  t.end()
})
