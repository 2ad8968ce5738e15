import { test } from 'tap'
import { usedNow } from '../../src/used-now.js'

test('a used session expires after the idle lifetime', (t) => {
  const session = { cookie: { originalMaxAge: 5000, expires: new Date(0) }, basket: 'full' }
  const used = usedNow(session, 900)
  const expires = new Date(used.cookie?.expires as Date).getTime()
  t.ok(Math.abs(expires - Date.now() - 900_000) < 1000)
  t.same({ ...used, cookie: { ...used.cookie, expires: new Date(0) } }, session)
  t.equal(session.cookie.expires.getTime(), 0, 'the given session is not changed')
  t.end()
})
