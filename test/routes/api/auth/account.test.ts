import { test } from 'tap'
import { browser, reachCallback, signIn, type Browser } from '../../../support/browser.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/126.0.0.0 Safari/537.36'
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/17.5 Mobile/15E148 Safari/604.1'

async function device (url: string, userAgent: string): Promise<Browser> {
  const user = browser()
  const { callbackUrl } = await reachCallback(user, url)
  await user.get(callbackUrl, { redirect: 'manual', headers: { 'user-agent': userAgent } })
  return user
}

const account = async (user: Browser, { url }: Pick<Setup, 'url'>, headers: Record<string, string> = {}) =>
  user.get(`${url}/api/auth/account`, { redirect: 'manual', headers })

const isSignedIn = async (user: Browser, { url }: Pick<Setup, 'url'>) =>
  (await user.get(`${url}/api/auth/me`)).status === 200

/** As Chromium posts a form of a page without a referrer. */
const ownForm = { 'origin': 'null', 'sec-fetch-site': 'same-origin' }

test('GET /api/auth/account shows the sessions, the current one marked', async (t) => {
  const setup = await sharedServer()
  await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)

  const page = await account(desk, setup)

  t.equal(page.status, 200)
  t.match(page.headers.get('content-type'), /^text\/html/)
  t.equal(page.headers.get('cache-control'), 'no-store')
  t.match(page.text, /You are signed in as Alice Sample\./)
  t.same([...page.text.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, name]) => name), [
    'Chrome on Windows <span class="mark">This browser</span>', 'Safari on iOS'
  ])
  t.match(page.text, /127\.0\.0\.1/)
  t.notMatch(page.text, /<script/)
  const malay = await account(desk, setup, { 'accept-language': 'ms' })
  t.equal(malay.headers.get('content-language'), 'ms')
  t.match(malay.text, /<h2>Safari pada iOS<\/h2>/)
})

test('A guest is sent from /api/auth/account to the login, and comes back to it', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  const answer = await user.get(`${url}/api/auth/account`, { redirect: 'manual' })
  t.equal(answer.status, 303)
  t.equal(answer.location, `${url}/api/auth/login?returnTo=%2Fapi%2Fauth%2Faccount`)
  const { answer: back } = await signIn(user, url, { returnTo: '/api/auth/account' })
  t.equal(back.location, `${url}/api/auth/account`)
})

test('Its button ends a session at that device\'s next request', async (t) => {
  const setup = await sharedServer()
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)

  const page = await desk.submit(await account(desk, setup), 'End session', { headers: ownForm })

  t.match({ status: page.status, url: page.url }, { status: 200, url: `${setup.url}/api/auth/account` })
  t.equal(page.hops[0]?.status, 303)
  t.notMatch(page.text, /Safari on iOS|Sign out everywhere else/)
  t.same([await isSignedIn(phone, setup), await isSignedIn(desk, setup)], [false, true])
  t.match(JSON.parse((await phone.get(`${setup.url}/api/auth/me`)).text), { reason: 'ended_elsewhere' })
})

test('A button that is pressed twice, or too late, leads back to the page', async (t) => {
  const setup = await sharedServer()
  await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const page = await account(desk, setup)
  const press = async () => desk.submit(page, 'End session', { redirect: 'manual', headers: ownForm })
  for (const answer of [...await Promise.all([press(), press()]), await press()]) {
    t.match({ status: answer.status, location: answer.location }, {
      status: 303, location: `${setup.url}/api/auth/account`
    })
  }
})

test('Its button signs out everywhere else', async (t) => {
  const setup = await sharedServer()
  const others = [await device(setup.url, IPHONE), await device(setup.url, CHROME)]
  const desk = await device(setup.url, CHROME)
  const page = await desk.submit(await account(desk, setup), 'Sign out everywhere else', { headers: ownForm })
  t.equal(page.url, `${setup.url}/api/auth/account`)
  t.same(await Promise.all([...others, desk].map(async (user) => isSignedIn(user, setup))), [false, false, true])
})

test('Its button signs out', async (t) => {
  const setup = await sharedServer()
  const desk = await device(setup.url, CHROME)
  await desk.submit(await account(desk, setup), 'Sign out', { headers: ownForm })
  t.notOk(await isSignedIn(desk, setup))
})

