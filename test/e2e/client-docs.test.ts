import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { pass } from '../support/pass.js'
import { portal } from '../support/portal.js'
import { rootUrl } from '../support/root.js'

const page = await readFile(new URL('docs/client.md', rootUrl), 'utf8')
const [SET_UP = '', WATCH = '', FETCH = '', FORM = '', ...more] =
  [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code)

const HTML = `<div id="banner" hidden><span id="left"></span> <button id="stay">Stay</button></div>
  <button id="leave">Leave</button> <form><input name="amount"></form> <p id="note"></p>`

test('The samples of docs/client.md work together on a page', async (t) => {
  const script = `${SET_UP}\n${FORM}\nwindow.auth = auth\n${WATCH}\nwindow.transfer = async () => {\n${FETCH}\n}`
  const scene = await portal(t, { html: HTML, script, from: 'https://auth.example.com' })
  const tab = await scene.open()
  t.equal(await tab.title(), 'Portal')
  await scene.signIn(tab)
  await tab.waitForFunction('document.title === "Portal: Alice Sample"')
  await tab.evaluate('transfer()')
  await tab.getByText('Done').waitFor()

  await pass(scene.setup.database, 850)
  await tab.evaluate('auth.me({ slide: false })')
  await tab.getByText(/\d+ s left/).waitFor()
  await tab.getByRole('button', { name: 'Stay' }).click()
  await tab.getByText(/\d+ s left/).waitFor({ state: 'hidden' })
  t.ok(await scene.left() > 890)

  await scene.setup.database.query(`UPDATE session
    SET sess = jsonb_set(sess::jsonb, '{authTime}', to_jsonb((sess->>'authTime')::int - 400))::json
    WHERE sess->'user' IS NOT NULL`)
  await tab.locator('[name=amount]').fill('1,000')
  await tab.evaluate('void transfer()')
  await tab.locator('button[value=alice]').click()
  await tab.waitForURL(`${scene.origin}/portal`)
  await tab.getByText('Your text is back').waitFor()
  t.equal(await tab.locator('[name=amount]').inputValue(), '1,000')

  await scene.setup.database.query('DELETE FROM session')
  await tab.waitForTimeout(1000)
  await tab.evaluate('transfer()')
  await tab.getByText('Please sign in again').waitFor()
  await scene.signIn(tab)
  await tab.getByRole('button', { name: 'Leave' }).click()
  await tab.waitForURL(`${scene.setup.url}/`)
  t.same(more, [])
})

test('docs/client.md names every export, option, function, event, state and error', async (t) => {
  const types = await readFile(new URL('client/types.ts', rootUrl), 'utf8')
  const members = (name: string) => {
    const [, body = ''] = new RegExp(`export interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(types) ?? []
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member = '']) => member)
  }
  const quoted = (name: string) => [...(new RegExp(`${name}: ((?:'[\\w-]+'(?: \\| )?)+)`).exec(types)?.[1] ?? '')
    .matchAll(/'([\w-]+)'/g)].map(([, word = '']) => word)
  const options = members('ClientOptions')
  t.ok(options.length >= 4)
  for (const option of options) t.match(page, new RegExp(`^\\| \`${option}\` \\|`, 'm'), option)
  const functions = members('AuthClient').filter((name) => name !== 'state')
  t.ok(functions.length >= 9)
  for (const name of functions) t.match(page, new RegExp(`^\\| \`${name}\\(`, 'm'), name)
  const events = quoted('type')
  t.ok(events.length >= 4)
  for (const name of [...events, 'unknown', 'signed-in', 'guest', 'ended']) {
    t.match(page, new RegExp(`^\\| \`${name}\``, 'm'), name)
  }
  for (const name of ['NO_ANSWER', 'BAD_ANSWER', 'SIGN_IN_LOOP', 'createClient', 'keepForm']) t.ok(page.includes(name))
})
