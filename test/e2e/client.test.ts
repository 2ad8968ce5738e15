import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { test } from 'tap'
import { pass } from '../support/pass.js'
import { bundle, portal, type Portal, type Where } from '../support/portal.js'

const WHERE: Where[] = ['the same origin', 'another origin']

interface State {
  status: string
  reason?: string
  isWarned?: boolean
  canExtend?: boolean
  session?: { user: { sub: string, name: string }, role: string, expiresInSeconds: number }
}

const state = (page: Page) => page.evaluate<State>('auth.state')
const seen = (page: Page) => page.evaluate<string[]>('seen.splice(0)')
const secondsLeft = (page: Page) => page.evaluate<number>('auth.secondsLeft()')
const becomes = (page: Page, status: string) => page.waitForFunction(`auth.state.status === '${status}'`)

/** What a promise of the page rejects with, as `code`. */
const failure = (page: Page, call: string) =>
  page.evaluate<string>(`${call}.then(() => 'resolved', ({ code }) => code)`)

/** As if the user had signed in that many seconds earlier. */
const age = ({ setup }: Portal, seconds: number) => setup.database.query(
  `UPDATE session SET sess = jsonb_set(sess::jsonb, '{authTime}', to_jsonb((sess->>'authTime')::int - ${seconds}))::json
    WHERE sess->'user' IS NOT NULL`
)

/** The users of the sessions. */
const users = async ({ setup }: Portal) =>
  (await setup.database.query('SELECT sess->\'user\'->>\'sub\' AS sub FROM session WHERE sess->\'user\' IS NOT NULL'))
    .map(({ sub }) => String(sub))

/** The session ends as by an operator. */
const end = async (scene: Portal) => {
  for (const sub of await users(scene)) await scene.setup.fastify.cashsoukAuth.sessionStore.destroyByUser(sub)
}

test('The client has fewer than 3,000 bytes, minified and compressed, with everything that it exports', async (t) => {
  const code = await bundle('export * from "cashsouk-auth/client"', true)
  const size = gzipSync(code).length
  t.comment(`${size} bytes, ${code.length} before compression`)
  t.ok(size < 3000, `${size} bytes`)
  const core = gzipSync(await bundle('export { createClient } from "cashsouk-auth/client"', true)).length
  t.ok(core < 2500, `${core} bytes without keepForm`)
})

test('A session whose device does not answer ends for the client at the fourth question', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  const answer = { status: 401, json: { statusCode: 401, code: 'ERR_UNAUTHENTICATED', reason: 'device' } }
  const ask = () => failure(page, 'auth.me()')
  await page.route('**/api/auth/me', (route) => route.fulfill(answer))

  t.equal(await ask(), 'ERR_UNAUTHENTICATED')
  t.match(await state(page), { status: 'signed-in' })
  await page.unrouteAll()
  await ask()
  t.match(await state(page), { status: 'signed-in' })

  await page.route('**/api/auth/me', (route) => route.fulfill(answer))
  for (let times = 1; times <= 3; times++) {
    t.equal(await ask(), 'ERR_UNAUTHENTICATED')
    t.match(await state(page), { status: 'signed-in' })
  }
  t.equal(await ask(), 'resolved')
  t.same(await state(page), { status: 'ended', reason: 'device' })
})

