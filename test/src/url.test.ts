import { test } from 'tap'
import { isLoopback, parseUrl } from '../../src/url.js'

test('parseUrl parses an absolute URL', (t) => {
  t.equal(parseUrl('https://Example.com:443/a/../b?c#d')?.href, 'https://example.com/b?c#d')
  t.end()
})

test('parseUrl resolves against a base', (t) => {
  t.equal(parseUrl('/b', 'https://example.com/a')?.href, 'https://example.com/b')
  t.end()
})

for (const text of [
  '', '/path', 'example.com', 'https://', 'https://a b', 'https://example.com:99999',
  'https://[::g]'
]) {
  test(`parseUrl gives null for ${JSON.stringify(text)}`, (t) => {
    t.equal(parseUrl(text), null)
    t.end()
  })
}

test('parseUrl gives null for a host that URL.canParse takes once it is optimised', (t) => {
  const text = `http://${Buffer.from('😍').toString('latin1')}`
  let found = 0
  for (let i = 0; i < 50_000; i++) if (parseUrl(text) !== null) found++
  t.equal(found, 0)
  t.end()
})

test('parseUrl gives null when the base is not a URL', (t) => {
  t.equal(parseUrl('/path', 'example.com'), null)
  t.end()
})

for (const url of [
  'http://localhost', 'http://LOCALHOST:3000', 'http://auth.localhost', 'http://127.0.0.1',
  'http://127.1', 'http://127.255.255.254', 'http://2130706433', 'http://[::1]',
  'http://[0:0:0:0:0:0:0:1]:3000'
]) {
  test(`${url} is on loopback`, (t) => {
    t.equal(isLoopback(new URL(url).hostname), true)
    t.end()
  })
}

for (const url of [
  'http://example.com', 'http://localhost.example.com', 'http://notlocalhost', 'http://xlocalhost',
  'http://127.0.0.1.example.com', 'http://127.example.com',
  'http://0.0.0.0', 'http://10.0.0.1', 'http://128.0.0.1', 'http://12.7.0.1', 'http://1.127.0.0',
  'http://[::]', 'http://[::2]', 'http://[::11]', 'http://[fe80::1]'
]) {
  test(`${url} is not on loopback`, (t) => {
    t.equal(isLoopback(new URL(url).hostname), false)
    t.end()
  })
}
