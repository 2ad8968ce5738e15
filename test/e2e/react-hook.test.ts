import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { pass } from '../support/pass.js'
import { portal } from '../support/portal.js'
import { rootUrl } from '../support/root.js'

const SCRIPT = `
import { auth } from './examples/react-hook/use-session.ts'
window.auth = auth
await import('./examples/react-hook/app.tsx')`

test('The React hook counts down, extends, keeps a form over a sign-in, and signs out in all tabs', async (t) => {
  const scene = await portal(t, {
    html: '<div id="root"></div>', script: SCRIPT, from: 'http://localhost:3000', env: { COOKIE_LIFETIME: 'absolute' }
  })
  const [page, other] = [await scene.open(), await scene.open()]
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('button[value=alice]').click()
  await page.waitForURL(`${scene.origin}/portal`)
  for (const tab of [page, other]) await tab.getByText('Signed in as Alice Sample').waitFor()
  t.equal(await page.getByText('s left').count(), 0)

  await page.getByLabel('Notes').fill('unsent')
  t.equal(await page.locator('output').textContent(), '6 characters')
  await pass(scene.setup.database, 850)
  await page.evaluate('auth.me({ slide: false })')
  for (const tab of [page, other]) await tab.getByText('s left').waitFor()
  const shown = async () => Number.parseInt(await other.getByText('s left').textContent() ?? '')
  const before = await shown()
  await other.waitForTimeout(2100)
  t.ok(before - await shown() >= 2, 'counts down')
  await page.getByRole('button', { name: 'Stay signed in' }).click()
  for (const tab of [page, other]) await tab.getByText('s left').waitFor({ state: 'detached' })
  t.ok(await scene.left() > 890)

  await page.evaluate('setTimeout(() => auth.signIn({ prompt: "login" }))')
  await page.locator('button[value=alice]').click()
  await page.waitForURL(`${scene.origin}/portal`)
  await page.getByText('6 characters').waitFor()
  t.equal(await page.getByLabel('Notes').inputValue(), 'unsent')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await other.getByText('You are signed out (signed_out).').waitFor()
})

test('The React hook has about 20 lines', async (t) => {
  const source = await readFile(new URL('examples/react-hook/use-session.ts', rootUrl), 'utf8')
  t.ok(source.trim().split('\n').length <= 25)
})
