import { test } from 'tap'
import { isFromOtherSite, requestOrigin, type RequestOrigin } from '../../src/origin.js'

const allowed = ['https://auth.example.com', 'https://portal.example.com']
const ours = 'https://auth.example.com'
const portal = 'https://portal.example.com'
const evil = 'https://evil.example'

const requests: [what: string, site: string | undefined, origin: string | undefined, from: RequestOrigin][] = [
  ['from no browser', undefined, undefined, 'unknown'],
  ['from this very origin', 'same-origin', ours, 'same-site'],
  ['from a page of this origin with Referrer-Policy: no-referrer', 'same-origin', 'null', 'same-site'],
  ['typed in or bookmarked', 'none', undefined, 'same-site'],
  ['typed in or bookmarked, with an opaque origin', 'none', 'null', 'same-site'],
  ['from an allowed origin of the same site', 'same-site', portal, 'same-site'],
  ['from an allowed origin of another site', 'cross-site', portal, 'same-site'],
  ['from another origin of the same site', 'same-site', 'https://blog.example.com', 'cross-site'],
  ['from another site', 'cross-site', evil, 'cross-site'],
  ['from a sandboxed frame of another site', 'cross-site', 'null', 'cross-site'],
  ['from another site that hides its origin', 'cross-site', undefined, 'cross-site'],
  ['from another origin of the same site that hides its origin', 'same-site', undefined, 'cross-site'],
  ['with an unknown Sec-Fetch-Site', 'newer-value', undefined, 'cross-site'],
  ['with an unknown Sec-Fetch-Site from an allowed origin', 'newer-value', ours, 'same-site'],
  ['with two Sec-Fetch-Site', 'same-origin, cross-site', undefined, 'cross-site'],
  ['with an empty Sec-Fetch-Site', '', undefined, 'cross-site'],
  ['of an old browser, from this origin', undefined, ours, 'same-site'],
  ['of an old browser, from an allowed origin', undefined, portal, 'same-site'],
  ['of an old browser, from another site', undefined, evil, 'cross-site'],
  ['of an old browser, from an opaque origin', undefined, 'null', 'cross-site'],
  ['of an old browser, with an empty Origin', undefined, '', 'cross-site'],
  ['from the allowed host over http', undefined, 'http://auth.example.com', 'cross-site'],
  ['from the allowed host on another port', undefined, `${ours}:8443`, 'cross-site'],
  ['from a host that begins like the allowed one', undefined, `${ours}.evil.example`, 'cross-site'],
  ['from a host that ends like the allowed one', undefined, 'https://xauth.example.com', 'cross-site'],
  ['with two origins', undefined, `${ours}, ${evil}`, 'cross-site'],
  ['from another site, whatever Sec-Fetch-Site says', 'same-origin', evil, 'cross-site'],
  ['typed in, from another site', 'none', evil, 'cross-site']
]

for (const [what, site, origin, from] of requests) {
  test(`a request ${what} is ${from}`, (t) => {
    const headers = {
      ...(site === undefined ? {} : { 'sec-fetch-site': site }),
      ...(origin === undefined ? {} : { origin })
    }
    t.equal(requestOrigin(headers, allowed), from)
    t.end()
  })
}

for (const [what, headers, other] of [
  ['from no browser', {}, false],
  ['of this very origin', { 'sec-fetch-site': 'same-origin', 'origin': ours }, false],
  ['typed in or bookmarked', { 'sec-fetch-site': 'none' }, false],
  ['of another host of the same site', { 'sec-fetch-site': 'same-site', 'origin': portal }, false],
  ['of another site', { 'sec-fetch-site': 'cross-site', 'origin': portal }, true],
  ['of another site that hides its origin', { 'sec-fetch-site': 'cross-site', 'origin': 'null' }, true],
  ['of an old browser, of this very origin', { origin: ours }, false],
  ['of an old browser, of another host', { origin: portal }, true]
] as const) {
  test(`a request ${what} comes ${other ? '' : 'not '}from another site`, (t) => {
    t.equal(isFromOtherSite(headers, ours), other)
    t.end()
  })
}
