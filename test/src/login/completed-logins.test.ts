import { test } from 'tap'
import { addCompleted, completedReturnTo, type CompletedLogin } from '../../../src/login/completed-logins.js'

const many = (count: number, returnTo = (i: number) => `/${i}`): CompletedLogin[] =>
  Array.from({ length: count }).reduce<CompletedLogin[]>(
    (logins, _, i) => addCompleted(logins, { state: `state ${i}`, returnTo: returnTo(i) }),
    []
  )

test('a completed login is found by its state, which is not stored', (t) => {
  const logins = addCompleted([], { state: 'the state', returnTo: '/offers' })
  t.equal(completedReturnTo(logins, 'the state'), '/offers')
  for (const other of ['', 'the stat', 'the state ', 'THE STATE', String(logins[0]?.state)]) {
    t.equal(completedReturnTo(logins, other), undefined)
  }
  t.notMatch(JSON.stringify(logins), 'the state')
  t.end()
})

test('the last ten logins are kept', (t) => {
  const logins = many(25)
  t.equal(logins.length, 10)
  for (let i = 0; i < 25; i++) t.equal(completedReturnTo(logins, `state ${i}`), i < 15 ? undefined : `/${i}`)
  t.end()
})

test('fewer logins are kept when their return URLs are long', (t) => {
  const logins = many(10, () => `/${'x'.repeat(1000)}`)
  t.equal(logins.length, 2)
  t.ok(JSON.stringify(many(10, () => `/${'x'.repeat(2047)}`)).length < 2200)
  t.equal(
    completedReturnTo(many(3, () => `/${'x'.repeat(2047)}`), 'state 2')?.length,
    2048,
    'one of the greatest length is kept'
  )
  t.end()
})