for (const where of WHERE) {
  test(`On ${where}, me tells who is signed in, and extends the session unless slide is false`, async (t) => {
    const scene = await portal(t, { where, env: { SESSION_TOUCH_INTERVAL: '1' } })
    const page = await scene.open()
    t.equal(await page.evaluate('auth.me()'), undefined)
    t.same(await state(page), { status: 'guest', reason: 'none' })
    await scene.signIn(page)
    await pass(scene.setup.database, 300)

    const session = await page.evaluate<State['session']>('auth.me({ slide: false })')
    t.match(session, { user: { name: 'Alice Sample' }, role: 'INVESTOR', roles: ['INVESTOR', 'ISSUER'] })
    t.match(await state(page), { status: 'signed-in', session, isWarned: false, canExtend: true })
    t.ok(await scene.left() < 601, 'not extended')
    await page.evaluate('auth.me()')
    t.ok(await scene.left() > 890, 'extended')
  })

  test(`On ${where}, extend moves the end of the session`, async (t) => {
    const scene = await portal(t, { where })
    const page = await scene.open()
    await scene.signIn(page)
    await page.evaluate('auth.me()')
    await pass(scene.setup.database, 850)
    await page.evaluate('auth.me({ slide: false })')
    t.match(await state(page), { isWarned: true })
    t.ok(await secondsLeft(page) <= 50)

    const session = await page.evaluate<State['session']>('auth.extend()')

    t.ok(session !== undefined && session.expiresInSeconds > 890)
    t.ok(await secondsLeft(page) > 890)
    t.match(await state(page), { isWarned: false })
    t.ok(await scene.left() > 890)
  })

  test(`On ${where}, a sign-out, an extension and a sign-in are known in other tabs without a question`, async (t) => {
    const scene = await portal(t, { where })
    const [page, other] = [await scene.open(), await scene.open()]
    await scene.signIn(page)
    await other.evaluate('auth.me()')
    scene.asked()

    await page.evaluate('auth.me()')
    await pass(scene.setup.database, 600)
    await page.evaluate('auth.extend()')
    await other.waitForFunction('auth.secondsLeft() > 890')
    t.same(scene.asked(), ['/me', '/extend'])

    await page.evaluate('void auth.signOut()')
    await becomes(other, 'ended')
    t.same(await state(other), { status: 'ended', reason: 'signed_out' })
    await page.waitForURL(`${scene.setup.url}/`)
    t.same(await users(scene), [])
    await scene.signIn(page, { person: 'bob' })
    t.same(scene.asked(), ['/logout'])
    await page.evaluate('auth.me()')
    await becomes(other, 'signed-in')
    t.match(await state(other), { session: { user: { name: 'Bob Sample' } } })
    t.same(scene.asked(), ['/me'])
  })

  test(`On ${where}, a route that wants a recent sign-in leads to one and back, with the unsent form`, async (t) => {
    const scene = await portal(t, { where, html: '<form id="transfer"><input name="amount"></form>' })
    const page = await scene.open()
    await scene.signIn(page, { path: '/portal/transfer?to=1#top' })
    await page.evaluate('auth.me()')
    await age(scene, 400)
    await page.locator('[name=amount]').fill('1,000')
    const login = page.waitForRequest((request) => request.url().includes('/api/auth/login?'))

    const status = await page.evaluate(`auth.fetch('${scene.setup.url}/guarded/recent').then(({ status }) => status)`)
      .catch(() => 401) // the page may be gone already
    t.equal(status, 401)
    const { searchParams } = new URL((await login).url())
    t.equal(searchParams.get('max_age'), '300')
    t.equal(searchParams.get('returnTo'), `${scene.origin}/portal/transfer?to=1#top`)
    await page.locator('button[value=alice]').click()
    await page.waitForURL(`${scene.origin}/portal/transfer?to=1#top`)
    await page.waitForFunction('window.auth !== undefined')

    t.equal(await page.locator('[name=amount]').inputValue(), '', 'not before it is known whose page it is')
    t.equal(await page.evaluate(`auth.fetch('${scene.setup.url}/guarded/recent').then(({ status }) => status)`), 200)
    await page.evaluate('auth.me({ slide: false })')
    t.equal(await page.locator('[name=amount]').inputValue(), '1,000')
    t.same(await page.evaluate('restored'), ['transfer'])
    t.same(await page.evaluate('Object.keys(sessionStorage).filter((key) => key.includes("kept"))'), [])
  })

  test(`On ${where}, fetch finds out why a session has ended, by one question for many refusals`, async (t) => {
    const scene = await portal(t, { where })
    const page = await scene.open()
    await scene.signIn(page)
    await page.evaluate('auth.me()')
    const call = `auth.fetch('${scene.setup.url}/guarded/session').then(({ status }) => status)`
    t.equal(await page.evaluate(call), 200)
    await end(scene)
    await page.waitForTimeout(1000)
    scene.asked()

    const statuses = await page.evaluate(`Promise.all(Array.from({ length: 20 }, () => ${call}))`)

    t.same(statuses, Array(20).fill(401))
    t.same(await state(page), { status: 'ended', reason: 'ended_elsewhere' })
    t.same(scene.asked(), ['/me?slide=false'])
    t.equal(await page.evaluate(call), 401)
    t.same(scene.asked(), [], 'nothing is left to find out')
  })

  test(`On ${where}, a sign-out whose request fails is repeated as a form`, async (t) => {
    const scene = await portal(t, { where })
    const page = await scene.open()
    await scene.signIn(page)
    await page.route('**/api/auth/logout*', async (route) => {
      if (route.request().isNavigationRequest()) await route.continue()
      else await route.abort()
    })

    await page.evaluate('void auth.signOut()')

    await page.waitForURL(`${scene.setup.url}/`)
    t.same(await users(scene), [])
  })
}

