import { test } from 'tap'
import { fitReturnTo, safeReturnTo } from '../../../src/login/return-to.js'

const publicUrl = 'https://auth.example.com'
const origins = ['https://investor.example.com', 'https://issuer.example.com:8443', 'http://localhost:5173']
const safe = (returnTo: string) => safeReturnTo(returnTo, publicUrl, origins)

const good: [returnTo: string, location?: string][] = [
  ['/'], ['/offers'], ['/offers/'], ['/offers?page=2&sort=-date#top'],
  ['/?next=https://evil.example/'], ['/#//evil.example'],
  ['/a//b'], ['/a/%2F%2Fevil.example'], ['/%2f%2fevil.example'], ['/%5Cevil.example'],
  ['/%09/evil.example'], ['/%0d%0aSet-Cookie:x=1'],
  ['/@evil.example'], ['/https://evil.example'], ['/:80'], ['/a;b=c,d'],
  ['/caf%C3%A9?q=%F0%9F%98%80'], ['/%'], ['/%zz'], ['/a?b?c#d#e'], ['/javascript:alert(1)'],
  ['/a/../b', '/b'], ['/../../b', '/b'], ['/./b', '/b'], ['/%2e%2e/b', '/b'], ['/a/.', '/a/'],
  ['/a"b<c>', '/a%22b%3Cc%3E'],
  ['/;//evil.example'], ['/;@evil.example'], ['/%252f%252fevil.example'], ['/%255cevil.example'],
  ['/%25%32%66/evil.example'], ['/%u002fevil.example'], ['/%c0%af/evil.example'],
  ['/api/auth/me'], ['/api/auth/logout'], ['/api/auth/login2'], ['/api/auth/login/more'],
  ['/api/auth%252flogin'], ['/api/auth/%2561callback'], ['/offers?next=/api/auth/login'],
  ['https://investor.example.com/api/auth/login'],
  ['https://investor.example.com:/@evil.example:443@', 'https://investor.example.com/@evil.example:443@'],
  [publicUrl, `${publicUrl}/`], [`${publicUrl}/offers?page=2#top`],
  [`${publicUrl}:443/offers`, `${publicUrl}/offers`],
  ['https://AUTH.example.com/A', `${publicUrl}/A`],
  ['https://investor.example.com', 'https://investor.example.com/'],
  ['https://investor.example.com/portfolio?tab=1#x'],
  ['https://investor.example.com?x', 'https://investor.example.com/?x'],
  ['https://investor.example.com/a@b'], ['https://investor.example.com/?mail=a@b'],
  ['https://investor.example.com/#@b'], ['https://investor.example.com//evil.example'],
  ['https://investor.example.com/a/../b', 'https://investor.example.com/b'],
  ['https://issuer.example.com:8443/'], ['http://localhost:5173/callback'],
  ['https://%69nvestor.example.com/', 'https://investor.example.com/'],
  [`/${'x'.repeat(2047)}`],
  // Encoded as a browser does.
  ['/kunden/M\u00fcller', '/kunden/M%C3%BCller'], ['/reports/Q1 2026', '/reports/Q1%202026'], ['/a b', '/a%20b'],
  ['/caf\u00e9', '/caf%C3%A9'], ['/caf\u00e9?q=\u{1f600}#\u00fc', '/caf%C3%A9?q=%F0%9F%98%80#%C3%BC'],
  ['/search?q=a b', '/search?q=a%20b'], ['/#a b', '/#a%20b'], ['/ /evil.example', '/%20/evil.example'],
  ['/\uff0fevil.example', '/%EF%BC%8Fevil.example'], ['/\uff0e\uff0e/evil', '/%EF%BC%8E%EF%BC%8E/evil'],
  ['/a\u00a0b', '/a%C2%A0b'], ['/\u200d\u202e\u00ad', '/%E2%80%8D%E2%80%AE%C2%AD'],
  ['/M\u00fcller%20%26', '/M%C3%BCller%20%26'],
  ['https://investor.example.com/M\u00fcller?q=a b#\u00fc', 'https://investor.example.com/M%C3%BCller?q=a%20b#%C3%BC'],
  [`/${'\u00e9'.repeat(341)}`, `/${'%C3%A9'.repeat(341)}`]
]

for (const [returnTo, location = returnTo] of good) {
  test(`a login may return to ${/^[ -~]*$/.test(returnTo) ? returnTo.slice(0, 60) : printable(returnTo)}`, (t) => {
    t.equal(safe(returnTo), location)
    t.end()
  })
}

