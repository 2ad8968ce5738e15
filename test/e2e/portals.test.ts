import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { serve } from '../support/agent.js'
import { pass } from '../support/pass.js'
import { portal, type Portal } from '../support/portal.js'
import { start } from '../support/process.js'
import { rootUrl } from '../support/root.js'
import { until } from '../support/until.js'

const guide = await readFile(new URL('docs/portals.md', rootUrl), 'utf8')

/** The samples, by the heading of their section. */
const samples = guide.split('\n## ').flatMap((section) => [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language = '', code = '']) => ({ heading: section.split('\n')[0] ?? '', language, code })
))
const used = new Set<string>()

function sample (heading: string, language: string, index = 0): string {
  const found = samples.filter((one) => one.heading === heading && one.language === language)[index]
  if (found === undefined) throw new Error(`no ${language} sample ${index} in ${heading}`)
  used.add(found.code)
  return found.code
}

/** With the addresses of the test. */
const adapted = (code: string, { setup, origin }: Pick<Portal, 'setup' | 'origin'>) =>
  code.replaceAll('https://auth.example.com', setup.url).replaceAll('https://investor.example.com', origin)
    .replaceAll(encodeURIComponent('https://investor.example.com'), encodeURIComponent(origin))

const json = (heading: string, index?: number) => JSON.parse(sample(heading, 'json', index)) as Record<string, unknown>

const forms = (value: unknown): unknown => {
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? 'time' : typeof value
  if (Array.isArray(value)) return 'array'
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, forms(inner)]))
}

async function signedIn (t: Test, options: Parameters<typeof portal>[1] = {}) {
  const scene = await portal(t, { env: { SESSION_TOUCH_INTERVAL: '1' }, ...options })
  const page = await scene.open()
  await scene.signIn(page)
  return { scene, page }
}

test('The guide for portals: the samples of me have the fields of the server\'s answers', async (t) => {
  const { scene, page } = await signedIn(t)
  const code = adapted(sample('Who is signed in', 'js'), scene)
  const me = await page.evaluate<Record<string, unknown>>(`(async () => { ${code}; return me })()`)
  const shown = json('Who is signed in')
  t.same(forms(me), forms(shown))
  t.match(me, { user: shown.user, role: 'INVESTOR', roles: shown.roles })
  const fields = [...Object.keys(shown), ...Object.keys(shown.user as object).map((name) => `user.${name}`)]
  const section = guide.split('\n## Who is signed in\n')[1] ?? ''
  for (const field of fields.filter((name) => name !== 'user')) t.ok(section.includes(`\`${field}\``), field)

  await pass(scene.setup.database, 10_000)
  const refusal = await page.evaluate(`fetch('${scene.setup.url}/api/auth/me', { credentials: 'include' })
    .then((response) => response.json())`)
  t.same(forms(refusal), forms(json('Who is signed in', 1)))
  t.match(refusal, { statusCode: 401, code: 'ERR_UNAUTHENTICATED', message: 'Sign in first', reason: 'idle' })
})

test('The guide for portals: the link signs in for its role, and ends on the portal', async (t) => {
  const html = sample('Sign in', 'html')
  const scene = await portal(t, { html: '<div></div>' })
  const page = await scene.open()
  await page.evaluate(`document.querySelector('div').innerHTML = ${JSON.stringify(adapted(html, scene))}`)
  const authorize = page.waitForRequest((request) => request.url().includes('/oauth2/authorize?'))
  await page.getByText('Sign in').click()
  t.equal(new URL((await authorize).url()).searchParams.get('lang'), 'ms')
  await page.locator('button[value=alice]').click()
  await page.waitForURL(`${scene.origin}/offers`)
  t.match(
    await scene.setup.database.query('SELECT sess->>\'role\' AS role FROM session WHERE sess->\'user\' IS NOT NULL'),
    [{ role: 'ISSUER' }]
  )
})

for (const language of ['html', 'js']) {
  test(`The guide for portals: the sign-out in ${language} ends the session`, async (t) => {
    const { scene, page } = await signedIn(t, { html: '<div></div>' })
    const code = adapted(sample('Sign out', language), scene)
    if (language === 'html') {
      await page.evaluate(`document.querySelector('div').innerHTML = ${JSON.stringify(code)}`)
      await page.getByRole('button', { name: 'Sign out' }).click()
    } else await page.evaluate(`void (async () => { ${code} })()`)
    await page.waitForURL(`${scene.setup.url}/`)
    t.same(await scene.setup.database.query('SELECT FROM session WHERE sess->\'user\' IS NOT NULL'), [])
  })
}

