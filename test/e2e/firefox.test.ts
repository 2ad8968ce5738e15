import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'puppeteer-core'
import { test, type Test } from 'tap'
import { startFirefox, type Firefox } from '../support/firefox.js'
import { plain, type Site } from '../support/sites.js'
import { until } from '../support/until.js'

type Profile = Awaited<ReturnType<Firefox['profile']>>

/** The main journeys, in a browser of another family than Chromium. */
interface Scene { site: Site, profile: Profile }

const text = async (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, (element) => (element as { textContent: string }).textContent)
const heading = (page: Page) => text(page, 'h1')
/** In lower case: a role may have a label. */
const role = async (page: Page) => (await text(page, '#role')).toLowerCase()

/** Clicks, and waits until the page that follows, after any redirects, is complete. */
async function click (page: Page, selector: string): Promise<void> {
  await page.waitForSelector(selector)
  await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click(selector)])
}

const pick = (page: Page, person: string) => click(page, `button[value=${person}]`)

/** Not `page.goBack()`, which waits for a load event: a page from the browser's memory has none. */
async function back (page: Page, url: string): Promise<void> {
  await page.evaluate('history.back()')
  await until(async () => await page.evaluate('location.href') === url)
  await page.waitForSelector('h1')
}

const loginUrl = ({ origin }: Site, parameters: Record<string, string>) =>
  `${origin}/api/auth/login?${new URLSearchParams(parameters).toString()}`

const signedIn = async (site: Site) =>
  (await site.query('SELECT FROM session WHERE sess->\'user\' IS NOT NULL')).length

const scenes: Record<string, (t: Test, scene: Scene) => Promise<void>> = {
  async 'sign in, reload, sign out' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(site.origin)
    await click(page, 'a[href$="role=ISSUER"]')
    await pick(page, 'alice')
    t.equal(page.url(), `${site.origin}/`)
    t.equal(await heading(page), 'Signed in as Alice Sample')
    t.equal(await role(page), 'issuer')
    await page.reload()
    t.equal(await heading(page), 'Signed in as Alice Sample')

    await click(page, 'form[action^="/api/auth/logout"] button')
    t.equal(await heading(page), 'Sign in')
    await page.reload()
    t.equal(await heading(page), 'Sign in')
    t.equal(await signedIn(site), 0)
  },

  async 'Cancel, then sign in' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(loginUrl(site, { role: 'ISSUER', returnTo: site.landing('cancel') }))
    await click(page, 'button[name=cancel]')
    t.equal(await text(page, '#code'), 'ERR_LOGIN_CANCELLED')

    await click(page, 'a[href^="/api/auth/login?"]')
    await pick(page, 'bob')
    t.equal(page.url(), site.landing('cancel'))
    t.equal(await role(page), 'issuer')
  },

  async 'another account after a role was refused' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(loginUrl(site, { role: 'ADMIN' }))
    await pick(page, 'alice')
    t.equal(await text(page, '#code'), 'ERR_ROLE_NOT_GRANTED')

    await page.goto(loginUrl(site, { role: 'ADMIN', prompt: 'login' }))
    await pick(page, 'carol')
    t.equal(await heading(page), 'Signed in as Carol Sample')
    t.equal(await role(page), 'admin')
  },

  async 'two tabs' (t, { site, profile }) {
    const [one, other] = [await profile.newPage(), await profile.newPage()]
    await one.goto(loginUrl(site, { role: 'INVESTOR', returnTo: site.landing(1) }))
    await other.goto(loginUrl(site, { role: 'ISSUER', returnTo: site.landing(2) }))
    await pick(one, 'alice')
    t.equal(one.url(), site.landing(1))
    t.equal(await role(one), 'investor')
    await pick(other, 'alice')
    t.equal(other.url(), site.landing(2))
    t.equal(await role(other), 'issuer')
    await one.reload()
    t.equal(await role(one), 'issuer')
    t.equal(await signedIn(site), 1)
  },

  async 'Back after a sign-out shows nothing of the session' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(site.origin)
    await page.goto(loginUrl(site, { role: 'INVESTOR', returnTo: site.landing('back') }))
    await pick(page, 'alice')
    t.equal(await heading(page), 'Signed in as Alice Sample')
    await click(page, 'form[action^="/api/auth/logout"] button')

    await back(page, site.landing('back'))

    t.equal(await heading(page), 'Sign in')
    t.notMatch(await page.content(), /alice@example\.com/)
  },

  async 'a recent sign-in for one page (step-up)' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(loginUrl(site, { role: 'ISSUER' }))
    await pick(page, 'alice')
    await page.goto(loginUrl(site, { max_age: '300', returnTo: site.landing('recent') }))
    t.equal(new URL(page.url()).origin, site.cognito.env.COGNITO_DOMAIN, 'the provider asks again')
    await pick(page, 'bob')
    t.equal(await text(page, '#code'), 'ERR_OTHER_USER')

    await click(page, 'a[href^="/api/auth/login?"]')
    await pick(page, 'alice')
    t.equal(page.url(), site.landing('recent'))
    t.equal(await role(page), 'issuer')
  }
}

const slow: typeof scenes = {
  async 'a login that has expired' (t, { site, profile }) {
    const page = await profile.newPage()
    await page.goto(loginUrl(site, { role: 'ISSUER', returnTo: site.landing('slow') }))
    await sleep(2200)
    await page.click('button[value=alice]')
    await until(() => page.url() === site.landing('slow')) // the page of the lost login restarts it by itself
    await page.waitForSelector('#role')
    t.equal(await role(page), 'issuer')
  }
}

for (const [kind, env, what] of [
  ['Firefox', {}, scenes], ['Firefox, LOGIN_TTL=2', { LOGIN_TTL: '2' }, slow]
] as const) {
  test(kind, async (t) => {
    const site = await plain(t, env)
    const firefox = await startFirefox(t)
    for (const [name, play] of Object.entries(what)) {
      await t.test(name, async (t) => {
        await site.query('DELETE FROM session')
        await play(t, { site, profile: await firefox.profile() })
      })
    }
  })
}
