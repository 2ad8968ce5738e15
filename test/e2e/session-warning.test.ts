import { readFile } from 'node:fs/promises'
import type { BrowserContext, Page } from 'playwright-core'
import { test, type Test } from 'tap'
import { serve } from '../support/agent.js'
import { startChromium, type Chromium } from '../support/chromium.js'
import { pass } from '../support/pass.js'
import { rootUrl } from '../support/root.js'
import { server, type Setup } from '../support/server.js'

const folder = new URL('examples/session-warning/', rootUrl)
const TYPES: Record<string, string> = { html: 'text/html', css: 'text/css', js: 'text/javascript' }

interface Portal { setup: Setup, origin: string, chromium: Chromium, context: BrowserContext }

/** The example on a portal's origin, with a signed-in user. */
async function portal (t: Test, env: Record<string, string>): Promise<Portal> {
  let publicUrl = ''
  const address = await serve(t, (request, response) => {
    const name = request.url === '/' ? 'index.html' : (request.url ?? '').slice(1)
    readFile(new URL(name, folder), 'utf8').then((text) => {
      response.setHeader('content-type', `${TYPES[name.split('.').at(-1) ?? ''] ?? 'text/plain'}; charset=utf-8`)
      response.end(text.replace('http://localhost:3000', publicUrl))
    }, () => {
      response.statusCode = 404
      response.end()
    })
  })
  // The same site as the server, so that its pages' requests have the cookie.
  const origin = address.replace('127.0.0.1', 'localhost')
  const setup = await server(t, { RETURN_ORIGINS: origin, ...env })
  publicUrl = setup.url
  const chromium = await startChromium(t)
  const context = await chromium.profile()
  return { setup, origin, chromium, context }
}

