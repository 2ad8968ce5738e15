import { test } from 'tap'
import { deriveKeys } from '../../../src/keys.js'
import { attachProposal, MAX_STATE_LENGTH, proposalIn } from '../../../src/login/proposal.js'
import type { LoginRequest } from '../../../src/login/transaction.js'

const keys = deriveKeys(['the newest secret, of a test alone', 'an older secret, of a test alone'], 'login proposal')
const [newest = Buffer.alloc(0), older = Buffer.alloc(0)] = keys
const random = 'r'.repeat(43)
const login: LoginRequest = { requestedRole: 'ISSUER', returnTo: '/offers?page=2#top' }

test('a state brings back what its login asked for', (t) => {
  const full = { ...login, hints: { prompt: 'login', login_hint: 'é@example.com' }, maxAge: 0 }
  const state = attachProposal(random, full, newest)
  t.match(state, /^r{43}\.[\w-]+\.[\w-]{22}$/)
  t.same(proposalIn(state, keys), {
    role: 'ISSUER', returnTo: login.returnTo, prompt: 'login', login_hint: 'é@example.com', max_age: 0
  })
  t.same(proposalIn(attachProposal(random, login, newest), keys), { role: 'ISSUER', returnTo: login.returnTo })
  t.end()
})

test('a state of another key is no proposal, one of an older key is', (t) => {
  t.not(proposalIn(attachProposal(random, login, older), keys), undefined)
  t.equal(proposalIn(attachProposal(random, login, newest), [older]), undefined)
  t.equal(proposalIn(attachProposal(random, login, newest), []), undefined)
  t.end()
})

test('a proposal expires after a day', (t) => {
  const state = attachProposal(random, login, newest, 1_000_000)
  t.not(proposalIn(state, keys, 1_000_000 + 86_399_000), undefined)
  t.equal(proposalIn(state, keys, 1_000_000 + 86_401_000), undefined)
  t.end()
})

test('a text that is no state with a proposal is none', (t) => {
  for (const text of ['', '.', '..', '...', 'x', random, `retry.${random}`, `${random}.`, `.${random}.x`, 'a.b.c']) {
    t.equal(proposalIn(text, keys), undefined, text)
  }
  t.end()
})

test('long hints are dropped first, the longest of them before the others', (t) => {
  const hints = {
    prompt: 'login', lang: 'l'.repeat(100), login_hint: 'h'.repeat(256), identity_provider: 'i'.repeat(200)
  }
  const kept = (returnTo: string) => proposalIn(attachProposal(random, { ...login, returnTo, hints }, newest), keys)

  t.same(Object.keys(kept('/') ?? {}).sort(), ['identity_provider', 'lang', 'login_hint', 'prompt', 'returnTo', 'role'])
  t.same(Object.keys(kept(`/${'x'.repeat(200)}`) ?? {}).sort(), [
    'identity_provider', 'lang', 'prompt', 'returnTo', 'role'
  ])
  t.same(Object.keys(kept(`/${'x'.repeat(600)}`) ?? {}).sort(), ['prompt', 'returnTo', 'role'])
  t.match(kept(`/${'x'.repeat(600)}`), { prompt: 'login', returnTo: `/${'x'.repeat(600)}` })
  t.end()
})

test('a return address that does not fit loses its query, then the end of its path', (t) => {
  const kept = (returnTo: string) => proposalIn(attachProposal(random, { ...login, returnTo }, newest), keys)?.returnTo
  t.equal(kept(`/offers?${'q'.repeat(1000)}`), '/offers')
  t.match(kept(`/${'offers/'.repeat(200)}`), /^\/(offers\/){80,}$/)
  t.equal(kept(`https://investor.example.com/${'x'.repeat(1000)}`), 'https://investor.example.com/')
  const longest = attachProposal(`retry.${random}`, { ...login, returnTo: `/${'a/'.repeat(1000)}` }, newest)
  t.ok(longest.length <= MAX_STATE_LENGTH)
  t.end()
})

test('a login that does not fit at all has a state without a proposal', (t) => {
  t.equal(attachProposal(random, { ...login, requestedRole: 'R'.repeat(2000) }, newest), random)
  t.end()
})