test('The countdown does not depend on what the clock of the computer says', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  await scene.context.addInitScript('const { now } = Date; Date.now = () => now() + 7_200_000')
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  t.ok(Math.abs(await secondsLeft(page) - await scene.left()) < 2)

  await page.evaluate('Date.now = () => 0')
  await page.waitForTimeout(4000)
  t.ok(Math.abs(await secondsLeft(page) - await scene.left()) < 2, 'set back meanwhile')
})

test('The countdown goes on while the computer sleeps, and the client asks after that', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.evaluate('auth.watch()')
  scene.asked()

  // The monotonic clock, and with it the timers, stood still.
  await page.evaluate('{ const { now } = Date; Date.now = () => now() + 600_000 }')

  t.ok(await secondsLeft(page) <= 300)
  await page.waitForFunction('auth.secondsLeft() > 800', undefined, { timeout: 7000 })
  t.same(scene.asked(), ['/me?slide=false'])
})

test('The countdown is right in a tab whose timers the browser delays', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.clock.install()
  await page.reload()
  await page.waitForFunction('window.auth !== undefined')
  await page.evaluate('auth.me()')
  const before = await secondsLeft(page)

  await page.clock.fastForward(500_000)

  t.ok(Math.abs(before - await secondsLeft(page) - 500) <= 2)
})

test('watch warns in time and every second, and does not extend the session', async (t) => {
  const scene = await portal(t, { where: 'the same origin', env: { SESSION_TTL: '26', COOKIE_LIFETIME: 'absolute' } })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  t.match(await state(page), { status: 'signed-in', isWarned: false })
  await page.evaluate('window.stop = auth.watch()')

  await page.waitForFunction('auth.state.isWarned')
  t.ok(await scene.left() >= 20, 'at least 20 seconds to react')
  await seen(page)
  await page.waitForTimeout(3000)
  const ticks = (await seen(page)).filter((type) => type === 'tick').length
  t.ok(ticks >= 3 && ticks <= 5, `${ticks} ticks in 3 s`)
  await becomes(page, 'ended').catch(() => {})
  await page.waitForFunction('auth.state.status === "ended"', undefined, { timeout: 20_000 })
  t.same(await state(page), { status: 'ended', reason: 'idle' })

  scene.asked()
  await page.waitForTimeout(3000)
  t.same(scene.asked(), [], 'there is nothing left to ask')
})

test('watch can be stopped, and stops with its last user', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await pass(scene.setup.database, 890)
  await page.evaluate('window.stops = [auth.watch(), auth.watch()]')
  await page.evaluate('auth.me({ slide: false })')
  scene.asked()
  await page.evaluate('stops[0](), stops[0]()')
  await page.waitForTimeout(7000)
  t.ok(scene.asked().length >= 1, 'one still watches')

  await page.evaluate('stops[1]()')
  await seen(page)
  scene.asked()
  await page.waitForTimeout(7000)
  t.same([scene.asked(), await seen(page)], [[], []])
})

test('Three tabs that watch ask hardly more often than one', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const [page, ...others] = [await scene.open(), await scene.open(), await scene.open()]
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await pass(scene.setup.database, 850)
  for (const tab of [page, ...others]) await tab.evaluate('void auth.watch()')
  await page.evaluate('auth.me({ slide: false })')
  await page.waitForFunction('auth.state.isWarned')
  scene.asked()

  await page.waitForTimeout(12_500)

  const asked = scene.asked().length
  t.ok(asked >= 2 && asked <= 4, `${asked} questions; one tab has 2, and three without the others' answers 6`)
})

test('watch asks at most once a second while a session has no time left, and less often while the server fails',
  async (t) => {
    const scene = await portal(t)
    const page = await scene.open()
    await scene.signIn(page)
    const cors = { 'access-control-allow-origin': scene.origin, 'access-control-allow-credentials': 'true' }
    let asked = 0
    let isDown = false
    await page.route('**/api/auth/me?slide=false', async (route) => {
      asked++
      if (isDown) await route.abort()
      else {
        await route.fulfill({
          headers: cors,
          json: { user: { sub: 'a' }, expiresInSeconds: 0, absoluteExpiresInSeconds: 100 }
        })
      }
    })
    await page.evaluate('void auth.watch()')
    await page.waitForFunction('auth.state.isWarned')
    asked = 0
    await page.evaluate('window.restless = setInterval(() => { dispatchEvent(new Event("online")) }, 50)')
    await page.waitForTimeout(4000)
    await page.evaluate('clearInterval(restless)')
    t.ok(asked >= 2 && asked <= 5, `${asked} in 4 s`)

    isDown = true
    await page.waitForTimeout(2000)
    asked = 0
    await page.waitForTimeout(8000)
    t.ok(asked >= 1 && asked <= 3, `${asked} in 8 s`)
    t.ok((await seen(page)).includes('error NO_ANSWER'))
    t.equal((await state(page)).status, 'signed-in', 'an outage is no sign-out')
  })

