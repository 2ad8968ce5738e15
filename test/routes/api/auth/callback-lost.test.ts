import { test } from 'tap'
import { browser, reachCallback, signIn, type Browser, type Page } from '../../../support/browser.js'
import { button, restart } from '../../../support/error-page.js'
import { pass } from '../../../support/pass.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'

const manual = { redirect: 'manual' } as const
const exchanges = ({ cognito }: Setup) => cognito.requests.filter(({ path }) => path === '/oauth2/token').length

/** The callback's URL as if its login had proposed no new one. */
const withoutProposal = (callbackUrl: string): string => callbackUrl.replace(/(state=(?:retry\.)?[\w-]+)[^&]*/, '$1')

/** Opens the page as a browser does: follows redirects and automatic retries, to the last callback. */
async function open (user: Browser, setup: Setup, url: string): Promise<Page> {
  let next: string | undefined = url
  for (let i = 0; i < 20 && next !== undefined; i++) {
    const page: Page = await user.get(next, manual)
    if (page.status === 303 && page.url.startsWith(`${setup.url}/api/auth/callback`)) return page
    if (page.location === undefined && restart(page) === undefined) return page
    next = page.location ?? restart(page)
  }
  throw new Error('too many redirects')
}

test('A login older than LOGIN_TTL is retried once with role and return URL', async (t) => {
  const setup = await server(t, { LOGIN_TTL: '300' })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER', returnTo: '/offers?page=2#top' })
  await pass(setup.database, 300)

  const answer = await user.get(callbackUrl, manual)

  t.equal(answer.status, 400)
  t.match(answer.text, /id="code">ERR_STATE_UNKNOWN</)
  t.equal(button(answer), `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2Foffers%3Fpage%3D2%23top`)
  t.equal(restart(answer), `${button(answer)}&retry=1`)
  t.equal(exchanges(setup), 0)
  const end = await open(user, setup, callbackUrl)
  t.match({ status: end.status, location: end.location }, { status: 303, location: `${setup.url}/offers?page=2#top` })
  t.match((await rows(setup)).find(({ sess }) => 'user' in sess)?.sess, { role: 'ISSUER' })
})

test('A login cookie keeps role and return URL for a day', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: 'https://investor.example.com' })
  const user = browser()
  const ways = [
    { role: 'ADMIN', returnTo: 'https://investor.example.com/portfolio' },
    { role: 'ISSUER', returnTo: `/${'x'.repeat(300)}` }
  ]
  const [portal, long] = (await Promise.all(ways.map((way) => reachCallback(user, setup.url, way))))
    .map(({ callbackUrl }) => ({ callbackUrl: withoutProposal(callbackUrl) })) as [
    { callbackUrl: string }, { callbackUrl: string }
  ]
  await setup.database.query('DELETE FROM session')
  for (const { expires } of user.cookies.filter(({ name }) => name.startsWith('cashsouk.sid.login.'))) {
    t.ok(expires - Date.now() > 86_000_000)
  }

  t.equal(
    button(await user.get(portal.callbackUrl, manual)),
    `${setup.url}/api/auth/login?role=ADMIN&returnTo=https%3A%2F%2Finvestor.example.com%2Fportfolio`
  )
  t.equal(
    button(await user.get(long.callbackUrl, manual)),
    `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2F`,
    'too long to be kept'
  )

  const narrower = await server(
    t,
    { DATABASE_URL: setup.database.url, ROLES: 'INVESTOR,ADMIN', OPEN_ROLES: 'INVESTOR' }
  )
  const at = (callbackUrl: string) => browser().get(
    callbackUrl.replace(setup.url, narrower.url),
    { ...manual, headers: { cookie: user.cookieHeader(callbackUrl) } }
  )
  t.equal(
    button(await at(portal.callbackUrl)),
    `${narrower.url}/api/auth/login?role=ADMIN&returnTo=%2F`,
    'the origin is no longer allowed'
  )
  t.equal(button(await at(long.callbackUrl)), `${narrower.url}/api/auth/login`, 'the role no longer exists')
})

test('An automatic retry is not retried again', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const first = await reachCallback(user, setup.url, { role: 'ISSUER', returnTo: '/offers' })
  await setup.database.query('DELETE FROM session')
  const { searchParams } = new URL(restart(await user.get(first.callbackUrl, manual)) ?? '')
  t.same(Object.fromEntries(searchParams), { role: 'ISSUER', returnTo: '/offers', retry: '1' })

  const second = await reachCallback(user, setup.url, { query: Object.fromEntries(searchParams) })
  t.match(new URL(second.callbackUrl).searchParams.get('state'), /^retry\.[\w-]{43}\.[\w-]+\.[\w-]{22}$/)
  t.match(
    await rows(setup),
    [{ sess: { state: /^retry\./, nonce: String, requestedRole: 'ISSUER', returnTo: '/offers' } }]
  )
  await setup.database.query('DELETE FROM session')
  const answer = await user.get(second.callbackUrl, manual)

  t.equal(answer.status, 400)
  t.match(answer.text, /id="code">ERR_STATE_UNKNOWN</)
  t.equal(restart(answer), undefined)
  t.equal(
    button(answer),
    `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2Foffers`,
    'a click on it allows an automatic retry again'
  )
  t.notMatch(answer.text, /[Cc]ookies/)
})

