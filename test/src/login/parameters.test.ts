import { test } from 'tap'
import { withoutEmpty } from '../../../src/login/parameters.js'

test('an empty parameter is an absent one', (t) => {
  t.strictSame(withoutEmpty({ role: '', returnTo: '/', lang: '' }), { returnTo: '/' })
  t.strictSame(withoutEmpty({}), {})
  t.end()
})

test('blanks and repeated parameters are kept as they are', (t) => {
  const query = { role: ' ', lang: ['', ''], prompt: ['', 'x'] }
  t.strictSame(withoutEmpty(query), query)
  t.end()
})