const bad: string[] = [
  // Empty, relative, too long.
  '', ' ', 'offers', './offers', '../offers', '?page=2', '#top', `/${'x'.repeat(2048)}`,
  `${publicUrl}/${'x'.repeat(2048)}`,
  // A path that a browser reads as a host.
  '//', '///', '//evil.example', '///evil.example', '////evil.example', '//auth.example.com/',
  '//evil.example@auth.example.com/', '//\\evil.example',
  '/\\', '/\\evil.example', '/\\/evil.example', '\\\\evil.example', '\\/evil.example',
  '\\evil.example', '/\\\\evil.example', '/a\\b',
  // Dots that leave `//` behind.
  '/..//evil.example', '/.//evil.example', '/../..//evil.example', '/a/..//evil.example',
  '/%2e%2e//evil.example', '/%2e//evil.example', '/.%2E//evil.example', '/a/b/../..//evil.example',
  // Characters that the URL parser drops silently.
  '/\t/evil.example', '/\n/evil.example', '/\r/evil.example', '\t//evil.example', '\n/offers',
  ' /offers', '/offers ', ' //evil.example', '/\u0000', '/a\u007f', '/\u0000/evil.example',
  'ht\ttps://investor.example.com/', 'https:\n//investor.example.com/',
  '/offers\r\nSet-Cookie: x=1', '\ufeff/offers', '/\u00a0', '/\u2028',
  // Other controls: U+0080 to U+009F, and separators of lines and paragraphs.
  '/a\u0080', '/a\u0085b', '/a\u2028b', '/a\u2029b', 'https://investor.example.com/a\u0085b',
  // Characters outside ASCII, in a host or in the place of one.
  '\uff0f\uff0fevil.example', '//evil\u3002example',
  'https://b\u00fccher.example.com/', 'https://investor.example.com\uff0fevil.example/',
  'https://investor.example.com\uff1f.evil.example/', 'https://investor.example.com\u00ad/',
  'https://investor .example.com/', 'https://investor.example.com /',
  // Encoded, they are longer than is kept.
  `/${'\u00e9'.repeat(342)}`, `/?q=${' '.repeat(682)}x`,
  'https://investor\u3002example.com/', 'https://investor.example\uff0ecom/',
  'https://investor.ex\u0430mple.com/', '/\ud800', 'https://\u2488example.com',
  // Other schemes, and unusual forms of http and https.
  'javascript:alert(1)', 'JavaScript:alert(1)', 'data:text/html,x', 'vbscript:x',
  'file:///etc/passwd', 'ftp://auth.example.com/', 'blob:https://auth.example.com/x',
  'view-source:https://auth.example.com/', 'mailto:a@example.com', 'about:blank',
  'ws://auth.example.com/',
  'https:evil.example', 'https:/evil.example', 'https:///evil.example', 'https:auth.example.com',
  'https:/auth.example.com', 'http:evil.example', 'https:', 'https:/', 'https://',
  'https:\\\\investor.example.com/', 'https:/\\evil.example', 'HTTPS://investor.example.com/',
  '://investor.example.com',
  // Other origins.
  'https://evil.example', 'http://auth.example.com/', 'http://investor.example.com/',
  'https://localhost:5173/', 'http://localhost:5174/', 'http://localhost/',
  'http://127.0.0.1:5173/', 'https://investor.example.com:8443/', 'https://issuer.example.com/',
  'https://issuer.example.com:443/', 'https://issuer.example.com:08444/',
  'https://example.com/', 'https://investor.example.com.evil.example/',
  'https://investor.example.com./', 'https://xinvestor.example.com/',
  'https://investor-example.com/', 'https://a.investor.example.com/',
  'https://investor.example.co/', 'https://investor.example.comx/',
  'https://auth.example.com.evil.example', 'https://investor.example.com:99999/', 'https://[::1]/',
  'https://0/',
  'https://evil.example/https://investor.example.com/',
  'https://evil.example?https://investor.example.com/',
  'https://evil.example#https://investor.example.com/',
  'https://evil.example\\@investor.example.com/', 'https://evil.example%2f@investor.example.com/',
  'https://investor.example.com%2eevil.example/', 'https://investor.example.com%00.evil.example/',
  // The routes of login and callback.
  '/api/auth/login', '/api/auth/login?role=ISSUER&returnTo=/', '/api/auth/callback',
  '/api/auth/callback?code=x&state=y', '/api/auth/callback#top', '/x/../api/auth/login',
  '/api/./auth/login', '/api/auth/login/', '/api/auth/login//',
  '/API/auth/Login', '/api/auth/%6cogin', '/api/auth/%6Cogi%6e', '/api%2fauth%2flogin',
  '/%61pi/auth/callback', `${publicUrl}/api/auth/login`,
  `${publicUrl}:443/api/auth/callback?state=x`, 'https://AUTH.example.com/api/auth/%63allback',
  // Hosts that resemble allowed ones: trailing dots, other forms of an address, Punycode.
  'https://auth.example.com./', 'https://auth.example.com.:443/', 'https://investor.example.com../',
  'https://xn--nvestor-hza.example.com/', 'https://investor.xn--xample-2of.com/',
  'http://2130706433:5173/', 'http://0x7f.1:5173/', 'http://[::ffff:127.0.0.1]:5173/',
  'http://localhost.:5173/',
  'https://investor.example.com:0/', 'https://investor.example.com:443@evil.example/',
  'https://investor.example.com;.evil.example/', 'https://investor.example.com,evil.example/',
  'https://investor.example.com%20.evil.example/', 'https://investor.example.com%0a.evil.example/',
  'https://investor.example.com%E3%80%82evil.example/', 'https://[investor.example.com]/',
  // User info, even if it is empty.
  'https://auth.example.com@evil.example/', 'https://user@investor.example.com/',
  'https://user:word@investor.example.com/', 'https://@investor.example.com/',
  'https://:@investor.example.com/', 'https://evil.example@investor.example.com/',
  'https://evil.example:443@investor.example.com/', 'https://auth.example.com:word@evil.example/'
]