test('A login with retry=1 ends like any other', async (t) => {
  const setup = await sharedServer()
  t.equal((await signIn(browser(), setup.url, { role: 'ADMIN', query: { retry: '1' } })).answer.status, 403)
  t.equal((await signIn(
    browser(),
    setup.url,
    { role: 'ISSUER', returnTo: '/offers', query: { retry: '1' } }
  )).answer.location, `${setup.url}/offers`)
  t.equal(
    (await browser().get(`${setup.url}/api/auth/callback?code=x&state=retry.${'x'.repeat(43)}`, manual)).status,
    400
  )
})

test('The second callback reports blocked cookies', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const off = { ...manual, headers: { cookie: '' } }

  const first = await user.get((await reachCallback(user, setup.url, { role: 'ISSUER' })).callbackUrl, off)
  t.equal(first.status, 400)
  t.equal(restart(first), `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2F&retry=1`)
  t.notMatch(first.text, /[Cc]ookies/, 'it may as well be a bookmark')

  const { callbackUrl } = await reachCallback(user, setup.url, { query: { retry: '1' } })
  const second = await user.get(callbackUrl, off)
  t.equal(second.status, 400)
  t.match(second.text, /<h1>Cookies seem to be switched off<\/h1>/)
  t.match(second.text, /id="code">ERR_STATE_UNKNOWN</)
  t.equal(restart(second), undefined)
  t.equal(button(second), `${setup.url}/api/auth/login?role=INVESTOR&returnTo=%2F`)
  t.equal(exchanges(setup), 0)
})

test('A bookmark of the provider\'s page ends signed in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(browser(), setup.url, { role: 'ISSUER', returnTo: '/offers' })

  t.equal(
    restart(await user.get(withoutProposal(callbackUrl), manual)),
    `${setup.url}/api/auth/login?retry=1`,
    'role and return URL of another browser are not revealed, unless the address itself has them'
  )
  t.equal(
    restart(await user.get(callbackUrl, manual)),
    `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2Foffers&retry=1`
  )

  await reachCallback(user, setup.url) // the provider has a session now
  t.equal((await open(user, setup, callbackUrl)).location, `${setup.url}/offers`)
})

test('The page of a lost login is not cached and sends no referrer', async (t) => {
  const { url } = await sharedServer()
  const page = await browser().get(`${url}/api/auth/callback?code=x&state=x`, manual)
  t.equal(page.headers.get('referrer-policy'), 'no-referrer')
  t.equal(page.headers.get('cache-control'), 'no-store')
  t.notMatch(page.text, /<script/)
})

for (const [what, fault, status] of [
  ['an invalid response from Cognito', { token: 500 }, 502],
  ['an invalid ID token', { idToken: 'foreign-key' }, 401]
] as const) {
  test(`A reload after ${what} restarts the login`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    setup.cognito.fault(fault)
    const { answer, callbackUrl } = await signIn(user, setup.url, { role: 'ISSUER', returnTo: '/offers' })
    setup.cognito.fault(undefined)

    t.equal(answer.status, status)
    t.equal(restart(answer), undefined, 'a failed login is not retried automatically')
    t.equal((await open(user, setup, callbackUrl)).location, `${setup.url}/offers`)
    t.same(user.cookies.filter(({ name }) => name.includes('.login.')).length, 1, 'of the login that failed')
  })
}

for (const [what, change] of [
  ['without a state and a code', (url) => {
    url.searchParams.delete('state')
    url.searchParams.delete('code')
  }],
  ['with error=access_denied', (url) => { url.searchParams.set('error', 'access_denied') }],
  ['with error=server_error', (url) => { url.searchParams.set('error', 'server_error') }],
  ['with two states', (url) => { url.searchParams.append('state', 'x') }]
] as [string, (url: URL) => void][]) {
  test(`A callback ${what} is not retried automatically`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    const url = new URL((await reachCallback(user, setup.url, { role: 'ISSUER' })).callbackUrl)
    await setup.database.query('DELETE FROM session')
    change(url)

    const answer = await user.get(url.href, manual)

    t.equal(answer.status, 400)
    t.equal(restart(answer), undefined)
    t.match(button(answer), `${setup.url}/api/auth/login`)
  })
}

