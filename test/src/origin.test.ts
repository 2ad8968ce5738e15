import { test } from 'tap'
import { isForeign } from '../../src/origin.js'

const allowed = ['https://auth.example.com', 'https://portal.example.com']
const ours = 'https://auth.example.com'
const portal = 'https://portal.example.com'
const evil = 'https://evil.example'

const requests: [what: string, site: string | undefined, origin: string | undefined, foreign: boolean][] = [
  ['from no browser', undefined, undefined, false],
  ['from this very origin', 'same-origin', ours, false],
  ['from a page of this origin with Referrer-Policy: no-referrer', 'same-origin', 'null', false],
  ['typed in or bookmarked', 'none', undefined, false],
  ['typed in or bookmarked, with an opaque origin', 'none', 'null', false],
  ['from an allowed origin of the same site', 'same-site', portal, false],
  ['from an allowed origin of another site', 'cross-site', portal, false],
  ['from another origin of the same site', 'same-site', 'https://blog.example.com', true],
  ['from another site', 'cross-site', evil, true],
  ['from a sandboxed frame of another site', 'cross-site', 'null', true],
  ['from another site that hides its origin', 'cross-site', undefined, true],
  ['from another origin of the same site that hides its origin', 'same-site', undefined, true],
  ['with an unknown Sec-Fetch-Site', 'newer-value', undefined, true],
  ['with an unknown Sec-Fetch-Site from an allowed origin', 'newer-value', ours, false],
  ['with two Sec-Fetch-Site', 'same-origin, cross-site', undefined, true],
  ['with an empty Sec-Fetch-Site', '', undefined, true],
  ['of an old browser, from this origin', undefined, ours, false],
  ['of an old browser, from an allowed origin', undefined, portal, false],
  ['of an old browser, from another site', undefined, evil, true],
  ['of an old browser, from an opaque origin', undefined, 'null', true],
  ['of an old browser, with an empty Origin', undefined, '', true],
  ['from the allowed host over http', undefined, 'http://auth.example.com', true],
  ['from the allowed host on another port', undefined, `${ours}:8443`, true],
  ['from a host that begins like the allowed one', undefined, `${ours}.evil.example`, true],
  ['from a host that ends like the allowed one', undefined, 'https://xauth.example.com', true],
  ['with two origins', undefined, `${ours}, ${evil}`, true]
]

for (const [what, site, origin, foreign] of requests) {
  test(`a request ${what} is ${foreign ? '' : 'not '}foreign`, (t) => {
    const headers = { ...(site === undefined ? {} : { 'sec-fetch-site': site }), ...(origin === undefined ? {} : { origin }) }
    t.equal(isForeign(headers, allowed), foreign)
    t.end()
  })
}
