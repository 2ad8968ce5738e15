import { test } from 'tap'
import { browser, signIn } from '../support/browser.js'
import { server, sharedServer } from '../support/server.js'

test('GET / has a sign-in button for each role, and creates no row', async (t) => {
  const { url, database } = await server(t, { ROLES: 'INVESTOR,AUDITOR', OPEN_ROLES: 'INVESTOR' })

  const page = await browser().get(url)

  t.match(page.text, /role&#61;INVESTOR">Sign in as Investor</)
  t.match(page.text, /role&#61;AUDITOR">Sign in as Auditor</)
  t.notMatch(page.text, /ADMIN/i)
  t.same(await database.query('SELECT * FROM session'), [])
})

test('GET / shows the signed-in user and a working sign-out button', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url, { role: 'ISSUER', person: 'bob' })

  const page = await user.get(`${url}/`)
  const after = await user.submit(page, 'Sign out')

  t.match(page.text, /Signed in as Bob Sample/)
  t.match(page.text, /id="role">Issuer</)
  t.match(after.text, /Sign in as Investor/)
})

test('GET / says that the user has signed out, for a minute', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  t.notMatch((await user.get(url)).text, /signed out/)
  await signIn(user, url)

  const after = await user.submit(await user.get(url), 'Sign out')

  t.match(after.text, /You have been signed out\./)
  const marker = user.cookie('cashsouk.sid.signed-out')
  t.ok(marker !== undefined && marker.expires <= Date.now() + 60_000)
})

test('GET / shows the labels of ROLE_LABELS, in the language of the browser', async (t) => {
  const { url } = await server(t, { ROLE_LABELS: 'INVESTOR=Portal pelabur,ISSUER=Portal penerbit' })
  const user = browser()

  const page = await user.get(url, { headers: { 'accept-language': 'ms-MY,ms;q=0.9' } })
  await signIn(user, url)
  const signedIn = await user.get(url, { headers: { 'accept-language': 'ms' } })

  t.equal(page.headers.get('content-language'), 'ms')
  for (const text of ['Portal pelabur', 'Portal penerbit', 'Log masuk sebagai Admin']) t.match(page.text, text)
  t.match(signedIn.text, /id="role">Portal pelabur</)
  t.match(signedIn.text, />dalam 14 minit</)
})

test('GET / answers 404 in production', async (t) => {
  const { url } = await server(t, { NODE_ENV: 'production', HOST: '127.0.0.1' })
  t.equal((await fetch(url)).status, 404)
})
