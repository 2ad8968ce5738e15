import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import auth from '../../index.js'
import { browser, signIn } from '../support/browser.js'
import { embedded } from '../support/embedded.js'
import { server, sharedServer } from '../support/server.js'

const manual = { redirect: 'manual' } as const

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

test('GET / is a page in production, too', async (t) => {
  const { url } = await server(t, { NODE_ENV: 'production', HOST: '127.0.0.1' })
  const user = browser()
  t.match((await user.get(url)).text, /Sign in as Investor/)

  const { answer } = await signIn(user, url, { role: 'ISSUER' })

  t.equal(answer.location, `${url}/`)
  t.match((await user.get(`${url}/`)).text, /Signed in as Alice Sample/)
})

const investors = 'https://investor.example.com/start?from=auth'
const everyone = 'https://www.example.com/'

test('GET / redirects guests and users to HOME_URL', async (t) => {
  const { url } = await server(t, { HOME_URL: 'https://www.example.com' })
  const user = browser()
  t.match(await user.get(url, manual), { status: 302, location: everyone })

  t.match((await signIn(user, url)).answer, { status: 303, location: everyone })

  t.match(await user.get(url, manual), { status: 302, location: everyone })
})

test('With a HOME_URL per role, a user is sent to that of the role, and a guest gets the page', async (t) => {
  const { url } = await server(t, { HOME_URL: `INVESTOR=${investors}` })
  const [investor, issuer] = [browser(), browser()]
  t.match(await investor.get(url, manual), { status: 200, text: /Sign in as Investor/ })

  t.equal((await signIn(investor, url, { role: 'INVESTOR' })).answer.location, investors)
  t.equal((await signIn(issuer, url, { role: 'ISSUER' })).answer.location, `${url}/`)

  t.match(await investor.get(url, manual), { status: 302, location: investors })
  t.match(await issuer.get(url, manual), { status: 200, text: /Signed in as Alice Sample/ })
})

test('HOME_URL replaces no return address, and a reload of the callback ends there again', async (t) => {
  const { url } = await server(t, { HOME_URL: everyone })
  const user = browser()

  t.equal((await signIn(user, url, { returnTo: '/offers' })).answer.location, `${url}/offers`)
  const { callbackUrl } = await signIn(user, url)

  t.match(await user.get(callbackUrl, manual), { status: 303, location: everyone })
})

test('A HOME_URL that is this page does not redirect in circles', async (t) => {
  const port = await freePort()
  const here = `http://localhost:${port}`
  const { url } = await server(t, { PORT: String(port), PUBLIC_URL: here, HOME_URL: `${here}/?x` })
  t.match(await browser().get(url, manual), { status: 200, text: /Sign in as Investor/ })
})

test('A sign-out through Cognito may end on HOME_URL', async (t) => {
  const { url } = await server(t, { HOME_URL: `INVESTOR=${investors},ISSUER=${everyone}` })
  const { headers } = await browser().get(url)
  t.match(
    headers.get('content-security-policy'),
    /form-action 'self' [^;]* https:\/\/investor\.example\.com https:\/\/www\.example\.com;/
  )
})

test('An application\'s own front page takes the place of this one', async (t) => {
  const { url } = await server(t, {}, undefined, async (app) => { app.get('/', async () => 'its own') })
  t.equal((await browser().get(url)).text, 'its own')
})

for (const slash of ['/', '']) {
  test(`A front page below /sub that is its own HOME_URL, /sub${slash}, does not redirect in circles`, async (t) => {
    const { url } = await embedded(t, {
      path: '/sub/api/auth',
      options: { home: true },
      build: async (app, options) => {
        const homeUrl = `${String(options.publicUrl)}/sub${slash}`
        await app.register(async (scope) => { await scope.register(auth, { ...options, homeUrl }) }, { prefix: '/sub' })
      }
    })
    t.match((await browser().get(`${url}/sub${slash}`)).text, /Sign in as/)
  })
}

test('A HOME_URL that is this page by another name of the machine does not redirect in circles', async (t) => {
  const port = String(await freePort())
  const here = `http://localhost:${port}`
  const { url } = await server(t, { PORT: port, PUBLIC_URL: here, HOME_URL: `http://127.0.0.1:${port}/` })
  t.match((await browser().get(url)).text, /Sign in as/)
})
