import type { Page } from 'playwright-core'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { startChromium } from '../support/chromium.js'
import { start } from '../support/process.js'
import { root } from '../support/root.js'

/** Runs `npm start` on its own port and waits until it is ready. */
const serve = async (t: Parameters<typeof start>[0]) => {
  const port = await freePort()
  const server = start(t, 'npm', ['start'], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: String(port) }
  })
  const [, url = ''] = await server.seen(/^ready on (http:\/\/localhost:\d+)$/m, 60_000)
  t.equal(url, `http://localhost:${port}`)
  return { url, server }
}

const heading = (page: Page) => page.locator('h1').textContent()

test('npm start: a user signs in for each role and signs out', async (t) => {
  const { url } = await serve(t)
  const chromium = await startChromium(t)

  for (const [role, label, person, name] of [
    ['INVESTOR', 'Investor', 'alice', 'Alice Sample'],
    ['ISSUER', 'Issuer', 'bob', 'Bob Sample'],
    ['ADMIN', 'Admin', 'carol', 'Carol Sample']
  ] as const) {
    const context = await chromium.profile()
    const page = await context.newPage()
    const step = (what: string) => chromium.screenshot(page, `${role.toLowerCase()}-${what}`)

    await page.goto(url)
    await step('1-choose')
    await page.getByText(`Sign in as ${label}`).click()
    await step('2-cognito')
    await page.locator(`button[value=${person}]`).click()
    await step('3-signed-in')
    t.equal(page.url(), `${url}/`)
    t.equal(await heading(page), `Signed in as ${name}`)
    t.equal(await page.locator('#role').textContent(), label)
    t.equal(await page.locator('#email').textContent(), `${person}@example.com`)

    await page.reload()
    t.equal(await heading(page), `Signed in as ${name}`, 'still signed in after a reload')

    await page.getByText('Sign out').click()
    await step('4-signed-out')
    t.equal(page.url(), `${url}/`)
    t.equal(await heading(page), 'Sign in')
    t.match(await page.locator('main').textContent(), /You have been signed out/)
    await page.reload()
    t.equal(await heading(page), 'Sign in')
    t.same((await context.cookies(url)).map(({ name }) => name), ['cashsouk.sid.signed-out'])
    await context.close()
  }
})

test('npm start: Cancel leads to a page that restarts the login', async (t) => {
  const { url } = await serve(t)
  const chromium = await startChromium(t)
  const page = await (await chromium.profile()).newPage()
  await page.goto(`${url}/api/auth/login?role=ISSUER&returnTo=/%3Ffrom=cancel`)

  await page.getByText('Cancel').click()
  await chromium.screenshot(page, 'cancel-1-refused')
  t.equal(await heading(page), 'The sign-in was cancelled')
  t.equal(await page.locator('#code').textContent(), 'ERR_LOGIN_CANCELLED')

  await page.getByText('Sign in again').click()
  await page.locator('button[value=bob]').click()
  t.equal(page.url(), `${url}/?from=cancel`)
  t.equal(await page.locator('#role').textContent(), 'Issuer')
  await chromium.screenshot(page, 'cancel-2-signed-in')
})

test('npm start: ADMIN is refused to users outside the group', async (t) => {
  const { url } = await serve(t)
  const chromium = await startChromium(t)
  const context = await chromium.profile()
  const page = await context.newPage()
  await page.goto(url)

  await page.getByText('Sign in as Admin').click()
  await page.locator('button[value=alice]').click()

  await chromium.screenshot(page, 'refused-admin')
  t.equal(await page.locator('#code').textContent(), 'ERR_ROLE_NOT_GRANTED')
  t.same((await context.cookies(url)).filter(({ name }) => name.startsWith('cashsouk.')), [])

  await page.getByText('Sign in again').click()
  t.equal(await page.locator('#code').textContent(), 'ERR_ROLE_NOT_GRANTED', 'Cognito does not ask who it is')
  await page.getByText('Use another account').click()
  await page.locator('button[value=carol]').click()
  t.equal(await heading(page), 'Signed in as Carol Sample')
  t.equal(await page.locator('#role').textContent(), 'Admin')
})

test('npm start: a user who is refused ADMIN becomes another user with prompt=login', async (t) => {
  const { url } = await serve(t)
  const chromium = await startChromium(t)
  const page = await (await chromium.profile()).newPage()
  await page.goto(`${url}/api/auth/login?role=ADMIN`)
  await page.locator('button[value=alice]').click()
  t.equal(await page.locator('#code').textContent(), 'ERR_ROLE_NOT_GRANTED')

  await page.goto(`${url}/api/auth/login?role=ADMIN`)
  t.equal(await page.locator('#code').textContent(), 'ERR_ROLE_NOT_GRANTED', 'the provider signs in silently')
  await page.goto(`${url}/api/auth/login?role=ADMIN&prompt=login`)
  await page.locator('button[value=carol]').click()

  t.equal(await heading(page), 'Signed in as Carol Sample')
  t.match(await page.locator('#role').textContent(), /^admin$/i)
})

test('npm start: users stay signed in after Ctrl-C and a restart', async (t) => {
  const { url, server } = await serve(t)
  const chromium = await startChromium(t)
  const page = await (await chromium.profile()).newPage()
  await page.goto(`${url}/api/auth/login?role=INVESTOR`)
  await page.locator('button[value=alice]').click()
  t.equal(await heading(page), 'Signed in as Alice Sample')

  await server.stop('SIGINT')
  const again = start(t, 'npm', ['start'], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: new URL(url).port }
  })
  await again.seen(/^ready on /m, 60_000)
  await page.reload()

  t.equal(await heading(page), 'Signed in as Alice Sample')
  t.not(await again.stop('SIGINT'), 'SIGKILL')
})

test('npm start: SIGTERM to npm stops the server too', async (t) => {
  const { url, server } = await serve(t)

  server.child.kill('SIGTERM')

  const gone = async () => fetch(`${url}/health`).then(() => false, () => true)
  for (let i = 0; i < 100 && !(await gone()); i++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
  t.ok(await gone())
})
