import { test } from 'tap'
import { keptCookies } from '../../local/kept-cookies.js'

test('Cookies are kept, unless they are cleared', async (t) => {
  t.equal(keptCookies([]), '')
  t.equal(keptCookies(['a=1; Path=/; Max-Age=86400; HttpOnly', 'b=2']), 'a=1; b=2')
  t.equal(keptCookies(['a=; Max-Age=0; Path=/', 'b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'c=3']), 'c=3')
})

test('A value that looks like an attribute clears nothing', async (t) => {
  t.equal(keptCookies(['sid.rQN4P1970w=x; Path=/', 'b=Max-Age=0; Path=/']), 'sid.rQN4P1970w=x; b=Max-Age=0')
})
