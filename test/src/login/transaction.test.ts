import { test } from 'tap'
import {
  asTransaction, codeChallenge, isRetry, isState, newTransaction, stateKey
} from '../../../src/login/transaction.js'

const request = { requestedRole: 'ISSUER', returnTo: '/offers' }

test('a new transaction has the request and 256 random bits per secret', (t) => {
  const transaction = newTransaction(request)
  t.match(transaction, { ...request, state: /^[\w-]{43}$/, nonce: /^[\w-]{43}$/, codeVerifier: /^[\w-]{43}$/ })
  t.equal(Object.keys(transaction).length, 5)
  t.end()
})

test('the state of an automatic retry has a prefix and the same entropy', (t) => {
  const { state } = newTransaction(request, { isRetry: true })
  t.match(state, /^retry\.[\w-]{43}$/)
  t.equal(isRetry(state), true)
  t.equal(isRetry(newTransaction(request).state), false)
  t.equal(stateKey(state), state.slice(6, 16))
  t.equal(stateKey(state.slice(6)), state.slice(6, 16))
  t.end()
})

test('no value of a thousand transactions repeats', (t) => {
  const values = Array
    .from({ length: 1000 }, () => newTransaction(request))
    .flatMap(({ state, nonce, codeVerifier }) => [state, nonce, codeVerifier])
  t.equal(new Set(values).size, 3000)
  t.end()
})

test('the code challenge matches RFC 7636, appendix B', (t) => {
  t.equal(codeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
  t.end()
})

test('only the exact state matches', (t) => {
  const transaction = newTransaction(request)
  const { state } = transaction
  t.equal(isState(transaction, state), true)
  for (const other of [
    '', state.slice(1), state.slice(0, -1), `${state}x`, `${state} `, state.toLowerCase() + 'X',
    transaction.nonce, newTransaction(request).state
  ]) {
    t.equal(isState(transaction, other), false, other)
  }
  t.end()
})

test('a row with all five parts is a transaction, without other keys', (t) => {
  const transaction = newTransaction(request)
  t.same(asTransaction({ ...transaction, cookie: {}, user: { sub: 'x' } }), transaction)
  t.end()
})

test('a transaction keeps its max_age and the user whom it is to confirm', (t) => {
  const transaction = newTransaction({ ...request, maxAge: 0 }, { stepUpOf: 'alice' })
  t.match(transaction, { maxAge: 0, stepUpOf: 'alice' })
  t.same(asTransaction({ ...transaction, cookie: {} }), transaction)
  t.equal(asTransaction({ ...transaction, maxAge: '0' }), undefined)
  t.equal(asTransaction({ ...transaction, stepUpOf: 1 }), undefined)
  t.end()
})

test('a row keeps hints, unless they are of another form', (t) => {
  const asked = { ...request, hints: { prompt: 'none' }, maxAge: 0 }
  const transaction = newTransaction(asked)
  t.same(asTransaction({ ...transaction, cookie: {} }), transaction)
  const { hints: _hints, ...others } = transaction
  for (const hints of [null, 'x', 1, { prompt: 1 }, { prompt: ['login'] }, undefined]) {
    t.same(asTransaction({ ...transaction, hints }), others)
  }
  t.end()
})

for (const part of ['state', 'nonce', 'codeVerifier', 'requestedRole', 'returnTo']) {
  test(`a session without a valid ${part} is not a transaction`, (t) => {
    const { [part as 'state']: _dropped, ...others } = newTransaction(request)
    t.equal(asTransaction(others), undefined)
    for (const value of [undefined, null, 1, true, {}, ['x']]) {
      t.equal(asTransaction({ ...others, [part]: value }), undefined, JSON.stringify(value))
    }
    t.end()
  })
}

test('a signed-in session is not a transaction', (t) => {
  t.equal(asTransaction({ user: { sub: 'x' }, role: 'ISSUER', roles: ['ISSUER'] }), undefined)
  t.equal(asTransaction({}), undefined)
  t.end()
})