for (const returnTo of bad) {
  test(`no login returns to ${printable(returnTo)}`, (t) => {
    t.equal(safe(returnTo), undefined)
    t.end()
  })
}

test('without RETURN_ORIGINS only PUBLIC_URL is allowed', (t) => {
  t.equal(safeReturnTo('/offers', publicUrl, []), '/offers')
  t.equal(safeReturnTo(`${publicUrl}/offers`, publicUrl, []), `${publicUrl}/offers`)
  t.equal(safeReturnTo('https://investor.example.com/', publicUrl, []), undefined)
  t.end()
})

test('the port of PUBLIC_URL must match', (t) => {
  const local = 'http://localhost:3000'
  t.equal(safeReturnTo('/offers', local, []), '/offers')
  t.equal(safeReturnTo(`${local}/offers`, local, []), `${local}/offers`)
  t.equal(safeReturnTo('http://localhost/offers', local, []), undefined)
  t.equal(safeReturnTo('//localhost:3000/offers', local, []), undefined)
  t.end()
})

test('any accepted address is on an allowed origin', (t) => {
  const pieces = [
    '/', '/', '//', '\\', '.', '..', '%2e', '%2f', '%5c', '%09', '\t', '\n', '\r', '\0', ' ', '@',
    ':', '?', '#', ';', '&', '=', '%', '%00', '"', '<', '[', ']',
    'https:', 'http:', 'https://', 'HTTPS://', 'javascript:', 'data:', 'evil.example',
    'auth.example.com', 'investor.example.com', 'issuer.example.com', ':8443', ':443',
    'localhost:5173',
    'user', ':word@', 'a', 'x', '\u3002', '\uff0f', '\u00e9', '\ud800', '\u2028'
  ]
  const starts = [
    '', '', '/', 'https://', 'https://investor.example.com', 'https://auth.example.com',
    'http://localhost:5173', 'https:'
  ]
  const allowed = [publicUrl, ...origins]
  const random = generator(20_240_601)
  const pick = (from: string[]) => from[Math.floor(random() * from.length)] ?? ''
  let accepted = 0
  for (let i = 0; i < 20_000; i++) {
    const returnTo =
      pick(starts) + Array.from({ length: Math.floor(random() * 8) }, () => pick(pieces)).join('')
    const location = safe(returnTo)
    if (location === undefined) continue
    accepted++
    // A browser resolves `Location` against the callback's own address.
    const { origin, username, password } = new URL(location, `${publicUrl}/api/auth/callback`)
    const asked = new URL(returnTo, publicUrl)
    const wrong =
      !allowed.includes(origin) ||
      username + password !== '' ||
      asked.origin !== origin ||
      location.startsWith('//') ||
      /[^\x21-\x7e]|\\/.test(location)
    if (wrong || safe(location) !== location) t.fail(`${printable(returnTo)} led to ${printable(location)}`)
  }
  t.ok(accepted > 1000, `${accepted} were accepted`)
  t.end()
})

function printable (text: string): string {
  return (
    text
      .slice(0, 80)
      .replaceAll(
        /[^\x21-\x7e]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      ) || 'nothing'
  )
}

/** mulberry32: numbers from 0 to 1, the same in every run. */
function generator (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

for (const [returnTo, maxLength, expected] of [
  ['/offers?page=2#top', 18, '/offers?page=2#top'],
  ['/offers?page=2#top', 17, '/offers'],
  ['/offers/12?page=2', 10, '/offers/12'],
  ['/offers/12?page=2', 9, '/offers/'],
  ['/offers/12?page=2', 8, '/offers/'],
  ['/offers/12?page=2', 7, '/'],
  ['/caf%C3%A9/x', 10, '/'],
  ['/a//b', 4, '/a//'],
  ['/a//b', 3, '/a/'],
  ['/api/auth/login/more', 16, '/api/auth/'],
  ['/api/auth/callback//more', 20, '/api/auth/'],
  ['/api/auth%2Flogin/more', 20, '/api/'],
  ['https://investor.example.com/a/b?x', 33, 'https://investor.example.com/a/b?x'.slice(0, 32)],
  ['https://investor.example.com/a/b?x', 31, 'https://investor.example.com/a/'],
  ['https://investor.example.com/a/b?x', 30, 'https://investor.example.com/'],
  ['https://investor.example.com/a/b?x', 29, 'https://investor.example.com/'],
  ['https://investor.example.com/a/b?x', 28, '/'],
  ['/x', 1, '/']
] as const) {
  test(`${returnTo} in ${maxLength} characters is ${expected}`, (t) => {
    t.equal(fitReturnTo(returnTo, maxLength), expected)
    t.equal(safe(expected), expected)
    t.end()
  })
}
