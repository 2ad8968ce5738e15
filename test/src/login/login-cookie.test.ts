import { test } from 'tap'
import { formatLoginCookie, newLoginId, parseLoginCookie } from '../../../src/login/login-cookie.js'

const cookie = { id: newLoginId(), requestedRole: 'ISSUER', returnTo: '/offers?page=2#top' }

test('an id is the second in which it was made, and 128 random bits', (t) => {
  const ids = Array.from({ length: 1000 }, newLoginId)
  for (const id of ids) t.match(id, /^[0-9a-z]{6}-[\w-]{22}$/)
  t.ok(Math.abs(parseInt(ids[0]?.split('-', 1)[0] ?? '', 36) - Date.now() / 1000) < 60)
  t.equal(new Set(ids).size, 1000)
  t.end()
})

test('what is written is read again, in characters that every cookie may have', (t) => {
  for (const returnTo of [
    '/',
    cookie.returnTo,
    'https://investor.example.com/a;b,c="d"?e=%20',
    `/${'x'.repeat(255)}`
  ]) {
    const text = formatLoginCookie({ ...cookie, returnTo })
    t.match(text, /^[\w.-]+$/)
    t.same(parseLoginCookie(text), { ...cookie, returnTo })
  }
  t.end()
})

test('a return address of more than 256 characters is not kept', (t) => {
  t.same(
    parseLoginCookie(formatLoginCookie({ ...cookie, returnTo: `/${'x'.repeat(256)}` })),
    { ...cookie, returnTo: '/' }
  )
  t.end()
})

test('what is not a login cookie is undefined: a session\'s id, too, is signed by us', (t) => {
  for (const text of [
    '', '.', 'x', 'x.y', 'N3b0wq3Jk2pZ6ZkqW8oXcAxxYVgMZ6fL', `${cookie.id.slice(1)}.x`, `${cookie.id}x.x`,
    `${cookie.id}.x.y`, `X${formatLoginCookie(cookie)}`
  ]) {
    t.equal(parseLoginCookie(text), undefined, text)
  }
  t.end()
})
