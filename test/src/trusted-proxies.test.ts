import { test } from 'tap'
import { trustedProxies } from '../../src/trusted-proxies.js'

test('Addresses and ranges of TRUST_PROXY are trusted, also as IPv4-mapped IPv6', (t) => {
  const isTrusted = trustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'])
  for (const address of ['10.255.0.1', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8:1::1', '::1']) {
    t.ok(isTrusted(address), address)
  }
  for (const address of ['11.0.0.1', '::ffff:11.1.2.3', '192.0.2.8', '2001:db9::1', '', 'localhost', undefined]) {
    t.notOk(isTrusted(address), String(address))
  }
  t.notOk(trustedProxies([])('127.0.0.1'))
  t.end()
})
