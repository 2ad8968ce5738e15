import { test } from 'tap'
import { otherSites } from '../../src/site.js'

for (const [publicUrl, origin] of [
  ['https://auth.example.com', 'https://investor.example.com'],
  ['https://auth.example.com', 'https://example.com:8443'],
  ['https://auth.cashsouk.com.my', 'https://www.cashsouk.com.my'],
  ['http://localhost:3000', 'http://localhost:5173'],
  ['http://127.0.0.1:3000', 'http://127.0.0.1:5173'],
  ['http://[::1]:3000', 'http://[::1]'],
  ['https://a.b.example.test', 'https://c.example.test']
] as const) {
  test(`${origin} is on the site of ${publicUrl}`, (t) => {
    t.same(otherSites(publicUrl, [origin]), [])
    t.end()
  })
}

for (const [publicUrl, origin] of [
  ['https://auth.example.com', 'https://portal.example.org'],
  ['https://auth.example.com', 'http://investor.example.com'],
  ['https://auth.cashsouk.com.my', 'https://other.com.my'],
  ['https://auth.example.co.uk', 'https://portal.other.co.uk'],
  ['https://auth.github.io', 'https://portal.github.io'],
  ['https://auth.vercel.app', 'https://portal.vercel.app'],
  ['http://localhost:3000', 'http://127.0.0.1:3000'],
  ['http://127.0.0.1:3000', 'http://127.0.0.2:3000'],
  ['https://auth.example.com', 'http://localhost:5173']
] as const) {
  test(`${origin} is on another site than ${publicUrl}`, (t) => {
    t.same(otherSites(publicUrl, [publicUrl, origin]), [origin])
    t.end()
  })
}
