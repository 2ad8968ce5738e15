import { test } from 'tap'
import { proxyFor } from '../../../src/login/egress-proxy.js'

const HTTPS_PROXY = 'http://proxy.example.com:3128'

for (const [NO_PROXY, url, isProxied] of [
  [undefined, 'https://login.example.com', true],
  ['', 'https://login.example.com', true],
  [' , ', 'https://login.example.com', true],
  [undefined, 'http://localhost:3999', false],
  ['login.example.com', 'https://login.example.com', false],
  ['LOGIN.example.com', 'https://login.example.com', false],
  ['example.com', 'https://login.example.com', false],
  ['.example.com', 'https://login.example.com', false],
  ['*.example.com', 'https://login.example.com', false],
  ['localhost, 10.0.0.1 ,example.com', 'https://login.example.com', false],
  ['localhost example.com', 'https://login.example.com', false],
  ['*', 'https://login.example.com', false],
  ['ample.com', 'https://login.example.com', true],
  ['login', 'https://login.example.com', true],
  ['login.example.com.evil.example', 'https://login.example.com', true],
  ['example.com:443', 'https://login.example.com', false],
  ['example.com:8443', 'https://login.example.com', true],
  ['example.com:8443', 'https://login.example.com:8443/pool', false],
  ['10.0.0.1', 'https://10.0.0.1/pool', false],
  ['10.0.0.0/8', 'https://10.0.0.1/pool', true],
  ['[fd00::1]', 'https://[fd00::1]/pool', false]
] as const) {
  test(`${url} is ${isProxied ? '' : 'not '}reached through the proxy with NO_PROXY ${String(NO_PROXY)}`, (t) => {
    t.equal(
      proxyFor(url, { HTTPS_PROXY, ...(NO_PROXY === undefined ? {} : { NO_PROXY }) }),
      isProxied ? HTTPS_PROXY : undefined
    )
    t.end()
  })
}

test('without HTTPS_PROXY there is no proxy', (t) => {
  t.equal(proxyFor('https://login.example.com', {}), undefined)
  t.equal(proxyFor('https://login.example.com', { NO_PROXY: 'other.example.com' }), undefined)
  t.end()
})
