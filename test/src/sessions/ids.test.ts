import { test } from 'tap'
import { SessionIds } from '../../../src/sessions/ids.js'
import { PgSessionStore } from '../../../src/sessions/store.js'

const key = 'k'.repeat(32)
const older = Buffer.alloc(32, 1)

test('an id is stored unchanged without keys', (t) => {
  t.same(new SessionIds().storedIds('abc'), ['abc'])
  t.end()
})

test('an id is stored as its HMAC-SHA256 under the first key (RFC 2104)', (t) => {
  // printf abc | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk -binary | basenc --base64url
  t.equal(new SessionIds([key]).storedIds('abc')[0], 'h1.r2G2k5Eu_Fbi5G-UlxnqEKnoDWj43PuE4mysUzDaPHQ')
  t.end()
})

test('the stored ids are the hash of each key in order, then the id', (t) => {
  const [first, second, plain, ...more] = new SessionIds([key, older]).storedIds('abc')
  t.equal(first, new SessionIds([key]).storedIds('abc')[0])
  t.equal(second, new SessionIds([older]).storedIds('abc')[0])
  t.equal(plain, 'abc')
  t.same(more, [])
  t.end()
})

for (const keys of [[], [key]]) {
  test(`a stored hash is not a valid id ${keys.length === 0 ? 'without' : 'with'} keys`, (t) => {
    const [stored = ''] = new SessionIds([key]).storedIds('abc')
    t.same(new SessionIds(keys).storedIds(stored), [])
    t.end()
  })

  test(`an invalid id has no stored ids ${keys.length === 0 ? 'without' : 'with'} keys`, (t) => {
    const ids = new SessionIds(keys)
    for (const id of ['', 'a\0b', 'x'.repeat(1025), undefined, null, 1, {}, ['abc']]) {
      t.same(ids.storedIds(id as string), [])
    }
    t.not(ids.storedIds('x'.repeat(1024)).length, 0)
    t.end()
  })
}

const refused: [what: string, hashIds: unknown][] = [
  ['a string of 31 bytes', 'k'.repeat(31)],
  ['a Buffer of 31 bytes', Buffer.alloc(31)],
  ['a second key of 31 bytes', [key, 'k'.repeat(31)]],
  ['an empty string', ''],
  ['an empty list', []],
  ['true', true],
  ['a number', 1]
]
for (const [what, hashIds] of refused) {
  test(`hashIds refuses ${what}`, (t) => {
    t.throws(() => new PgSessionStore({
      conString: 'postgres://127.0.0.1:1/x', pruneSessionInterval: false, hashIds: hashIds as string
    }), { name: 'TypeError', message: /hashIds/ })
    t.end()
  })
}

test('hashIds accepts any key of 32 bytes', async (t) => {
  for (const hashIds of [key, older, [key, older], 'é'.repeat(16)]) {
    const store = new PgSessionStore({
      conString: 'postgres://127.0.0.1:1/x', pruneSessionInterval: false, hashIds
    })
    await store.close()
  }
  t.pass()
})
