import fc from 'fast-check'
import { test } from 'tap'
import { loadConfig, type Config } from '../../src/config.js'
import { homeOrigins, homeUrl, homeUrls } from '../../src/login/home-url.js'
import { anyString, holds } from '../support/properties.js'

const ROLES = ['INVESTOR', 'ISSUER', 'ADMIN', 'https', 'constructor']
const required = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://auth.example.com',
  DATABASE_URL: 'postgres://user:word@db.example.com:5432/auth',
  SESSION_SECRET: 'a secret of a test and of nothing else',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
  COGNITO_DOMAIN: 'https://example.auth.eu-west-1.amazoncognito.com',
  COGNITO_CLIENT_ID: 'client',
  COGNITO_CLIENT_SECRET: 'secret',
  ROLES: ROLES.join(','),
  OPEN_ROLES: 'INVESTOR'
}

const address = fc
  .tuple(
    fc.constantFrom('https://www.example.com', 'https://a.example.org:8443', 'http://localhost:5173', 'http://[::1]'),
    fc.constantFrom('', '/', '/start', '/a=b/c', '/?x=y&z=INVESTOR=https://evil.example/', '/#top')
  )
  .map((parts) => parts.join(''))
const pairs = fc.uniqueArray(fc.tuple(fc.constantFrom(...ROLES), address), { selector: ([role]) => role, minLength: 1 })
const written = pairs.map((all) => all.map((pair) => pair.join('=')).join(','))

test('each role of HOME_URL has its own address, and any other none', async () => {
  await holds(fc.property(pairs, (all) => {
    const HOME_URL = all.map((pair) => pair.join('=')).join(',')
    const urls = homeUrls(loadConfig({ ...required, HOME_URL }))
    const expected = new Map(all)
    return homeUrl(urls, undefined) === undefined && [...ROLES, 'x', '*', 'toString'].every((role) => {
      const url = expected.get(role)
      return homeUrl(urls, role) === (url === undefined ? undefined : new URL(url).href)
    })
  }))
})

test('one HOME_URL is the address of every role and of guests', async () => {
  await holds(fc.property(address, fc.constantFrom(undefined, ...ROLES, 'x'), (HOME_URL, role) =>
    homeUrl(homeUrls(loadConfig({ ...required, HOME_URL })), role) === new URL(HOME_URL).href))
})

test('an accepted HOME_URL leads to https or to this machine, never to the login', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ',', '=', 'INVESTOR=', 'ISSUER=', 'AUDITOR=', '*=', 'https://', 'http://', '//', '\\', '@', '?', '#', ' ', '\n',
      'auth.example.com', 'www.example.com', 'evil.example', 'localhost', '127.0.0.1', 'user:word@', '/api/auth/login',
      '/api/auth/callback', '/%61pi/auth/login', 'javascript:alert(1)', 'https://auth.example.com/api/auth/login'
    ),
    anyString(3)
  )
  const pieces = fc.array(fc.oneof(piece, written, address), { maxLength: 6 }).map((all) => all.join(''))
  const refused = fc.tuple(
    fc.constantFrom('', 'INVESTOR=', 'ISSUER=https://www.example.com/,INVESTOR='),
    fc.constantFrom(
      'http://www.example.com/', 'https://user:word@www.example.com/', 'https://auth.example.com/api/auth/login',
      'https://auth.example.com/api/auth/callback?x=y', 'https://auth.example.com/x/../api/auth/login/'
    )
  ).map((parts) => parts.join(''))
  const odd = fc.oneof(written, address, refused, pieces)
  await holds(fc.property(odd, (HOME_URL) => {
    let config: Config
    try {
      config = loadConfig({ ...required, HOME_URL })
    } catch (error) {
      return (error as Error).message.split('\n').slice(1).every((line) => line.startsWith('HOME_URL '))
    }
    const urls = homeUrls(config)
    return homeOrigins(urls).every((origin) => new URL(origin).origin === origin) && [...urls.values()].every((url) => {
      const { protocol, hostname, origin, pathname, username } = new URL(url)
      const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
      const isLogin = origin === required.PUBLIC_URL && /^\/api\/auth\/(login|callback)\/*$/.test(decodeURI(pathname))
      return (protocol === 'https:' || (protocol === 'http:' && isLoopback)) && username === '' && !isLogin &&
        /^[\x21-\x7e]+$/.test(url)
    })
  }))
})
