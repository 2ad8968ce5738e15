import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { test, type Test } from 'tap'
import { startChromium, type Chromium } from '../support/chromium.js'
import { root } from '../support/root.js'
import { server } from '../support/server.js'

/** Replaces the pictures of docs/images: `DOCS_IMAGES=1 npm run test:one -- test/e2e/pages.test.ts`. */
const DOCS_IMAGES = process.env.DOCS_IMAGES === '1'
const IMAGES: Record<string, string> = {
  'choose': 'choose', 'signed in': 'signed-in', 'signed out': 'signed-out', 'role refused': 'other-account',
  'sign-out': 'sign-out', 'account': 'account'
}
/** Those of the README, beside one of the provider's page. */
const README_IMAGES = ['choose', 'signed in']
const WIDTHS = [360, 1280]

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const pick = (page: Page, person: string) => page.locator(`button[value=${person}]`).click()

/** Where a form without a referrer signs out. Chromium sends `Origin: null` with it. */
async function refusedSignOut (page: Page, url: string): Promise<void> {
  const portal = 'http://localhost:1/portal'
  await page.route(portal, (route) => route.fulfill({
    headers: { 'content-type': 'text/html', 'referrer-policy': 'no-referrer' },
    body: `<form method="post" action="${url}/api/auth/logout"><button id="out">Out</button></form>`
  }))
  await page.goto(portal)
  await page.locator('#out').click()
}

/** How a user gets to each page, one after the other in one browser. */
const journeys: [name: string, go: (page: Page, url: string) => Promise<unknown>][] = [
  ['choose', (page, url) => page.goto(url)],
  ['sign-out of a guest', (page, url) => page.goto(`${url}/api/auth/logout`)],
  ['no such role', (page, url) => page.goto(`${url}/api/auth/login?role=KING`)],
  ['return address elsewhere', (page, url) => page.goto(`${url}/api/auth/login?returnTo=https://evil.example`)],
  ['cookies off', (page, url) => page.goto(`${url}/api/auth/callback?state=retry.x&code=x`)],
  ['unknown sign-in', (page, url) => page.goto(`${url}/api/auth/callback?state=x&error=access_denied`)],
  ['starts again', async (page, url) => {
    await page.route('**/api/auth/login?retry=1', (route) => route.fulfill({ status: 204 })) // the page stays
    await page.goto(`${url}/api/auth/callback?state=x&code=x`)
  }],
  ['cancelled', async (page, url) => {
    await page.goto(`${url}/api/auth/login?role=ISSUER&returnTo=${encodeURIComponent('http://localhost:1/offers')}`)
    await page.locator('button.cancel').click()
  }],
  ['role refused', async (page, url) => {
    await page.goto(`${url}/api/auth/login?role=ADMIN&returnTo=${encodeURIComponent('http://localhost:1/users')}`)
    await pick(page, 'alice')
  }],
  ['role refused again', async (page, url) => {
    await page.goto(`${url}/api/auth/login?role=ADMIN&prompt=login`)
    await pick(page, 'alice')
  }],
  ['signed in', async (page, url) => {
    await page.goto(`${url}/api/auth/login?role=INVESTOR&prompt=login`)
    await pick(page, 'alice')
  }],
  ['account', (page, url) => page.goto(`${url}/api/auth/account`)],
  ['sign-out', (page, url) => page.goto(`${url}/api/auth/logout`)],
  ['sign-out leads elsewhere', (page, url) => page.goto(`${url}/api/auth/logout?returnTo=https://evil.example`)],
  ['sign-out refused', refusedSignOut],
  ['signed out', (page) => page.locator('main button').click()]
]

/** What a reader sees and a screen reader says, on this page as it is. */
async function looksGood (t: Test, page: Page, what: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 720 })
      const { violations } = await page.evaluate<AxeResults>('axe.run()')
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)
      t.same(found, [], `${what}, ${colorScheme}, ${width} px: axe has no finding`)
      const scrolls = await page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth')
      t.notOk(scrolls, `${what}, ${width} px: nothing is cut off`)
    }
  }
}

/** Every way out is large enough for a finger, and is reached and marked with the keyboard. */
async function hasExits (t: Test, page: Page, what: string): Promise<void> {
  const ways = await page.locator('main a, main button').all()
  t.ok(ways.length > 0, `${what}: there is a way out`)
  for (const [index, way] of ways.entries()) {
    await page.keyboard.press('Tab')
    await way.and(page.locator(':focus-visible')).waitFor({ timeout: 2000 })
    const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineWidth')
    const { height = 0 } = await way.boundingBox() ?? {}
    t.ok(parseFloat(outline) >= 2, `${what}: way ${index + 1} has the focus, and an outline`)
    t.ok(height >= 44, `${what}: way ${index + 1} is ${height} px high`)
  }
}

async function savePictures (chromium: Chromium, page: Page, name: string, locale: string): Promise<void> {
  const file = name.replaceAll(' ', '-')
  await page.evaluate('document.activeElement.blur()')
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 720 })
      await chromium.screenshot(page, `page-${file}-${locale}-${colorScheme}-${width}`)
      const image = IMAGES[name]
      if (!DOCS_IMAGES || image === undefined || locale !== 'en-GB' || colorScheme === 'dark') continue
      await chromium.screenshot(page, join(root, `docs/images/${image}-${width}.png`))
    }
  }
  if (!DOCS_IMAGES || locale !== 'en-GB' || !README_IMAGES.includes(name)) return
  await page.setViewportSize({ width: 900, height: 620 })
  await chromium.screenshot(page, join(root, `docs/images/${IMAGES[name]}.png`))
}

for (const [locale, language] of [['en-GB', 'en'], ['ms-MY', 'ms']] as const) {
  test(`Every page is accessible, fits and can be left, in ${locale}`, async (t) => {
    const { url } = await server(t, { RETURN_ORIGINS: 'http://localhost:1' })
    const chromium = await startChromium(t)
    const context = await chromium.profile({ locale })
    const page = await context.newPage()

    for (const [name, go] of journeys) {
      await go(page, url)
      t.equal(await page.locator('html').getAttribute('lang'), language, name)
      t.notMatch(await page.locator('body').innerText(), /INVESTOR|ISSUER|ADMIN\b|\d{4}-\d\d-\d\d/, name)
      await page.evaluate(axeSource)
      await hasExits(t, page, name)
      await looksGood(t, page, name)
      await savePictures(chromium, page, name, locale)
    }
  })
}

test('The request id is copied with one click', async (t) => {
  const { url } = await server(t)
  const chromium = await startChromium(t)
  const page = await (await chromium.profile()).newPage()
  await page.goto(`${url}/api/auth/login?role=KING`)

  await page.locator('#request').click()

  t.equal(await page.evaluate('String(getSelection())'), await page.locator('#request').textContent())
})
