import { test } from 'tap'
import { deriveKeys, type Purpose } from '../../src/keys.js'

const purposes: Purpose[] = ['session id', 'token encryption', 'token encryption id']
const secrets = ['first secret of a test and nothing else', 'other secret of a test and nothing else']

test('a key is HKDF-SHA256 of secret and purpose (RFC 5869)', (t) => {
  // openssl kdf -keylen 32 -kdfopt digest:SHA2-256 -kdfopt key:… -kdfopt info:'cashsouk-auth session id' \
  //   -binary HKDF | basenc --base64url
  t.equal(
    deriveKeys(secrets, 'session id')[0]?.toString('base64url'),
    'afjF6Zlbjnjz0D4ogX_0_nHdMZdRhpfzMAcqoY5Oahg'
  )
  t.end()
})

test('every secret has one key, in the same order', (t) => {
  const keys = deriveKeys(secrets, 'session id')
  t.equal(keys.length, 2)
  t.same(keys.toReversed(), deriveKeys(secrets.toReversed(), 'session id'))
  t.same(keys[1], deriveKeys(secrets.slice(1), 'session id')[0])
  t.end()
})

test('each secret and purpose has its own key', (t) => {
  const keys = purposes.flatMap((purpose) => deriveKeys(secrets, purpose)).map((key) => key.toString('hex'))
  t.equal(new Set(keys).size, 6)
  t.ok(keys.every((key) => key.length === 64))
  t.end()
})

test('no key contains its secret', (t) => {
  for (const [index, key] of deriveKeys(secrets, 'token encryption').entries()) {
    t.notOk(key.includes(secrets[index]?.slice(0, 8) ?? '?'))
  }
  t.end()
})
