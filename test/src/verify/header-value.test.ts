import { test } from 'tap'
import { headerValue } from '../../../src/verify/header-value.js'

test('ASCII without spaces and % is its own value', (t) => {
  const text = String.fromCharCode(...Array.from({ length: 94 }, (_, n) => n + 33)).replace('%', '')
  t.equal(headerValue(text), text)
  t.equal(headerValue(''), '')
  t.end()
})

test('Everything else is percent-encoded, so that decodeURIComponent gives it back', (t) => {
  for (const text of [' a b ', '100%', '%41', 'é', '\u{1F600}', '\0\r\n\x7f', 'a,b']) {
    const value = headerValue(text)
    t.match(value, /^[\x21-\x7e]+$/)
    t.equal(decodeURIComponent(value), text)
  }
  t.equal(headerValue('José'), 'Jos%C3%A9')
  t.end()
})

test('No two texts have the same value', (t) => {
  t.not(headerValue('%41'), headerValue('A'))
  t.end()
})

test('A text that is too long, and what is no text, has an empty value', (t) => {
  t.equal(headerValue('é'.repeat(160)).length, 960)
  t.equal(headerValue('é'.repeat(161)), '')
  t.equal(headerValue('x'.repeat(961)), '')
  for (const value of [undefined, null, 7, {}, ['a']]) t.equal(headerValue(value), '')
  t.end()
})

test('A lone surrogate becomes the replacement character', (t) => {
  t.equal(decodeURIComponent(headerValue('a\ud800')), 'a\ufffd')
  t.end()
})
