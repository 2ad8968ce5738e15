import { test } from 'tap'
import { cookieValues, hasCookie } from '../../src/cookie-header.js'

for (const [header, values] of [
  ['', []], [
    'sid', []
  ], ['sid=', ['']], ['sid=a', ['a']], ['a=b; sid=c', ['c']], ['sid=a; sid=b;sid=c ; sid=a', ['a', 'b', 'c', 'a']],
  ['sid2=a; xsid=b; Sid=c; sid.login.x=d', []], [
    'sid = a ', ['a']
  ], ['sid=a=b=c', ['a=b=c']], ['sid=s%3Aa%2Eb', ['s:a.b']], ['sid=%E0%A4%A; sid=%zz; sid=%', ['%E0%A4%A', '%zz', '%']],
  [';;; ;sid=a;;', ['a']], ['sid="a"', ['"a"']], ['__proto__=x; sid=a', ['a']],
  ['a=x sid=b', []], ['a=x sid=b; sid=c', ['c']], ['  sid=a', ['a']], ['a=b;sid=c;d=e', ['c']], ['a=b;\tsid=c', ['c']],
  ['sid=sid', ['sid']], ['sid=a sid=b', ['a sid=b']]
] as [string, string[]][]) {
  test(`${JSON.stringify(header)} has ${values.length} cookies named sid`, (t) => {
    t.same(cookieValues(header, 'sid'), values)
    t.equal(hasCookie(header, (name) => name === 'sid'), values.length > 0)
    t.end()
  })
}

test('names of Object.prototype are ordinary names', (t) => {
  t.same(cookieValues('__proto__=a; constructor=b', '__proto__'), ['a'])
  t.same(cookieValues('a=1', 'constructor'), [])
  t.end()
})
