import { test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { server, sharedServer } from '../support/server.js'

test('GET / has a sign-in button for each role, and creates no row', async (t) => {
  const { url, database } = await server(t, { ROLES: 'INVESTOR,AUDITOR', OPEN_ROLES: 'INVESTOR' })

  const page = await browser().get(url)

  t.match(page.text, /Sign in as INVESTOR/)
  t.match(page.text, /Sign in as AUDITOR/)
  t.notMatch(page.text, /ADMIN/)
  t.same(await database.query('SELECT * FROM session'), [])
})

test('GET / shows the signed-in user and a working sign-out button', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url, { role: 'ISSUER', person: 'bob' })

  const page = await user.get(`${url}/`)
  const after = await user.submit(page, 'Sign out')

  t.match(page.text, /Signed in as Bob Sample/)
  t.match(page.text, /id="role">ISSUER</)
  t.match(after.text, /Sign in as INVESTOR/)
})

test('GET / answers 404 in production', async (t) => {
  const { url } = await server(t, { NODE_ENV: 'production', HOST: '127.0.0.1' })
  t.equal((await fetch(url)).status, 404)
})
