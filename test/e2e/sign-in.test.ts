import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { BrowserContext, Page, Response } from 'playwright-core'
import { test, type Test } from 'tap'
import { startChromium, withoutCookies, type Chromium } from '../support/chromium.js'
import { plain, production, type Site } from '../support/sites.js'
import { NOT_ENDS } from '../support/server.js'
import { until } from '../support/until.js'

/** What users do in a real browser. Each scene must end in a normal sign-in. */
interface Scene { site: Site, chromium: Chromium, context: BrowserContext }

const loginUrl = ({ origin }: Site, role: string, returnTo?: string) => {
  const parameters = { role, ...(returnTo === undefined ? {} : { returnTo }) }
  return `${origin}/api/auth/login?${new URLSearchParams(parameters).toString()}`
}

const pick = (page: Page, person: string) => page.locator(`button[value=${person}]`).click()

/** The callback responses that this page receives from now on. */
function callbacks (page: Page, { origin }: Site): Response[] {
  const found: Response[] = []
  page.on('response', (response) => {
    if (response.url().startsWith(`${origin}/api/auth/callback`)) found.push(response)
  })
  return found
}

const statuses = (responses: Response[]) => responses.map((response) => response.status())
const exchanges = ({ cognito }: Site) =>
  cognito.requests.filter(({ path }) => path === '/oauth2/token').length
const signedIn = async (site: Site) =>
  (await site.query('SELECT sess FROM session WHERE sess->\'user\' IS NOT NULL')).length

async function me ({ context, site }: Scene): Promise<{ status: number, role?: string, name?: string }> {
  const page = await context.newPage()
  const response = await page.goto(`${site.origin}/api/auth/me`)
  const { role, user } = await response?.json() as { role?: string, user?: { name: string } }
  await page.close()
  return {
    status: response?.status() ?? 0,
    ...(role === undefined ? {} : { role }),
    ...(user === undefined ? {} : { name: user.name })
  }
}

