import type { Page } from 'playwright-core'
import { test } from 'tap'
import { portal, type Portal } from '../support/portal.js'

const FORM = `<form id="f">
  <input name="text"> <input name="text"> <textarea name="area"></textarea>
  <input type="number" name="number"> <input type="date" name="date">
  <input type="checkbox" name="box" value="1"> <input type="checkbox" name="box" value="2" checked>
  <input type="radio" name="radio" value="a"> <input type="radio" name="radio" value="b" checked>
  <select name="one"><option>x<option>y</select>
  <select name="many" multiple><option>1<option>2<option>3</select>
  <input type="hidden" name="box" value="0">
  <input type="password" name="password"> <input type="password" name="shown">
  <input name="off" autocomplete="off"> <input name="code" autocomplete="one-time-code">
  <input name="card" autocomplete="section-a cc-number"> <input name="new" autocomplete="new-password">
  <input type="file" name="file"> <input>
</form>
<form name="second" autocomplete="off"><input name="never"><input name="still" autocomplete="on"></form>`

const ALICE = '11111111-1111-4111-8111-111111111111'
const kept = (page: Page) => page.evaluate<string | null>('sessionStorage.getItem("cashsouk-auth.kept")')
const values = (page: Page) => page.evaluate<Record<string, unknown>>(`Object.fromEntries(
  [...document.querySelectorAll('form')].flatMap((form) => [...form.elements]).filter(({ name }) => name).map(
    (field, i) => [i + ' ' + field.name, field.type === 'select-multiple'
      ? [...field.selectedOptions].map(({ value }) => value).join()
      : ['checkbox', 'radio'].includes(field.type) ? field.checked : field.value]))`)

/** Leaves for the login without finishing it. */
const leave = async (page: Page) => {
  await page.evaluate('setTimeout(() => auth.signIn({ prompt: "login" }))')
  await page.locator('button[value=alice]').waitFor()
}

/** The login that the page has left for is finished by that user. */
async function finish (page: Page, scene: Portal, person = 'alice') {
  await page.locator(`button[value=${person}]`).click()
  await page.waitForURL(`${scene.origin}/**`)
  await page.waitForFunction('window.auth !== undefined')
}

test('An unsent form is kept over a new sign-in, without its secrets', async (t) => {
  const scene = await portal(t, { html: FORM, where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.evaluate(`{
    window.entered = (name, value, i = 0) => { document.getElementsByName(name)[i].value = value }
    entered('text', 'first'); entered('text', '"second" <b>', 1); entered('area', 'a\\nb'); entered('number', '1.5')
    entered('date', '2026-02-03'); entered('one', 'y')
    document.getElementsByName('box')[0].checked = true; document.getElementsByName('box')[1].checked = false
    document.getElementsByName('radio')[0].checked = true
    for (const option of document.getElementsByName('many')[0].options) option.selected = option.value !== '2'
    for (const name of ['password', 'shown', 'off', 'code', 'card', 'new', 'never']) entered(name, 'SECRET')
    document.getElementsByName('box')[2].value = 'SECRET'
    document.getElementsByName('shown')[0].type = 'text'
    entered('still', 'public')
  }`)
  const before = await values(page)
  await leave(page)
  await page.goto(`${scene.origin}/health`)
  const text = await kept(page) ?? ''
  t.match(text, /second.*public/)
  t.notMatch(text, 'SECRET')
  t.match(JSON.parse(text), { sub: ALICE, page: `${scene.origin}/portal` })

  await page.goto(`${scene.origin}/portal`)
  await page.evaluate(`window.events = []; for (const type of ['input', 'change']) {
    addEventListener(type, ({ target }) => { events.push(type + ' ' + target.name) })
  }`)
  await page.evaluate('auth.me()')

  const after = await values(page)
  for (const [name, value] of Object.entries(before)) {
    if (value !== 'SECRET') t.same(after[name], value, name)
    else t.not(after[name], 'SECRET', name)
  }
  t.equal(await kept(page), null)
  t.same(await page.evaluate('restored'), ['f', ''])
  t.match(await page.evaluate('events'), ['input text', 'change text'])
  await page.reload()
  await page.waitForFunction('window.auth !== undefined')
  await page.evaluate('auth.me()')
  t.same(await page.evaluate('restored'), [], 'once')
})

test('A kept form is dropped when another user has signed in', async (t) => {
  const scene = await portal(t, { html: FORM })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('of alice')
  await leave(page)
  await finish(page, scene, 'bob')
  t.match(await kept(page), /of alice/)

  await page.evaluate('auth.me()')

  t.same([await kept(page), await page.evaluate('restored')], [null, []])
  t.equal(await page.locator('[name=area]').inputValue(), '')
})

test('A form is restored on its own page only, and a link to the login keeps it where the session has ended',
  async (t) => {
    const scene = await portal(t, { html: FORM })
    const page = await scene.open()
    await scene.signIn(page, { path: '/portal/one' })
    await page.evaluate('auth.me()')
    await page.locator('[name=area]').fill('on one')
    await scene.setup.fastify.cashsoukAuth.sessionStore.destroyByUser(ALICE)
    await page.evaluate('auth.me()')
    await page.goto(await page.evaluate<string>('auth.signInUrl({ prompt: "login" })'))
    await page.locator('button[value=alice]').click()
    await page.waitForURL(`${scene.origin}/portal/one`)

    await page.goto(`${scene.origin}/portal/two`)
    await page.waitForFunction('window.auth !== undefined')
    await page.evaluate('auth.me()')
    t.equal(await page.locator('[name=area]').inputValue(), '')
    await page.goto(`${scene.origin}/portal/one`)
    await page.waitForFunction('window.auth !== undefined')
    await page.evaluate('auth.me()')
    t.equal(await page.locator('[name=area]').inputValue(), 'on one')
  })

test('A form is not kept after a sign-out, of a guest, after an hour, or beyond 65,536 characters', async (t) => {
  const scene = await portal(t, { html: FORM, where: 'the same origin' })
  const page = await scene.open()
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('of a guest')
  await leave(page)
  await page.goto(`${scene.origin}/health`)
  t.equal(await kept(page), null, 'of a guest')

  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('x'.repeat(70_000))
  await leave(page)
  await page.goto(`${scene.origin}/health`)
  t.notMatch(await kept(page) ?? '', /xxx/, 'too long')

  await page.goto(`${scene.origin}/portal`)
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('late')
  await leave(page)
  await page.goto(`${scene.origin}/portal`)
  t.match(await kept(page), /late/)
  await page.evaluate('{ const { now } = Date; Date.now = () => now() + 3_601_000 }')
  await page.evaluate('auth.me()')
  t.same([await kept(page), await page.evaluate('restored')], [null, []], 'after an hour')

  await page.goto(`${scene.origin}/portal`)
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('left')
  await leave(page)
  await page.goto(`${scene.origin}/portal`)
  await page.waitForFunction('window.auth !== undefined')
  t.match(await kept(page), /left/)
  await page.evaluate('void auth.signOut()')
  await page.waitForURL(`${scene.origin}/`)
  t.equal(await kept(page), null, 'signed out')
})

test('Once it is no longer kept, a form is neither saved nor restored', async (t) => {
  const script = `
    import { createClient, keepForm } from 'cashsouk-auth/client'
    const { baseUrl } = JSON.parse(document.body.dataset.options)
    window.auth = createClient({ baseUrl })
    keepForm(auth, document.forms[0])()`
  const scene = await portal(t, { html: FORM, script, where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.locator('[name=area]').fill('text')
  await leave(page)
  await page.goto(`${scene.origin}/health`)
  t.equal(await kept(page), null)
})
