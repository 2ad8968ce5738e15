import { test } from 'tap'
import { cleanDescription } from '../../../src/login/error-description.js'

const token = `eyJhbGciOiJSUzI1NiJ9.${'x'.repeat(40)}.${'y'.repeat(40)}`

for (const [what, given, expected] of [
  ['a sentence', 'PreSignUp failed with error not a member.', 'PreSignUp failed with error not a member.'],
  ['letters of any script', 'Пользователь не найден, ошибка Größe', 'Пользователь не найден, ошибка Größe'],
  ['blanks around and within it', '  two \t  words ', 'two words'],
  ['line breaks', 'one\r\n{"level":60}\n\u2028two\u2029\u0085three', 'one {"level":60} two three'],
  ['controls', 'a\u0000b\u001b[31mc\u007fd\u009fe', 'a b [31mc d e'],
  ['characters that change the direction', 'a\u202eb\u200bc\ufeffd\u2066e', 'a b c d e'],
  ['half a surrogate pair', 'a\ud800b', 'a b'],
  ['a URL with a code', 'see https://a.example.com/callback?code=abc&state=x please', 'see [URL] please'],
  ['a URL of another scheme', 'myapp://callback?code=abc', '[URL]'],
  ['an e-mail address', 'PostConfirmation failed for alice@example.com.', 'PostConfirmation failed for [address]'],
  ['a token', `the token ${token} is invalid`, 'the token [removed] is invalid'],
  ['a long word', `id 3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f`, 'id [removed]'],
  ['a short code', 'code=abc state: x refresh_token=y', 'code=[removed] state=[removed] refresh_token=[removed]'],
  ['an encoded URL', 'https%3A%2F%2Fa.example.com%2F%3Fcode%3Dabc', '[removed]'],
  ['nothing', '', undefined],
  ['blanks alone', ' \u0000\n', undefined]
] as const) {
  test(`of ${what}, the log gets ${String(expected)}`, (t) => {
    t.equal(cleanDescription(given), expected)
    t.end()
  })
}

test('a description is cut to 200 characters', (t) => {
  const words = 'word '.repeat(1000)
  t.equal(cleanDescription(words.slice(0, 200).trim()), words.slice(0, 199))
  t.equal(cleanDescription(words), `${words.slice(0, 199)}…`)
  const emoji = '🦊 '.repeat(300)
  t.equal(Array.from(cleanDescription(emoji) ?? '').length, 200)
  t.notMatch(cleanDescription(emoji), /\ud83e(?![\udc00-\udfff])/, 'no character is cut in two')
  t.end()
})

test('a long description is cleaned in no time', (t) => {
  const start = performance.now()
  for (const part of ['a:', 'a@', 'code ', '://', 'x', 'token', ' ', '\0']) cleanDescription(part.repeat(50_000))
  t.ok(performance.now() - start < 500)
  t.end()
})