const scenes: Record<string, (t: Test, scene: Scene) => Promise<void>> = {
  async 'two tabs' (t, scene) {
    const { site, context } = scene
    const [one, other] = [await context.newPage(), await context.newPage()]
    await one.goto(loginUrl(site, 'INVESTOR', site.landing(1)))
    await other.goto(loginUrl(site, 'ISSUER', site.landing(2)))

    await pick(one, 'alice')
    t.equal(one.url(), site.landing(1))
    t.match(await me(scene), { status: 200, role: 'INVESTOR', name: 'Alice Sample' })
    await pick(other, 'alice')

    t.equal(other.url(), site.landing(2))
    t.match(await me(scene), { status: 200, role: 'ISSUER', name: 'Alice Sample' })
    t.equal(await signedIn(site), 1)
  },

  async 'ten tabs opened at once in a fresh browser' (t, scene) {
    const { site, context } = scene
    const tabs = await Promise.all(Array.from({ length: 10 }, () => context.newPage()))
    await Promise.all(tabs.map((tab, i) => tab.goto(loginUrl(site, 'ISSUER', site.landing(i)))))

    for (const [i, tab] of tabs.entries()) {
      await pick(tab, 'alice')
      t.equal(tab.url(), site.landing(i))
    }
    t.match(await me(scene), { status: 200, role: 'ISSUER' })
    t.equal(await signedIn(site), 1)
    t.same(
      (await context.cookies(`${site.origin}/api/auth/callback`))
        .map(({ name }) => name)
        .filter((name) => name.includes('cashsouk.')),
      ['cashsouk.sid']
    )
  },

  async 'a callback opened again, by reload or from the history' (t, { site, context }) {
    const page = await context.newPage()
    const seen = callbacks(page, site)
    await page.goto(loginUrl(site, 'ISSUER', site.landing('first')))
    await pick(page, 'alice')
    const before = exchanges(site)

    await page.goto(seen[0]?.url() ?? '')
    t.equal(page.url(), site.landing('first'))
    await page.reload()
    t.equal(page.url(), site.landing('first'))

    t.same(statuses(seen), [303, 303])
    t.equal(exchanges(site), before)
  },

  async 'a reload of the callback after the provider failed' (t, { site, context }) {
    const page = await context.newPage()
    const seen = callbacks(page, site)
    await page.goto(loginUrl(site, 'ISSUER', site.landing('reloaded')))
    site.cognito.fault({ token: 500 })
    await pick(page, 'alice')
    t.equal(await page.locator('#code').textContent(), 'ERR_COGNITO_ANSWER')
    site.cognito.fault(undefined)

    await page.reload()
    await page.waitForURL(site.landing('reloaded'))

    t.same(statuses(seen), [502, 400, 303])
  },

  async 'the back button after the sign-in' (t, { site, context }) {
    const page = await context.newPage()
    const seen = callbacks(page, site)
    const authorize = page.waitForResponse((response) => response.url().includes('/oauth2/authorize?'))
    await page.goto(loginUrl(site, 'ISSUER', site.landing('back')))
    const providersPage = (await authorize).url()
    await pick(page, 'alice')
    const before = exchanges(site)

    await travel(page, 'goBack')
    t.equal(new URL(page.url()).origin, site.cognito.env.COGNITO_DOMAIN, 'the callback is not in the history')
    await travel(page, 'goForward')
    t.equal(page.url(), site.landing('back'))
    await page.goto(providersPage) // it has a session and answers with a second code for the same login
    t.equal(page.url(), site.landing('back'))

    t.same(statuses(seen), [303, 303])
    t.equal(exchanges(site), before)
  },

  async 'double clicks on the login link and the provider\'s button' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    await page.route(`${site.origin}/api/auth/links`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<a href="${loginUrl(site, 'ISSUER', site.landing('double'))}">Sign in</a>`
      })
    )
    await page.goto(`${site.origin}/api/auth/links`)

    await page.getByText('Sign in').dblclick()
    await page.locator('button[value=alice]').dblclick()
    await page.waitForURL(site.landing('double'))

    t.match(await me(scene), { status: 200, role: 'ISSUER' })
    t.equal(await signedIn(site), 1)
  },

  async 'a second callback while the first is in flight' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    const seen = callbacks(page, site)
    await page.goto(loginUrl(site, 'ISSUER', site.landing('twice')))
    site.cognito.fault({ token: 'hang' })
    const sent = page.waitForRequest((request) =>
      request.url().startsWith(`${site.origin}/api/auth/callback`)
    )
    const before = exchanges(site)
    void pick(page, 'alice').catch(() => {})
    const callbackUrl = (await sent).url()
    await until(() => exchanges(site) > before)
    site.cognito.fault(undefined)

    await page.goto(callbackUrl)
    await page.waitForURL(site.landing('twice'))

    t.same(statuses(seen), [400, 303], 'the browser aborted the first one')
    t.match(await me(scene), { status: 200, role: 'ISSUER' })
    t.equal(await signedIn(site), 1)
  },

  async 'a bookmark of the provider\'s page in another browser' (t, { site, chromium, context }) {
    const page = await context.newPage()
    const authorize = page.waitForResponse((response) => response.url().includes('/oauth2/authorize?'))
    await page.goto(loginUrl(site, 'ISSUER', site.landing('bookmark')))
    const bookmark = (await authorize).url()

    const other = { site, chromium, context: await chromium.profile() }
    const tab = await other.context.newPage()
    const seen = callbacks(tab, site)
    await tab.goto(bookmark)
    await pick(tab, 'bob')
    await tab.waitForURL(site.landing('bookmark'))

    t.same(statuses(seen), [400, 303])
    t.match(await me(other), { status: 200, role: 'ISSUER', name: 'Bob Sample' })
    await other.context.close()
  },

  async 'a sign-in that begins at the identity provider' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    const before = exchanges(site)

    await page.goto(`${site.origin}/api/auth/callback?code=of-another`)
    await pick(page, 'bob')
    await page.waitForURL(`${site.origin}/`)

    t.equal(exchanges(site), before + 1)
    t.match(await me(scene), { status: 200, role: 'INVESTOR', name: 'Bob Sample' })
  },

  async 'a silent sign-in of a guest, and of a user whom Cognito knows' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    const silent = `${loginUrl(site, 'ISSUER', site.landing('silent'))}&prompt=none`

    await page.goto(silent)
    t.equal(page.url(), `${site.landing('silent')}&auth=login_required`)
    t.match(await me(scene), { status: 401 })

    await page.goto(loginUrl(site, 'INVESTOR', site.landing('loud')))
    await pick(page, 'alice')
    await page.goto(silent)
    t.equal(page.url(), site.landing('silent'))
    t.match(await me(scene), { status: 200, role: 'ISSUER', name: 'Alice Sample' })
  },

  async 'a sign-out in one tab while another is loading' (t, scene) {
    const { site, context } = scene
    const [one, other] = [await context.newPage(), await context.newPage()]
    await one.goto(loginUrl(site, 'ISSUER', site.landing('out')))
    await pick(one, 'alice')
    await sleep(1100) // so that the session is due for a touch
    const client = new pg.Client(site.databaseUrl)
    await client.connect()
    t.teardown(() => client.end())
    // Writes to the table wait until the test releases the lock.
    await site.query(`
      CREATE FUNCTION wait () RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
      CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON session FOR EACH ROW EXECUTE FUNCTION wait()`)
    const waiting = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = \'advisory\''
    const writing = async () => (await site.query(waiting)).length > 0

    await client.query('SELECT pg_advisory_lock(1)')
    const loading = other.goto(`${site.origin}/api/auth/me`) // has read the session and has to touch it
    await until(writing)
    const signingOut = one.getByText('Sign out').click({ noWaitAfter: true })
    await sleep(300)
    await client.query('SELECT pg_advisory_unlock(1)')
    const loaded = await loading
    await signingOut
    await one.waitForURL((url) => !url.href.includes('which='))
    await site.query('DROP TRIGGER wait ON session')

    t.equal(loaded?.status(), 200, 'it was requested before the sign-out finished')
    t.match(await me(scene), { status: 401 })
    t.equal((await other.reload())?.status(), 401)
    t.equal((await site.query(`SELECT FROM session WHERE ${NOT_ENDS}`)).length, 0)
    await other.goto(loginUrl(site, 'INVESTOR', site.landing('in')))
    await pick(other, 'bob')
    t.equal(other.url(), site.landing('in'))
    t.match(await me(scene), { status: 200, role: 'INVESTOR', name: 'Bob Sample' })
  },

  async 'a page that prefetches the login' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    const url = loginUrl(site, 'ISSUER', site.landing('early'))
    const rules = JSON.stringify({
      prefetch: [{ source: 'list', urls: [`${url}&lang=de`], eagerness: 'immediate' }]
    })
    await page.route(`${site.origin}/api/auth/links`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<link rel="prefetch" href="${url}"><script type="speculationrules">${rules}</script>
          <a href="${url}">Sign in</a> <a href="${url}&lang=de">Anmelden</a>`
      })
    )
    await page.goto(`${site.origin}/api/auth/links`)
    await until(() => (site.log().match(/"route":"\/api\/auth\/login","statusCode":403/g) ?? []).length === 2)
    t.same(await site.query(`SELECT FROM session WHERE ${NOT_ENDS}`), [])
    t.same(await context.cookies(url), [])

    await page.getByText('Anmelden').click()
    await page.locator('button[value=alice]').waitFor()
    await travel(page, 'goBack')
    await page.getByText('Sign in').click()
    await pick(page, 'alice')
    t.equal(page.url(), site.landing('early'))
    t.match(await me(scene), { status: 200, role: 'ISSUER' })
  },

  async 'cookies switched off' (t, { site, chromium }) {
    const context = await withoutCookies(t, site.origin, site.args)
    const page = await context.newPage()
    const seen = callbacks(page, site)
    const before = exchanges(site)
    const off = page.getByRole('heading', { name: 'Cookies seem to be switched off' })

    await page.goto(loginUrl(site, 'ISSUER', site.landing('off')))
    await pick(page, 'alice')
    await off.waitFor()
    await chromium.screenshot(page, 'cookies-off')
    t.same(statuses(seen), [400, 400], 'one automatic retry')
    t.same(
      (await context.cookies(`${site.origin}/api/auth/callback`)).filter(({ name }) =>
        name.includes('cashsouk.')
      ),
      []
    )
    await page.getByRole('link', { name: 'Sign in again' }).click()
    await until(() => seen.length === 4)
    await off.waitFor()
    await sleep(500)
    t.same(statuses(seen), [400, 400, 400, 400], 'and one for each click')
    t.equal(exchanges(site), before)
  }
}