async function signedInPage ({ setup, origin, context }: Portal): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${setup.url}/api/auth/login?returnTo=${encodeURIComponent(`${origin}/`)}`)
  await page.locator('button[value=alice]').click()
  await page.waitForURL(`${origin}/`)
  return page
}

const left = async ({ setup }: Portal): Promise<number> => {
  const [row] = await setup.database.query(
    'SELECT extract(epoch FROM expire - timezone(\'utc\', now()))::float8 AS s FROM session'
  )
  return Number(row?.s)
}

const dialog = (page: Page) => page.locator('dialog[open]')
const title = (page: Page) => page.locator('dialog[open] h2').textContent()
const stay = (page: Page) => page.getByRole('button', { name: 'Stay signed in' })

/** Has the page ask at once, as when a computer is online again. */
const ask = async (page: Page) => {
  const asked = page.waitForResponse((response) => response.url().includes('/api/auth/me'))
  await page.evaluate('window.dispatchEvent(new Event("online"))')
  await asked
}

test('The example asks no more than once a second while a session has less than a second left', async (t) => {
  const scene = await portal(t, { SESSION_TTL: '900' })
  const page = await signedInPage(scene)
  let asked = 0
  await page.route('**/api/auth/me?slide=false', async (route) => {
    asked++
    await route.fulfill({
      json: { expiresInSeconds: 0, absoluteExpiresInSeconds: 3600 },
      headers: { 'access-control-allow-origin': scene.origin, 'access-control-allow-credentials': 'true' }
    })
  })
  await ask(page)
  asked = 0
  await page.waitForTimeout(3000)
  t.ok(asked >= 1 && asked <= 4, `${asked} requests in 3 s`)
})

/** Both lifetimes are real here: nothing moves the rows but the pages. */
test('The warning of the example comes in time, and staying in one tab dismisses it in the other', async (t) => {
  const scene = await portal(t, { SESSION_TTL: '28', COOKIE_LIFETIME: 'absolute' })
  const one = await signedInPage(scene)
  t.equal(await dialog(one).count(), 0)
  const other = await scene.context.newPage()
  await other.goto(`${scene.origin}/`)

  await Promise.all([one, other].map((page) => dialog(page).waitFor({ timeout: 20_000 })))
  t.ok(await left(scene) >= 20, 'at least 20 seconds to react')
  t.equal(await title(one), 'Are you still there?')
  t.equal(await one.evaluate('document.activeElement.id'), 'session-stay')
  await scene.chromium.screenshot(one, 'session-warning-1-warned')

  await stay(one).click()
  await dialog(one).waitFor({ state: 'detached', timeout: 3000 })
  await dialog(other).waitFor({ state: 'detached', timeout: 3000 })
  t.ok(await left(scene) > 25, 'the session was extended')

  await Promise.all([one, other].map((page) => dialog(page).waitFor({ timeout: 20_000 })))
  for (const page of [one, other]) {
    await page.getByText('You are signed out', { exact: true }).waitFor({ timeout: 40_000 })
    t.equal(await page.locator('#session-text').textContent(),
      'You were signed out because you had not used the portal for a while.')
  }
  await scene.chromium.screenshot(one, 'session-warning-2-ended')
  const signIn = await one.getByRole('link', { name: 'Sign in again' }).getAttribute('href')
  t.equal(signIn, `${scene.setup.url}/api/auth/login?returnTo=${encodeURIComponent(`${scene.origin}/`)}`)
})

test('The warning of the example stays until the server has extended the session', async (t) => {
  const scene = await portal(t, { SESSION_TTL: '600', COOKIE_LIFETIME: 'absolute' })
  const page = await signedInPage(scene)
  await ask(page)
  await pass(scene.setup.database, 500)
  await ask(page)
  await dialog(page).waitFor()
  await page.route('**/api/auth/extend', (route) => route.fulfill({ status: 503, json: {} }))

  await stay(page).click()

  await page.getByText('That did not work. Please try again.').waitFor()
  t.equal(await title(page), 'Are you still there?')
  t.ok(await left(scene) < 101)
  await page.setViewportSize({ width: 360, height: 620 })
  await scene.chromium.screenshot(page, 'session-warning-3-failed')
  await page.unroute('**/api/auth/extend')
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
  t.ok(await left(scene) > 590, 'Escape means to stay')
})

test('The warning of the example is dismissed when another portal extends the session', async (t) => {
  const scene = await portal(t, { SESSION_TTL: '600' })
  const page = await signedInPage(scene)
  await ask(page)
  await pass(scene.setup.database, 500)
  await ask(page)
  await dialog(page).waitFor()

  await scene.context.request.get(`${scene.setup.url}/api/auth/me`)

  await dialog(page).waitFor({ state: 'detached', timeout: 8000 })
})

test('The warning of the example says when the session cannot be extended', async (t) => {
  const scene = await portal(t, { SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '100' })
  const page = await signedInPage(scene)

  await dialog(page).waitFor()

  t.equal(await title(page), 'Your session ends soon')
  t.equal(await stay(page).count(), 0)
  t.equal(await page.getByRole('link', { name: 'Sign in again' }).count(), 1)
  await scene.chromium.screenshot(page, 'session-warning-4-final')
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByLabel('Notes').fill('saved in time')
  await ask(page)
  t.equal(await dialog(page).count(), 0, 'closed once, it does not come back')
  await pass(scene.setup.database, 100)
  await ask(page)
  t.equal(await title(page), 'You are signed out')
  await page.keyboard.press('Escape')
  t.equal(await dialog(page).count(), 0)
})

test('The example says why a session ended, and nothing to a guest', async (t) => {
  const scene = await portal(t, {})
  const guest = await (await scene.chromium.profile()).newPage()
  await guest.goto(`${scene.origin}/`)
  const page = await signedInPage(scene)
  await ask(page)
  const [row] = await scene.setup.database.query('SELECT sess -> \'user\' ->> \'sub\' AS sub FROM session')

  await scene.setup.fastify.cashsoukAuth.sessionStore.destroyByUser(String(row?.sub))
  await Promise.all([page, guest].map(ask))

  await page.getByText('You were signed out from another device.').waitFor()
  t.equal(await dialog(guest).count(), 0)
})
