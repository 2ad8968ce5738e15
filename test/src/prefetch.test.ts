import { test } from 'tap'
import { isPrefetch, isSubresource } from '../../src/prefetch.js'

const headers: [headers: Record<string, string>, prefetch: boolean][] = [
  [{ 'sec-purpose': 'prefetch' }, true],
  [{ 'sec-purpose': 'prefetch;prerender' }, true],
  [{ 'sec-purpose': 'prefetch;anonymous-client-ip' }, true],
  [{ 'sec-purpose': 'PREFETCH' }, true],
  [{ 'sec-purpose': 'other, prefetch' }, true],
  [{ purpose: 'prefetch' }, true],
  [{ purpose: 'preview' }, true],
  [{ 'x-moz': 'prefetch' }, true],
  [{ 'x-purpose': 'preview' }, true],
  [{ 'x-sec-purpose': 'prefetch' }, true],
  [{ 'next-router-prefetch': '1' }, true],
  [{ 'next-router-prefetch': '2' }, true],
  [{ 'next-router-prefetch': '' }, false],
  [{}, false],
  [{ 'sec-purpose': '' }, false],
  [{ 'sec-purpose': 'partitioned-popin' }, false],
  [{ 'sec-purpose': 'noprefetching' }, false],
  [{ 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'accept': 'text/html' }, false]
]

for (const [given, prefetch] of headers) {
  test(`a request with ${JSON.stringify(given)} is ${prefetch ? '' : 'not '}a prefetch`, (t) => {
    t.equal(isPrefetch(given), prefetch)
    t.end()
  })
}

for (const [mode, subresource] of [
  ['cors', true], ['no-cors', true], ['same-origin', true], ['', true], ['navigate', false], [undefined, false]
] as const) {
  test(`a request with Sec-Fetch-Mode ${mode} is ${subresource ? '' : 'not '}of a subresource`, (t) => {
    t.equal(isSubresource({ 'sec-fetch-mode': mode }), subresource)
    t.end()
  })
}