const onTwoSubdomains: typeof scenes = {
  async 'the session cookie is shared by subdomains, the login cookie is not' (t, { site, context }) {
    const page = await context.newPage()
    await page.goto(loginUrl(site, 'ISSUER', site.landing(1)))
    t.match(await context.cookies(`${site.origin}/api/auth`), [
      {
        name: /^__Host-cashsouk\.sid\.login\./,
        domain: 'auth.cashsouk.test',
        path: '/',
        secure: true,
        httpOnly: true,
        sameSite: 'Lax'
      }
    ])
    await pick(page, 'alice')

    t.match(await context.cookies(site.landing(1)), [
      {
        name: 'cashsouk.sid',
        domain: '.cashsouk.test',
        path: '/',
        secure: true,
        httpOnly: true,
        sameSite: 'Lax'
      }
    ])
    const read = async (url: string) =>
      page.evaluate(async (url) => (await fetch(url, { credentials: 'include' })).json(), url)
    t.match(await read('/api/auth/me'), { user: { name: 'Alice Sample' } }, 'on the portal\'s own host')
    t.match(
      await read(`${site.origin}/api/auth/me`),
      { user: { name: 'Alice Sample' } },
      'and from the portal\'s page'
    )

    await page.getByText('Sign out').click()
    await page.waitForURL((url) => !url.href.includes('which='))
    t.match(await context.cookies(site.landing(1)), [{ name: 'cashsouk.sid.signed-out', domain: '.cashsouk.test' }])
    t.equal((await context.cookies(site.landing(1))).length, 1)
    t.match(await read('/api/auth/me'), { code: 'ERR_UNAUTHENTICATED' })
  }
}