test('An answer that arrives after a sign-out in another tab does not undo it', async (t) => {
  const scene = await portal(t, { where: 'the same origin' })
  const [page, other] = [await scene.open(), await scene.open()]
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await becomes(other, 'signed-in')
  let release = () => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  await other.route('**/api/auth/me', async (route) => {
    const response = await route.fetch()
    await held
    await route.fulfill({ response })
  })
  await other.evaluate('void (window.late = auth.me())')
  await other.waitForTimeout(300)

  await page.evaluate('void auth.signOut()')
  await becomes(other, 'ended')
  release()

  t.equal(await other.evaluate('late'), undefined)
  t.same(await state(other), { status: 'ended', reason: 'signed_out' })
})

test('Without BroadcastChannel, each tab finds out by itself', async (t) => {
  const scene = await portal(t)
  await scene.context.addInitScript('delete window.BroadcastChannel')
  const [page, other] = [await scene.open(), await scene.open()]
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await other.evaluate('auth.me()')
  t.equal((await state(other)).status, 'signed-in')

  await page.evaluate('void auth.signOut()')
  await page.waitForURL(`${scene.setup.url}/`)
  t.equal((await state(other)).status, 'signed-in', 'not known yet')
  await other.evaluate('auth.me({ slide: false })')
  t.equal((await state(other)).status, 'ended')
})

test('A page that the browser brings back from memory finds out that its session has ended', async (t) => {
  const scene = await portal(t, { where: 'the same origin', keepsPages: true })
  const [page, other] = [await scene.open(), await scene.open()]
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.evaluate('window.isSame = true')
  await page.goto(`${scene.origin}/health`)
  await other.evaluate('void auth.signOut()')
  await other.waitForURL(`${scene.origin}/`)

  await page.goBack()

  // Chromium drops the page from memory where the cookies of a page with no-store change: then it asks itself.
  if (await page.evaluate('window.isSame') === true) await becomes(page, 'ended')
  else t.equal(await page.evaluate('auth.me()'), undefined)
  t.match(await state(page), { status: /ended|guest/ })
})

test('A failure is told by its code, and changes nothing', async (t) => {
  const scene = await portal(t)
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  const cors = { 'access-control-allow-origin': scene.origin, 'access-control-allow-credentials': 'true' }
  const answers = [
    { status: 503, json: { statusCode: 503, code: 'ERR_DATABASE', message: 'Service Unavailable', requestId: 'r1' } },
    { status: 200, body: '<html>', contentType: 'text/html' },
    { status: 200, json: null },
    { status: 401, body: 'no', contentType: 'text/plain' }
  ]
  for (const answer of answers) {
    await page.route('**/api/auth/*', (route) => route.fulfill({ headers: cors, ...answer }))
    const expected = answer.status === 503 ? 'ERR_DATABASE' : 'BAD_ANSWER'
    for (const call of ['auth.me()', 'auth.extend()']) t.equal(await failure(page, call), expected)
    await page.unroute('**/api/auth/*')
  }
  await page.route('**/api/auth/*', (route) => route.abort())
  t.equal(await failure(page, 'auth.me()'), 'NO_ANSWER')
  t.equal((await state(page)).status, 'signed-in')
})

test('A question is given up after ten seconds', async (t) => {
  const scene = await portal(t)
  const page = await scene.open()
  await page.route('**/api/auth/me', () => {})
  const start = Date.now()
  t.equal(await failure(page, 'auth.me()'), 'NO_ANSWER')
  t.ok(Date.now() - start < 12_000)
})

test('fetch returns every answer as it is, and asks at most once a second about refusals of others', async (t) => {
  const scene = await portal(t)
  const page = await scene.open()
  await scene.signIn(page)
  await page.evaluate('auth.me()')
  await page.waitForTimeout(1000)
  scene.asked()
  const body = await page.evaluate(`(async () => {
    const texts = []
    for (let i = 0; i < 30; i++) {
      const response = await auth.fetch('${scene.setup.url}/guarded/never')
      texts.push(response.status + await response.text())
    }
    return [...new Set(texts)]
  })()`)
  t.same(body, ['401{"code":"ERR_OF_THE_PORTAL"}'])
  t.ok(scene.asked().length <= 2)
  t.equal((await state(page)).status, 'signed-in')
})