test('The guide for portals: the countdown counts, does not extend by itself, and extends on request', async (t) => {
  const { scene, page } = await signedIn(t)
  await pass(scene.setup.database, 600)
  const code = adapted(sample('A countdown', 'js'), scene)
  await page.evaluate(`(async () => { ${code}; Object.assign(window, { look, stay, secondsLeft }) })()`)
  t.ok(Math.abs(await page.evaluate<number>('secondsLeft()') - await scene.left()) < 2)
  t.ok(await scene.left() < 301)
  await page.evaluate('stay()')
  t.ok(await scene.left() > 890)
  t.ok(await page.evaluate<number>('secondsLeft()') > 890)
  await scene.setup.database.query('DELETE FROM session')
  await page.evaluate('look()')
  t.equal(await page.evaluate('secondsLeft()'), 0)
})

for (const lifetime of ['idle', 'absolute']) {
  test(`The guide for portals: a portal's own server asks for its visitors, COOKIE_LIFETIME=${lifetime}`, async (t) => {
    const { scene, page } = await signedIn(t, { env: { SESSION_TOUCH_INTERVAL: '1', COOKIE_LIFETIME: lifetime } })
    const port = await freePort()
    const own = `http://localhost:${port}`
    const folder = await mkdtemp(join(tmpdir(), 'portal-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'portal.mjs')
    const code = adapted(sample('Server-side rendering', 'js'), { ...scene, origin: scene.origin })
    await writeFile(path, code.replace('8080', String(port)))
    start(t, process.execPath, [path], {})
    await until(() => fetch(own).then(({ ok }) => ok || true))

    await pass(scene.setup.database, 300)
    const renewed = page.waitForResponse(`${own}/`)
    await page.goto(`${own}/`)
    t.equal(await page.locator('body').textContent(), 'Hello Alice Sample: INVESTOR, ISSUER')
    t.ok(await scene.left() > 890, 'a page view counts as use')
    const set = await (await renewed).headerValue('set-cookie') ?? ''
    if (lifetime === 'idle') t.match(set, /^cashsouk\.sid=.*Max-Age=900/)
    else t.equal(set, '')

    const guest = await fetch(`${own}/offers?a=b`, { redirect: 'manual' })
    t.equal(guest.status, 303)
    t.equal(new URL(guest.headers.get('location') ?? '').searchParams.get('returnTo'), `${scene.origin}/offers?a=b`)
    await scene.setup.fastify.close()
    t.equal((await fetch(own)).status, 503)
  })
}

test('The guide for portals: a route that wants a recent sign-in leads to one', async (t) => {
  const { scene, page } = await signedIn(t)
  await scene.setup.database.query(`UPDATE session
    SET sess = jsonb_set(sess::jsonb, '{authTime}', to_jsonb((sess->>'authTime')::int - 400))::json
    WHERE sess->'user' IS NOT NULL`)
  const login = page.waitForRequest((request) => request.url().includes('/api/auth/login?'))
  await page.evaluate(`void (async () => { ${adapted(sample('A recent sign-in', 'js'), scene)} })()`)
  const { searchParams } = new URL((await login).url())
  t.same(Object.fromEntries(searchParams), { returnTo: `${scene.origin}/portal`, max_age: '300' })
})

test('The guide for portals: a portal on another site is told that it has no session', async (t) => {
  const elsewhere = await serve(t, (_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html>')
  })
  const env = { RETURN_ORIGINS: elsewhere }
  const { scene, page } = await signedIn(t, { env, where: 'the same origin' })
  await page.goto(elsewhere)
  const answer = await page.evaluate<Record<string, unknown>>(
    `fetch('${scene.setup.url}/api/auth/me', { credentials: 'include' }).then((response) => response.json())`
  )
  const shown = json('On another site')
  t.same(forms(answer), forms(shown))
  t.same({ ...answer, requestId: '' }, {
    ...shown, requestId: '', message: String(shown.message).replace('https://portal.example.org', elsewhere)
  })
  const signOut = await page.evaluate(`fetch('${scene.setup.url}/api/auth/logout', {
    method: 'POST', credentials: 'include', headers: { accept: 'application/json' }
  }).then(({ status }) => status)`)
  t.equal(signOut, 403)
  t.ok(await scene.left() > 0)
})

test('The guide for portals: every sample is run', (t) => {
  t.ok(samples.length >= 10)
  t.same(samples.filter(({ code }) => !used.has(code)), [])
  t.end()
})