/** Moves in the history. Retries, because Chromium may still be moving the page to another process. */
async function travel (page: Page, step: 'goBack' | 'goForward'): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await page[step]()
      return
    } catch (error) {
      if (attempt === 20 || !String(error).includes('Not attached to an active page')) throw error
      await sleep(100)
    }
  }
}

const slow: typeof scenes = {
  async 'a login that takes longer than LOGIN_TTL' (t, scene) {
    const { site, context } = scene
    const page = await context.newPage()
    const seen = callbacks(page, site)
    await page.goto(loginUrl(site, 'ISSUER', site.landing('slow')))
    await sleep(2200)

    await pick(page, 'alice')
    await page.waitForURL(site.landing('slow'))

    t.same(statuses(seen), [400, 303])
    t.match(await me(scene), { status: 200, role: 'ISSUER' })
    await travel(page, 'goBack')
    t.equal(
      new URL(page.url()).origin,
      site.cognito.env.COGNITO_DOMAIN,
      'the page of the retry is not in the history'
    )
  }
}

for (const [kind, start, env, what] of [
  ['http, one instance', plain, { SESSION_TOUCH_INTERVAL: '1' }, scenes],
  ['http, one instance, LOGIN_TTL=2', plain, { LOGIN_TTL: '2' }, slow],
  [
    'TLS at nginx, three production instances, COOKIE_DOMAIN', production,
    { SESSION_TOUCH_INTERVAL: '1' }, { ...scenes, ...onTwoSubdomains }
  ],
  ['TLS at nginx, three production instances, LOGIN_TTL=2', production, { LOGIN_TTL: '2' }, slow]
] as const) {
  test(kind, async (t) => {
    const site = await start(t, env)
    const chromium = await startChromium(t, site.args)
    for (const [name, play] of Object.entries(what)) {
      await t.test(name, async (t) => {
        await site.query('DELETE FROM session')
        const context = await chromium.profile()
        await play(t, { site, chromium, context })
        await context.close()
      })
    }
  })
}
