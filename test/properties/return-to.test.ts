import fc from 'fast-check'
import { test } from 'tap'
import { fitReturnTo, safeReturnTo } from '../../src/login/return-to.js'
import { anyString, holds } from '../support/properties.js'

const publicUrls = [
  'https://auth.example.com', 'http://localhost:3000', 'https://auth.example.com:8443',
  'https://[2001:db8::1]'
]
const origins = [
  'https://investor.example.com', 'https://issuer.example.com:8443', 'http://localhost:5173',
  'https://xn--zrich-kva.example'
]

/** Parts of addresses, including those that parsers treat differently. */
const piece = fc.oneof(
  fc.constantFrom(
    '/', '//', '\\', '.', '..', '%2e', '%2E', '%2f', '%5c', '%09', '%0a', '%00', '%', '\t', '\n',
    '\r', '\0', ' ', '@', ':', '?', '#', ';', '&', '=', '[', ']', '|', '^', '"', '<', '`', '~',
    'https:', 'http:', 'https://', 'HTTPS://', 'hTTp://', 'javascript:', 'data:text/html,', 'blob:',
    'file:', 'ftp:', 'ws:', 'view-source:',
    'evil.example', 'auth.example.com', 'investor.example.com', 'issuer.example.com', 'localhost',
    ':8443', ':443', ':80', ':5173', ':3000', ':0', ':65536', '[2001:db8::1]', '127.0.0.1',
    '0x7f.1', '2130706433',
    'user', ':word@', 'xn--', '\u3002', '\uff0f', '\uff0e', '\u2044', '\u00e9', '\u00ad', '\u200b',
    '\u202e', '\ud800', '\u2028', '\ufeff', 'ß', 'K'
  ),
  anyString(3)
)
const start = fc.constantFrom('', '/', '//', '/\\', 'https://', 'https:', ...publicUrls, ...origins)
/** Parts that change the meaning of an address. */
const structure = fc.constantFrom(
  '/', '/', '//', '\\', '.', '..', '%2e', '\t', '@', ':', '?', '#', 'evil.example',
  'auth.example.com'
)
const address = fc
  .tuple(start, fc.oneof(fc.array(structure, { maxLength: 6 }), fc.array(piece, { maxLength: 8 })))
  .map(([begin, pieces]) => begin + pieces.join(''))

test('an accepted address leads to an allowed origin', async () => {
  await holds(
    fc.property(
      fc.oneof({ weight: 9, arbitrary: address }, { weight: 1, arbitrary: anyString(60) }),
      fc.constantFrom(...publicUrls),
      fc.subarray(origins),
      (returnTo, publicUrl, allowed) => {
        const location = safeReturnTo(returnTo, publicUrl, allowed)
        if (location === undefined) return true
        // A browser resolves Location against the callback's address, and a link against the page's.
        return (
          [`${publicUrl}/api/auth/callback?code=x`, `${publicUrl}/`, publicUrl].every((base) => {
            const { origin, username, password, protocol } = new URL(location, base)
            return (
              [publicUrl, ...allowed].includes(origin) &&
              username === '' &&
              password === '' &&
              /^https?:$/.test(protocol)
            )
          }) &&
          /^[\x21-\x7e]+$/.test(location) &&
          !location.includes('\\') &&
          !location.startsWith('//') &&
          // The address is checked again when it is used, with the same result.
          safeReturnTo(location, publicUrl, allowed) === location &&
          // It survives encoding in the query of the next login.
          new URLSearchParams(new URLSearchParams({ returnTo: location }).toString()).get(
            'returnTo'
          ) === location
        )
      }
    )
  )
})

test('an address is encoded as a browser encodes it', async () => {
  const origin = publicUrls[0] as string
  const printable = fc.stringMatching(/^[^\p{C}\p{Z}\\/?#.%]{1,20}$/u)
  const text = fc.oneof(printable, fc.tuple(printable, printable).map(([one, other]) => `${one} ${other}`))
  await holds(
    fc.property(
      fc.constantFrom('', origin, ...origins),
      fc.array(text, { minLength: 1, maxLength: 6 }),
      fc.option(text),
      fc.option(text),
      (at, segments, query, fragment) => {
        const returnTo = `${at}/${segments.join('/')}${query === null ? '' : `?q=${query}`}` +
          (fragment === null ? '' : `#${fragment}`)
        const { href } = new URL(returnTo, origin)
        const expected = at === '' ? href.slice(origin.length) : href
        return safeReturnTo(returnTo, origin, origins) === (expected.length > 2048 ? undefined : expected)
      }
    )
  )
})

test('an address with a control or a backslash is refused', async () => {
  const forbidden = fc.constantFrom(
    '\0', '\t', '\n', '\r', '\x1f', '\x7f', '\x80', '\x9f', '\u2028', '\u2029', '\\'
  )
  await holds(
    fc.property(
      fc.constantFrom('/', ...origins.map((origin) => `${origin}/`)), anyString(10), forbidden, anyString(10),
      (begin, before, character, after) =>
        safeReturnTo(begin + before + character + after, publicUrls[0] as string, origins) === undefined
    )
  )
})

test('simple paths and URLs on allowed origins are accepted', async () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,20}$/)
  await holds(
    fc.property(
      fc.constantFrom('', ...publicUrls.slice(0, 1), ...origins),
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.option(segment),
      (origin, segments, query) => {
        const returnTo = `${origin}/${segments.join('/')}${query === null ? '' : `?q=${query}`}`
        return safeReturnTo(returnTo, publicUrls[0] as string, origins) === returnTo
      }
    )
  )
})

test('a shortened address is safe, and leads to the same origin and the beginning of the same path', async () => {
  const segment = fc.oneof(
    fc.webSegment(),
    fc.constantFrom('', 'api', 'auth', '%C3%A9%C3%A9', '..', '%2e', 'a@b')
  )
  const begin = fc.oneof(start, fc.constantFrom('/api/auth/login', '/api/auth/callback/', '/api/auth%2Flogin'))
  const lengths = fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 15, max: 22 }))
  const long = fc.tuple(begin, fc.array(segment, { maxLength: 12 }), fc.option(fc.webQueryParameters()), piece)
    .map(([begin, segments, query, end]) => `${begin}/${segments.join('/')}${query === null ? '' : `?${query}`}${end}`)
  await holds(
    fc.property(
      fc.oneof(long, address), fc.constantFrom(...publicUrls), lengths,
      (given, publicUrl, maxLength) => {
        const returnTo = safeReturnTo(given, publicUrl, origins)
        if (returnTo === undefined) return true
        const kept = fitReturnTo(returnTo, maxLength)
        if (returnTo.length <= maxLength) return kept === returnTo
        const [before, after] = [new URL(returnTo, publicUrl), new URL(kept, publicUrl)]
        const cut = returnTo.slice(kept.length)
        return (
          kept.length <= maxLength && safeReturnTo(kept, publicUrl, origins) === kept &&
          (kept === '/' || (
            before.origin === after.origin && before.pathname.startsWith(after.pathname) &&
            after.search === '' && after.hash === '' &&
            // Cut before the query, or between two segments.
            (kept.endsWith('/') || /^[?#]/.test(cut))
          ))
        )
      }
    )
  )
})
