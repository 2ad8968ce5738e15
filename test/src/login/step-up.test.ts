import { test } from 'tap'
import { applicationData, isRecent, isStepUp, updateApplicationData } from '../../../src/login/step-up.js'
import { newTransaction } from '../../../src/login/transaction.js'

const request = { requestedRole: 'ISSUER', returnTo: '/', maxAge: 300 }

for (const [what, authTime, maxAge, expected] of [
  ['just now', 1000, 0, true],
  ['as long ago as allowed', 1000 - 300, 300, true],
  ['a second longer ago', 1000 - 301, 300, false],
  ['at an unknown time', undefined, 300, false],
  ['at a time that is a text', '1000', 300, false],
  ['at a time that is null', null, 300, false],
  ['at no number', Number.NaN, 300, false]
] as const) {
  test(`a sign-in ${what} is ${expected ? '' : 'not '}recent`, (t) => {
    t.equal(isRecent(authTime as number | undefined, maxAge, 1_000_000), expected)
    t.end()
  })
}

test('a login is a step-up only of the session of the user who began it', (t) => {
  const stepUp = newTransaction(request, { stepUpOf: 'alice' })
  t.equal(isStepUp(stepUp, { user: { sub: 'alice' } }), true)
  t.equal(isStepUp(stepUp, { user: { sub: 'bob' } }), false)
  t.equal(isStepUp(stepUp, {}), false)
  t.equal(isStepUp(newTransaction(request), { user: { sub: 'alice' } }), false)
  t.equal(isStepUp(newTransaction(request), {}), false)
  t.end()
})

test('the data of the application is all that this server does not keep itself', (t) => {
  const session = JSON.parse(`{
    "cookie": {}, "user": {}, "role": "R", "roles": [], "authTime": 1, "refreshToken": "r", "accessToken": {},
    "completedLogins": [], "__proto__": { "admin": true }, "basket": ["a"], "csrf": "c"
  }`) as object
  t.strictSame(applicationData(session), { basket: ['a'], csrf: 'c' })
  t.end()
})

test('the data of the application becomes what it is now', (t) => {
  const session = { user: 'u', same: 1, changed: 1, gone: 1, ours: 1 }
  updateApplicationData(session, { same: 1, changed: 1, gone: 1 }, { same: 1, changed: { n: 2 }, added: 1 })
  t.strictSame(session, { user: 'u', same: 1, changed: { n: 2 }, added: 1, ours: 1 })
  t.end()
})