test('onRecentSignIn decides what a route that wants a recent sign-in leads to', async (t) => {
  const script = `
    import { createClient } from 'cashsouk-auth/client'
    window.wanted = []
    const { baseUrl } = JSON.parse(document.body.dataset.options)
    window.auth = createClient({ baseUrl, onRecentSignIn: (maxAge) => { wanted.push(maxAge) } })`
  const scene = await portal(t, { script })
  const page = await scene.open()
  await scene.signIn(page)
  await age(scene, 400)
  await page.evaluate(`auth.fetch('${scene.setup.url}/guarded/recent')`)
  t.same(await page.evaluate('wanted'), [300])
  t.equal(page.url(), `${scene.origin}/portal`)
})

/** Signs in as soon as it is loaded, whatever happens. Playwright's own calls count as clicks of the user. */
const EAGER = `
  import { createClient } from 'cashsouk-auth/client'
  const { baseUrl } = JSON.parse(document.body.dataset.options)
  window.auth = createClient({ baseUrl })
  window.seen = []
  auth.subscribe(({ type, error }) => { if (type === 'error') seen.push(error.code) })
  window.left = [auth.signIn({ prompt: 'none' })]
  if (!left[0]) left.push(auth.signIn({ prompt: 'none', max_age: 300 }))
`

test('A page that signs in by itself does so once per kind of login, and again when the user clicks', async (t) => {
  const html = '<button onclick="auth.signIn()">Sign in</button>'
  const scene = await portal(t, { html, script: EAGER })
  const page = await scene.context.newPage()
  const logins: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/api/auth/login?')) logins.push(request.url())
  })

  await page.goto(`${scene.origin}/portal`)
  await page.waitForFunction('window.left?.length === 2 && !window.left[1]')
  await page.waitForTimeout(1000)
  t.equal(logins.length, 2, logins.join())
  t.same(await page.evaluate('seen'), ['SIGN_IN_LOOP', 'SIGN_IN_LOOP'])

  await page.getByRole('button', { name: 'Sign in' }).dblclick()
  await page.locator('button[value=alice]').waitFor()
  t.equal(logins.length, 3)
})

test('A page without sessionStorage signs in by a click only', async (t) => {
  const scene = await portal(t, { html: '<button onclick="auth.signIn()">Sign in</button>', script: EAGER })
  await scene.context.addInitScript(`Object.defineProperty(window, 'sessionStorage', {
    get () { throw new DOMException('', 'SecurityError') }
  })`)
  const page = await scene.open()
  t.same(await page.evaluate('left'), [false, false])
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('button[value=alice]').waitFor()
})

test('signInUrl has the parameters that are given, and where to return to', async (t) => {
  const scene = await portal(t)
  const page = await scene.open('/portal/a?b=c#d')
  const query = async (parameters: string) => Object.fromEntries(
    new URL(await page.evaluate<string>(`auth.signInUrl(${parameters})`)).searchParams
  )
  t.same(await query(''), { returnTo: `${scene.origin}/portal/a?b=c#d` })
  t.same(await query('{ role: "ISSUER", lang: undefined, max_age: 0, returnTo: "/x" }'), {
    role: 'ISSUER', max_age: '0', returnTo: '/x'
  })
  await page.evaluate('history.replaceState(null, "", "?long=" + "x".repeat(3000))')
  t.same(await query(''), { returnTo: `${scene.origin}/portal/a` })
})

test('signOut has no parameters but those that are given', async (t) => {
  const scene = await portal(t)
  const page = await scene.open()
  await scene.signIn(page)
  const [request] = await Promise.all([
    page.waitForRequest(/\/logout/), page.evaluate('void auth.signOut({ returnTo: undefined })')
  ])
  t.equal(new URL(request.url()).search, '')
  await page.waitForURL(`${scene.setup.url}/`)
})

test('signOut takes the event of a click for no parameters', async (t) => {
  const scene = await portal(t)
  const page = await scene.open()
  await scene.signIn(page)
  // As an event of React, whose target leads back to itself.
  await page.evaluate('globalThis.event = { type: "click" }; event.target = { event }; void auth.signOut(event)')
  await page.waitForURL(`${scene.setup.url}/`)
})
