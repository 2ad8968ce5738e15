import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { test } from 'tap'
import { startChromium } from '../support/chromium.js'
import { plain, production } from '../support/sites.js'

const heading = (page: Page) => page.locator('h1').textContent()

const signInAs = async (page: Page, url: string) => {
  await page.goto(url)
  await page.locator('button[value=alice]').click()
}

/** A page from memory has no `load` event. */
const back = (page: Page) => page.goBack({ waitUntil: 'commit' })

/** A page of a portal at `at`, with a form that signs out at `url`. */
async function portal (page: Page, at: string, url: string, headers: Record<string, string> = {}): Promise<void> {
  await page.route(at, (route) => route.fulfill({
    headers: { 'content-type': 'text/html', ...headers },
    body: `<form method="post" action="${url}/api/auth/logout"><button>Sign out</button></form>`
  }))
  await page.goto(at)
}

test('Back after a sign-out shows no page of the session from memory, also the second time', async (t) => {
  const { origin } = await plain(t)
  const chromium = await startChromium(t, [], { keepsPages: true })
  const page = await (await chromium.profile()).newPage()

  for (const round of [1, 2]) {
    await signInAs(page, `${origin}/api/auth/login?role=INVESTOR&prompt=login`)
    t.equal(await heading(page), 'Signed in as Alice Sample')
    // The page is one that Chromium keeps: after an answer that sets no cookie, Back shows the same document.
    await page.evaluate('window.kept = true')
    await page.goto(`${origin}/health/live`)
    await back(page)
    t.equal(await page.evaluate('window.kept'), true, `kept in round ${round}`)

    await page.getByRole('button', { name: 'Sign out' }).click()
    t.match(await page.locator('main').textContent(), /You have been signed out/)
    await back(page)

    t.equal(await heading(page), 'Sign in')
    t.notMatch(await page.content(), /Alice|alice@example/)
  }
})

test('Back after a sign-out shows no page of a portal that shares the cookie from memory', async (t) => {
  const site = await production(t)
  const chromium = await startChromium(t, site.args, { keepsPages: true })
  const page = await (await chromium.profile()).newPage()
  const login = new URLSearchParams({ role: 'INVESTOR', returnTo: site.landing(1) }).toString()
  await signInAs(page, `${site.origin}/api/auth/login?${login}`)
  t.equal(page.url(), site.landing(1))
  await page.evaluate('window.kept = true')

  await page.getByText('Sign out').click()
  await page.waitForURL((url) => !url.href.includes('which='))
  await back(page)

  t.equal(page.url(), site.landing(1))
  t.equal(await page.evaluate('window.kept'), undefined, 'it was requested again')
})

for (const [what, at, headers, env] of [
  ['hides its origin', 'http://localhost:1/portal', { 'referrer-policy': 'no-referrer' }, {}],
  ['is on another site', 'http://127.0.0.1:1/portal', {}, { RETURN_ORIGINS: 'http://127.0.0.1:1' }],
  ['is no portal', 'http://localhost:1/portal', {}, {}]
] as const) {
  test(`A sign-out from a page that ${what} ends with one more click`, async (t) => {
    const site = await plain(t, env)
    const chromium = await startChromium(t)
    const page = await (await chromium.profile()).newPage()
    await signInAs(page, `${site.origin}/api/auth/login?role=INVESTOR`)
    const sessions = async () => (await site.query('SELECT FROM session WHERE sess->\'user\' IS NOT NULL')).length
    await portal(page, at, site.origin, headers)

    await page.getByRole('button', { name: 'Sign out' }).click()
    t.equal(page.url(), `${site.origin}/api/auth/logout`)
    t.equal(await heading(page), 'Do you want to sign out?')
    t.equal(await sessions(), 1, 'nothing has happened yet')
    await page.getByRole('button', { name: 'Sign out' }).click()

    t.equal(page.url(), `${site.origin}/`)
    t.match(await page.locator('main').textContent(), /You have been signed out/)
    t.equal(await sessions(), 0)
  })
}

test('A sign-out leads through Cognito to the portal that asked for it', async (t) => {
  const bye = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Bye</h1>')
  })
  await once(bye.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    bye.close()
    bye.closeAllConnections()
  })
  const there = `http://localhost:${(bye.address() as AddressInfo).port}/bye`
  const site = await plain(t, { LOGOUT_URLS: there })
  const chromium = await startChromium(t)
  const page = await (await chromium.profile()).newPage()
  await signInAs(page, `${site.origin}/api/auth/login?role=INVESTOR`)

  await page.goto(`${site.origin}/api/auth/logout?${new URLSearchParams({ returnTo: there }).toString()}`)
  await page.getByRole('button', { name: 'Sign out' }).click()

  t.equal(page.url(), there, 'the policy of the page allows the way')
  t.equal(await heading(page), 'Bye')
})
