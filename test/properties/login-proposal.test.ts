import fc from 'fast-check'
import { test } from 'tap'
import { deriveKeys } from '../../src/keys.js'
import { asLogin, HINT_PATTERN, validParts } from '../../src/login/login-request.js'
import { attachProposal, MAX_STATE_LENGTH, proposalIn } from '../../src/login/proposal.js'
import { safeReturnTo } from '../../src/login/return-to.js'
import { HINTS, SIGN_UP, type LoginRequest } from '../../src/login/transaction.js'
import { alteration, anyString, holds } from '../support/properties.js'

const rules = {
  ROLES: ['INVESTOR', 'ISSUER', 'R'.repeat(64)],
  PUBLIC_URL: 'https://auth.example.com',
  RETURN_ORIGINS: ['https://investor.example.com', `https://${'portal.'.repeat(20)}example.com`]
}
const keys = deriveKeys(['the newest secret, of a test alone', 'an older secret, of a test alone'], 'login proposal')

const returnTo = fc
  .tuple(
    fc.constantFrom('', rules.PUBLIC_URL, ...rules.RETURN_ORIGINS),
    fc.array(fc.oneof(fc.webSegment(), fc.constantFrom('%C3%A9', 'x'.repeat(300), 'api', 'auth', 'login')), {
      maxLength: 12
    }),
    fc.option(fc.webQueryParameters()),
    fc.option(fc.webFragments())
  )
  .map(([origin, segments, query, fragment]) =>
    `${origin}/${segments.join('/')}${query === null ? '' : `?${query}`}${fragment === null ? '' : `#${fragment}`}`)
  .map((address) => safeReturnTo(address, rules.PUBLIC_URL, rules.RETURN_ORIGINS) ?? '/')
const hint = fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), anyString(256))
  .filter((text) => text !== '' && new RegExp(HINT_PATTERN, 'u').test(text))
const login: fc.Arbitrary<LoginRequest> = fc.record({
  requestedRole: fc.constantFrom(...rules.ROLES),
  returnTo,
  hints: fc.dictionary(fc.constantFrom(...HINTS), hint, { minKeys: 1 }).map((hints) =>
    // The only value that a login takes.
    'screen_hint' in hints ? { ...hints, screen_hint: SIGN_UP } : hints),
  maxAge: fc.integer({ min: 0, max: 86_400 })
}, { requiredKeys: ['requestedRole', 'returnTo'] })
const random = fc.tuple(fc.constantFrom('', 'retry.'), fc.stringMatching(/^[\w-]{43}$/)).map((parts) => parts.join(''))

/** The login that the callback of this state would propose. */
function proposed (state: string): LoginRequest | undefined {
  const found = proposalIn(state, keys)
  return found === undefined ? undefined : asLogin(validParts(found, rules))
}

test('a state proposes the login that it was made for, or a part of it, in at most 1,023 characters', async () => {
  await holds(fc.property(random, login, fc.constantFrom(...keys), (begin, asked, key) => {
    const state = attachProposal(begin, asked, key)
    const found = proposed(state)
    return (
      state.length <= MAX_STATE_LENGTH && state.startsWith(`${begin}.`) && /^[\w.-]+$/.test(state) &&
      found?.requestedRole === asked.requestedRole && found.maxAge === asked.maxAge &&
      (asked.returnTo.startsWith(found.returnTo) || found.returnTo === '/') &&
      Object.entries(found.hints ?? {}).every(([name, value]) => asked.hints?.[name as 'lang'] === value)
    )
  }))
})

test('a state whose login is short proposes all of it', async () => {
  const short = login.filter((asked) => {
    const text = JSON.stringify(asked)
    return text.length < 500 && /^[\x20-\x7e]*$/.test(text)
  })
  await holds(fc.property(random, short, fc.constantFrom(...keys), (begin, asked, key) => {
    const { hints = {}, ...others } = asked
    const found = proposed(attachProposal(begin, asked, key))
    const { hints: kept = {}, ...rest } = found ?? { requestedRole: '', returnTo: '' }
    const sorted = (entries: object) => JSON.stringify(Object.entries(entries).sort())
    return sorted(rest) === sorted(others) && sorted(kept) === sorted(hints)
  }))
})

test('an altered state proposes nothing', async () => {
  await holds(fc.property(random, login, alteration, (begin, asked, alter) => {
    const state = attachProposal(begin, asked, keys[0] as Buffer)
    const altered = alter(state)
    return altered === state || proposed(altered) === undefined
  }))
})

test('a text that was not signed proposes nothing', async () => {
  const part = fc.oneof(anyString(40), fc.stringMatching(/^[\w-]{22}$/), fc.json().map((text) =>
    Buffer.from(text).toString('base64url')))
  await holds(fc.property(fc.array(part, { maxLength: 4 }), (parts) => proposed(parts.join('.')) === undefined))
})

test('parts of two states together propose nothing', async () => {
  await holds(fc.property(random, random, login, login, (one, other, first, second) => {
    const [a, b] = [attachProposal(one, first, keys[0] as Buffer), attachProposal(other, second, keys[0] as Buffer)]
    const [left, right] = [a.split('.').slice(-2), b.split('.').slice(-2)]
    const mixed = [`${one}.${right.join('.')}`, `${one}.${left[0]}.${right[1]}`, `${other}.${left.join('.')}`]
    return one === other || mixed.every((state) => state === a || state === b || proposed(state) === undefined)
  }))
})
