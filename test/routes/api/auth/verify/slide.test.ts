import { test } from 'tap'
import { browser, signIn } from '../../../../support/browser.js'
import { pass } from '../../../../support/pass.js'
import { server, sharedServer, type Setup } from '../../../../support/server.js'
import { VERIFY } from '../../../../support/verify.js'

const TTL = { SESSION_TTL: '600', SESSION_TOUCH_INTERVAL: '60' }

const left = async ({ database }: Setup): Promise<number> =>
  Number((await database.query(
    'SELECT extract(epoch FROM expire - timezone(\'utc\', now()))::float8 AS left FROM session'
  ))[0]?.left)

test('verify never extends a session, and sets no cookie', async (t) => {
  const setup = await sharedServer(TTL)
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 300)

  for (const query of ['', '?slide=false', '?role=INVESTOR']) {
    const answer = await user.get(`${setup.url}${VERIFY}${query}`, { headers: { 'sec-fetch-site': 'same-origin' } })
    t.equal(answer.status, 200)
    t.same(answer.headers.getSetCookie(), [])
  }
  t.ok(await left(setup) < 301)
})

test('verify?slide=true moves the expiry when a touch is due, with one Set-Cookie', async (t) => {
  const setup = await sharedServer(TTL)
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 30)
  const early = await user.get(`${setup.url}${VERIFY}?slide=true`)
  t.ok(await left(setup) < 571, 'a touch is not due')
  t.same(early.headers.getSetCookie(), [])
  await pass(setup.database, 60)

  const answer = await user.get(`${setup.url}${VERIFY}?slide=true`)

  t.ok(await left(setup) > 597)
  t.equal(answer.headers.getSetCookie().length, 1)
  t.match(
    answer.headers.getSetCookie()[0],
    /^cashsouk\.sid=[^;]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/
  )
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200, 'the cookie is valid')
})

test('With slide=true, a browser gets the cookie also when the row did not move', async (t) => {
  const setup = await sharedServer(TTL)
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 10)

  const answer = await user.get(`${setup.url}${VERIFY}?slide=true`, { headers: { 'sec-fetch-site': 'none' } })

  t.match(answer.headers.getSetCookie(), [/; Max-Age=5(89|90);/])
})

test('With COOKIE_LIFETIME=absolute, slide=true moves the expiry and sets no cookie', async (t) => {
  const setup = await sharedServer({ ...TTL, COOKIE_LIFETIME: 'absolute' })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 300)

  const answer = await user.get(`${setup.url}${VERIFY}?slide=true`, { headers: { 'sec-fetch-site': 'none' } })

  t.ok(await left(setup) > 597)
  t.same(answer.headers.getSetCookie(), [])
})

test('A refusal never extends a session', async (t) => {
  const setup = await sharedServer(TTL)
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 300)

  t.equal((await user.get(`${setup.url}${VERIFY}?slide=true&role=ADMIN`)).status, 403)
  t.equal((await user.get(`${setup.url}${VERIFY}?slide=true&slide=true`)).status, 403)
  t.ok(await left(setup) < 301)
})

test('slide=true does not move the expiry past the absolute lifetime', async (t) => {
  const setup = await sharedServer({ ...TTL, SESSION_ABSOLUTE_TTL: '700' })
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query(`UPDATE session SET expire = expire - interval '400 s', sess = jsonb_set(
    sess::jsonb, '{~store,created}', to_jsonb((sess -> '~store' ->> 'created')::bigint - 400000))::json`)

  const answer = await user.get(`${setup.url}${VERIFY}?slide=true`)

  t.ok(await left(setup) <= 300)
  t.match(answer.headers.getSetCookie(), [/; Max-Age=(299|300);/])
})

test('While COOKIE_LIFETIME is idle, the first success says so in the log, once', async (t) => {
  const message = 'verify is in use with COOKIE_LIFETIME=idle: behind most proxies the cookie ends before its session'
  const [idle, absolute] = [await server(t), await server(t, { COOKIE_LIFETIME: 'absolute' })]
  const said = ({ log }: Setup) => log.filter((line) => line.includes(message)).length
  for (const setup of [idle, absolute]) {
    const user = browser()
    await user.get(`${setup.url}${VERIFY}`)
    t.equal(said(setup), 0)
    await signIn(user, setup.url)
    for (let n = 0; n < 3; n++) await user.get(`${setup.url}${VERIFY}`)
  }

  t.equal(said(idle), 1)
  t.equal(said(absolute), 0)
})
