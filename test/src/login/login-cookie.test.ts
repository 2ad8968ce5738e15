import { test } from 'tap'
import { formatLoginCookie, newLoginId, parseLoginCookie } from '../../../src/login/login-cookie.js'

const cookie = { id: newLoginId(), requestedRole: 'ISSUER', returnTo: '/offers?page=2#top' }

test('an id contains its creation second and 128 random bits', (t) => {
  const ids = Array.from({ length: 1000 }, newLoginId)
  for (const id of ids) t.match(id, /^[0-9a-z]{6}-[\w-]{22}$/)
  t.ok(Math.abs(parseInt(ids[0]?.split('-', 1)[0] ?? '', 36) - Date.now() / 1000) < 60)
  t.equal(new Set(ids).size, 1000)
  t.end()
})

test('a formatted cookie parses again and has only safe characters', (t) => {
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

test('a trace goes along, and anything else in its place is dropped', (t) => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  t.same(parseLoginCookie(formatLoginCookie({ ...cookie, traceparent })), { ...cookie, traceparent })
  t.same(parseLoginCookie(formatLoginCookie({ ...cookie, traceparent: 'x y' })), cookie)
  t.end()
})

test('a return URL of more than 256 characters is dropped', (t) => {
  t.same(
    parseLoginCookie(formatLoginCookie({ ...cookie, returnTo: `/${'x'.repeat(256)}` })),
    { ...cookie, returnTo: '/' }
  )
  t.end()
})

test('a long return URL keeps its origin and the beginning of its path', (t) => {
  const kept = (returnTo: string) => parseLoginCookie(formatLoginCookie({ ...cookie, returnTo }))?.returnTo
  t.equal(kept(`/offers/12?${'q'.repeat(256)}`), '/offers/12')
  t.equal(kept(`https://investor.example.com/a/${'x'.repeat(256)}`), 'https://investor.example.com/a/')
  t.end()
})

test('an invalid login cookie parses as undefined', (t) => {
  for (const text of [
    '', '.', 'x', 'x.y', 'N3b0wq3Jk2pZ6ZkqW8oXcAxxYVgMZ6fL', `${cookie.id.slice(1)}.x`, `${cookie.id}x.x`,
    `${cookie.id}.x.y`, `X${formatLoginCookie(cookie)}`
  ]) {
    t.equal(parseLoginCookie(text), undefined, text)
  }
  t.end()
})
