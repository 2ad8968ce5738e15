import { test } from 'tap'
import { TokenVault } from '../../../src/login/token-vault.js'

const first = 'first secret of a test and nothing else'
const second = 'other secret of a test and nothing else'
const token = 'eyJjdHkiOiJKV1QifQ.a-refresh-token-of-a-test'
const vault = new TokenVault([first])

test('an encrypted token decrypts for its session', (t) => {
  for (const text of [token, '', 'ü€😀', 'x'.repeat(10_000)]) {
    t.equal(vault.decrypt(vault.encrypt(text, 'session-1'), 'session-1'), text)
  }
  t.end()
})

test('the ciphertext reveals neither token nor session', (t) => {
  const sealed = vault.encrypt(token, 'session-1')
  const bytes = Buffer.from(sealed.split('.')[1] ?? '', 'base64url')
  t.match(sealed, /^[\w-]{8}\.[\w-]+$/)
  t.equal(bytes.length, 12 + token.length + 16)
  for (const text of ['refresh-token', 'session-1', first]) t.notOk(sealed.includes(text) || bytes.includes(text), text)
  t.end()
})

test('no two ciphertexts are equal', (t) => {
  t.equal(new Set(Array.from({ length: 100 }, () => vault.encrypt(token, 'session-1'))).size, 100)
  t.end()
})

test('a token decrypts for no other session', (t) => {
  const sealed = vault.encrypt(token, 'session-1')
  for (const id of ['session-2', 'session-', 'session-1 ', '', 'SESSION-1']) {
    t.equal(vault.decrypt(sealed, id), undefined, id)
  }
  t.end()
})

test('after a rotation old secrets decrypt and the first one encrypts', (t) => {
  const sealed = vault.encrypt(token, 'session-1')
  const rotated = new TokenVault([second, first])
  t.equal(rotated.decrypt(sealed, 'session-1'), token)
  t.equal(vault.decrypt(rotated.encrypt(token, 'session-1'), 'session-1'), undefined)
  t.equal(new TokenVault([second]).decrypt(rotated.encrypt(token, 'session-1'), 'session-1'), token)
  t.end()
})

test('tokens of a removed secret do not decrypt', (t) => {
  t.equal(new TokenVault([second]).decrypt(vault.encrypt(token, 'session-1'), 'session-1'), undefined)
  t.end()
})

test('a token under the key id of another secret does not decrypt', (t) => {
  const other = new TokenVault([second])
  const [id] = other.encrypt(token, 'session-1').split('.')
  const [, body] = vault.encrypt(token, 'session-1').split('.')
  t.equal(other.decrypt(`${id}.${body}`, 'session-1'), undefined)
  t.end()
})

test('a token with a changed bit does not decrypt', (t) => {
  const [id, body = ''] = vault.encrypt(token, 'session-1').split('.')
  const bytes = Buffer.from(body, 'base64url')
  for (let index = 0; index < bytes.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[index] = (bytes[index] ?? 0) ^ (1 << bit)
      if (vault.decrypt(`${id}.${changed.toString('base64url')}`, 'session-1') !== undefined) {
        t.fail(`bit ${bit} of byte ${index}`)
      }
    }
  }
  t.pass(`${bytes.length} bytes`)
  t.end()
})

test('a truncated token does not decrypt', (t) => {
  const [id, body = ''] = vault.encrypt(token, 'session-1').split('.')
  const bytes = Buffer.from(body, 'base64url')
  for (let length = 0; length < bytes.length; length++) {
    if (vault.decrypt(`${id}.${bytes.subarray(0, length).toString('base64url')}`, 'session-1') !== undefined) {
      t.fail(`the first ${length} bytes`)
    }
  }
  t.pass(`${bytes.length} bytes`)
  t.end()
})

test('a token under a changed key id does not decrypt', (t) => {
  const sealed = vault.encrypt(token, 'session-1')
  for (let index = 0; index < 8; index++) {
    t.equal(vault.decrypt(
      sealed.slice(0, index) + (sealed[index] === 'A' ? 'B' : 'A') + sealed.slice(index + 1),
      'session-1'
    ), undefined)
  }
  t.end()
})

for (const garbage of [
  '', '.', '..', 'x', 'x.y', 'null', '{}', '__proto__.AAAA', `constructor.${'A'.repeat(60)}`, token, '\0',
  'x'.repeat(100_000)
]) {
  test(`${JSON.stringify(garbage.slice(0, 30))} does not decrypt`, (t) => {
    t.equal(vault.decrypt(garbage, 'session-1'), undefined)
    t.end()
  })
}

test('a token with trailing characters does not decrypt', (t) => {
  const sealed = vault.encrypt(token, 'session-1')
  for (const end of ['.', '.x', '!', ' ', '=', '\n']) {
    t.equal(vault.decrypt(sealed + end, 'session-1'), undefined, JSON.stringify(end))
  }
  t.end()
})