test('A form that ends the current session signs out and leads to /', async (t) => {
  const setup = await sharedServer()
  const desk = await device(setup.url, CHROME)
  const [session] = JSON.parse((await desk.get(`${setup.url}/api/auth/sessions`)).text) as { id: string }[]
  const answer = await desk.post(`${setup.url}/api/auth/account/end/${session?.id}`, {}, {
    redirect: 'manual', headers: ownForm
  })
  t.match({ status: answer.status, location: answer.location }, { status: 303, location: `${setup.url}/` })
  t.equal(desk.cookie('cashsouk.sid'), undefined)
  t.same(await rows(setup), [])
})

test('A guest\'s forms lead to the login', async (t) => {
  const { url } = await sharedServer()
  for (const path of ['end', 'end/x']) {
    const answer = await browser().post(`${url}/api/auth/account/${path}`, {}, { redirect: 'manual' })
    t.equal(answer.status, 303)
    t.equal(answer.location, `${url}/api/auth/login?returnTo=%2Fapi%2Fauth%2Faccount`)
  }
})

test('Forms of other sites end nothing', async (t) => {
  const setup = await sharedServer()
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const page = await account(desk, setup)
  for (const button of ['End session', 'Sign out everywhere else']) {
    for (const headers of [
      { origin: 'https://evil.example' }, { 'origin': 'null', 'sec-fetch-site': 'cross-site' }, { origin: 'null' }
    ]) {
      const answer = await desk.submit(page, button, { headers: { accept: 'text/html', ...headers } })
      t.equal(answer.status, 403)
      t.match(answer.text, /ERR_FOREIGN_ORIGIN/)
    }
  }
  t.ok(await isSignedIn(phone, setup))
})

test('Forms have a body of at most 4 KiB, of any type', async (t) => {
  const { url } = await sharedServer()
  const post = async (body: string, type: string) => (await fetch(`${url}/api/auth/account/end`, {
    method: 'POST', redirect: 'manual', body, headers: { 'content-type': type }
  })).status
  t.equal(await post('a=b', 'application/x-www-form-urlencoded'), 303)
  t.equal(await post('{"broken', 'application/json'), 303)
  t.equal(await post('x'.repeat(5000), 'text/plain'), 413)
})

test('ACCOUNT_PAGE=false switches the page and its forms off, and not the API', async (t) => {
  const setup = await server(t, { ACCOUNT_PAGE: 'false' })
  const desk = await device(setup.url, CHROME)
  t.equal((await account(desk, setup)).status, 404)
  for (const path of ['end', 'end/x']) {
    t.equal((await desk.post(`${setup.url}/api/auth/account/${path}`, {}, { redirect: 'manual' })).status, 404)
  }
  const home = await desk.get(`${setup.url}/`)
  t.match(home.text, /Chrome on Windows/)
  t.notMatch(home.text, /account/)
  t.equal((await desk.get(`${setup.url}/api/auth/sessions`)).status, 200)
})

test('A page that cannot be had is an error page', async (t) => {
  const setup = await server(t)
  const desk = await device(setup.url, CHROME)
  t.intercept(setup.fastify.cashsoukAuth.sessionStore, 'listByUser', {
    value: async () => { throw Object.assign(new Error('down'), { code: 'ERR_DATABASE', statusCode: 503 }) }
  })
  const page = await account(desk, setup, { accept: 'text/html' })
  t.equal(page.status, 503)
  t.match(page.text, /briefly unavailable/)
})

test('The page at / lists the sessions of the signed-in user', async (t) => {
  const { url } = await sharedServer()
  await device(url, IPHONE)
  const desk = await device(url, CHROME)
  const page = await desk.get(`${url}/`)
  t.match(page.text, /Signed in as Alice Sample/)
  t.match(page.text, /<h3>Chrome on Windows <span class="mark">This browser<\/span><\/h3>/)
  t.match(page.text, /<h3>Safari on iOS<\/h3>/)
  t.match(page.text, /href="\/api\/auth\/account">Manage sessions</)
})
