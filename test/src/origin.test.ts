import { test } from 'tap'
import { provenance, type Provenance } from '../../src/origin.js'

const allowed = ['https://auth.example.com', 'https://portal.example.com']
const ours = 'https://auth.example.com'
const portal = 'https://portal.example.com'
const evil = 'https://evil.example'

const requests: [what: string, site: string | undefined, origin: string | undefined, from: Provenance][] = [
  ['from no browser', undefined, undefined, 'unknown'],
  ['from this very origin', 'same-origin', ours, 'own'],
  ['from a page of this origin with Referrer-Policy: no-referrer', 'same-origin', 'null', 'own'],
  ['typed in or bookmarked', 'none', undefined, 'own'],
  ['typed in or bookmarked, with an opaque origin', 'none', 'null', 'own'],
  ['from an allowed origin of the same site', 'same-site', portal, 'own'],
  ['from an allowed origin of another site', 'cross-site', portal, 'own'],
  ['from another origin of the same site', 'same-site', 'https://blog.example.com', 'foreign'],
  ['from another site', 'cross-site', evil, 'foreign'],
  ['from a sandboxed frame of another site', 'cross-site', 'null', 'foreign'],
  ['from another site that hides its origin', 'cross-site', undefined, 'foreign'],
  ['from another origin of the same site that hides its origin', 'same-site', undefined, 'foreign'],
  ['with an unknown Sec-Fetch-Site', 'newer-value', undefined, 'foreign'],
  ['with an unknown Sec-Fetch-Site from an allowed origin', 'newer-value', ours, 'own'],
  ['with two Sec-Fetch-Site', 'same-origin, cross-site', undefined, 'foreign'],
  ['with an empty Sec-Fetch-Site', '', undefined, 'foreign'],
  ['of an old browser, from this origin', undefined, ours, 'own'],
  ['of an old browser, from an allowed origin', undefined, portal, 'own'],
  ['of an old browser, from another site', undefined, evil, 'foreign'],
  ['of an old browser, from an opaque origin', undefined, 'null', 'foreign'],
  ['of an old browser, with an empty Origin', undefined, '', 'foreign'],
  ['from the allowed host over http', undefined, 'http://auth.example.com', 'foreign'],
  ['from the allowed host on another port', undefined, `${ours}:8443`, 'foreign'],
  ['from a host that begins like the allowed one', undefined, `${ours}.evil.example`, 'foreign'],
  ['from a host that ends like the allowed one', undefined, 'https://xauth.example.com', 'foreign'],
  ['with two origins', undefined, `${ours}, ${evil}`, 'foreign'],
  ['from another site, whatever Sec-Fetch-Site says', 'same-origin', evil, 'foreign'],
  ['typed in, from another site', 'none', evil, 'foreign']
]

for (const [what, site, origin, from] of requests) {
  test(`a request ${what} is ${from}`, (t) => {
    const headers = {
      ...(site === undefined ? {} : { 'sec-fetch-site': site }),
      ...(origin === undefined ? {} : { origin })
    }
    t.equal(provenance(headers, allowed), from)
    t.end()
  })
}