for (const [what, accept] of [
  ['A reload of the callback', 'text/html'],
  ['A callback repeated by a script', 'application/json']
] as const) {
  test(`${what} redirects again without a second exchange`, async (t) => {
    const setup = await sharedServer({ RETURN_ORIGINS: 'https://investor.example.com' })
    for (const returnTo of ['/offers?page=2#top', 'https://investor.example.com/portfolio', `/${'x'.repeat(2000)}`]) {
      const user = browser()
      const { callbackUrl, answer } = await signIn(user, setup.url, { returnTo })
      const before = {
        rows: await rows(setup),
        exchanges: exchanges(setup),
        cookie: user.cookie('cashsouk.sid')?.value
      }

      for (let i = 0; i < 3; i++) {
        const reload = await user.get(callbackUrl, { ...manual, headers: { accept } })
        t.match({ status: reload.status, location: reload.location }, { status: 303, location: answer.location })
      }

      t.same(
        { rows: await rows(setup), exchanges: exchanges(setup), cookie: user.cookie('cashsouk.sid')?.value },
        before
      )
    }
  })
}

test('A second code for a completed login is not exchanged', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, setup.url, { returnTo: '/offers' })

  const answer = await user.get(callbackUrl.replace(/code=[^&]+/, 'code=another'), manual)

  t.match({ status: answer.status, location: answer.location }, { status: 303, location: `${setup.url}/offers` })
  t.equal(exchanges(setup), 1)
})

test('Ten tabs can be reloaded after all have signed in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const tabs = await Promise.all(
    Array.from({ length: 10 }, (_, i) => reachCallback(user, setup.url, { returnTo: `/tab/${i}` }))
  )
  for (const { callbackUrl } of tabs) t.equal((await user.get(callbackUrl, manual)).status, 303)
  t.equal((await rows(setup)).length, 1)

  for (const [i, { callbackUrl }] of tabs.entries()) {
    t.equal((await user.get(callbackUrl, manual)).location, `${setup.url}/tab/${i}`)
  }
  t.equal(exchanges(setup), 10)
})

test('A session ignores the logins of another or an ended session', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, setup.url, { person: 'alice', returnTo: '/alice' })
  const planted = user.cookie('cashsouk.sid')?.value

  await signIn(user, setup.url, { person: 'bob', query: { prompt: 'login' } })
  t.equal((await user.get(callbackUrl, manual)).status, 400)

  user.setCookie(setup.url, `cashsouk.sid=${planted}; Path=/`)
  t.equal((await user.get(callbackUrl, manual)).status, 400, 'its row is gone')
})

test('A callback after a sign-out answers 400', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, setup.url)
  await user.post(`${setup.url}/api/auth/logout`, {}, manual)

  t.equal((await user.get(callbackUrl, manual)).status, 400)
  t.same(await rows(setup), [])
})

test('The return URL is validated again at each reload', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, setup.url, { returnTo: '/offers' })
  await setup.database.query(
    'UPDATE session SET sess = replace(sess::text, \'"/offers"\', \'"https://evil.example/"\')::json'
  )
  t.match(JSON.stringify(await rows(setup)), /evil/)

  t.equal((await user.get(callbackUrl, manual)).location, `${setup.url}/`)
})

test('Two parallel callbacks of one login both end signed in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER', returnTo: '/offers' })

  const answers = await Promise.all([user.get(callbackUrl, manual), user.get(callbackUrl, manual)])

  t.same(answers.map(({ status }) => status).sort(), [303, 400])
  t.equal(exchanges(setup), 1)
  const loser = answers.find(({ status }) => status === 400) as Page
  t.equal(restart(loser), `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2Foffers&retry=1`)
  const end = await open(user, setup, restart(loser) ?? '')
  t.equal(end.location, `${setup.url}/offers`)
  t.equal((await rows(setup)).length, 1)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('An unknown callback is retried with the role of the session', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })
  const { callbackUrl } = await reachCallback(browser(), setup.url)

  t.equal(
    restart(await user.get(withoutProposal(callbackUrl), manual)),
    `${setup.url}/api/auth/login?role=ISSUER&returnTo=%2F&retry=1`
  )
})

test('A lost login leaves an existing session unchanged', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const before = await rows(setup)
  const cookie = user.cookie('cashsouk.sid')?.value
  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER' })
  await setup.database.query('DELETE FROM session WHERE sess->\'state\' IS NOT NULL')

  t.equal((await user.get(callbackUrl, manual)).status, 400)
  t.same(await rows(setup), before)
  t.equal(user.cookie('cashsouk.sid')?.value, cookie)
})
