import { test } from 'tap'
import { deviceInWords, deviceOf } from '../../src/device.js'

for (const [userAgent, words] of [
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    'Chrome on Windows'
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 ' +
    'Safari/537.36 Edg/126.0.0.0',
    'Microsoft Edge on Windows'
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 ' +
    'Safari/605.1.15',
    'Safari on macOS'
  ],
  [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36',
    'Chrome on Android'
  ],
  [
    'Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 ' +
    'Mobile/15E148 Safari/604.1',
    'Chrome on iOS'
  ],
  ['', undefined],
  ['x', undefined],
  ['<script>alert(1)</script>/1 (x)', undefined],
  [`${'x'.repeat(200)}/1 (x)`, undefined]
] as const) {
  test(`A user agent in words: ${String(words)} of ${userAgent.slice(0, 40)}`, (t) => {
    t.equal(deviceInWords(deviceOf(userAgent)), words)
    t.end()
  })
}

test('A session without a user agent has no device', (t) => {
  t.same(deviceOf(undefined), {})
  t.end()
})

test('A user agent of the greatest length is read at once', (t) => {
  const start = performance.now()
  for (const part of ['(', ' ', 'a/', 'Mozilla/5.0 (', ';', 'Version/']) {
    for (let i = 0; i < 20; i++) deviceOf(part.repeat(256).slice(0, 256))
  }
  t.ok(performance.now() - start < 2000)
  t.end()
})
