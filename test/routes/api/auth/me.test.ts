import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { browser, signIn } from '../../../support/browser.js'
import { pass } from '../../../support/pass.js'
import { instance, poolOf, server, type Setup, sharedServer } from '../../../support/server.js'
import { freePort } from '../../../../local/free-port.js'

interface Me {
  user: object
  role: string
  roles: string[]
  createdAt: string
  expiresAt: string
  absoluteExpiresAt: string
  expiresInSeconds: number
  absoluteExpiresInSeconds: number
  serverTime: string
}

const expire = async ({ database }: Setup) =>
  String((await database.query('SELECT expire::text FROM session'))[0]?.expire)

test('GET /api/auth/me returns the user and the times of the session', async (t) => {
  const { url } = await server(t, { SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '3600' })
  const user = browser()
  await signIn(user, url, { role: 'ADMIN', person: 'carol' })

  const page = await user.get(`${url}/api/auth/me`)

  t.equal(page.status, 200)
  const me = JSON.parse(page.text) as Me
  t.match(me, {
    user: { sub: /^[0-9a-f-]{36}$/, email: 'carol@example.com', name: 'Carol Sample' },
    role: 'ADMIN',
    roles: ['INVESTOR', 'ISSUER', 'ADMIN']
  })
  const createdAt = Date.parse(me.createdAt)
  t.ok(Math.abs(createdAt - Date.now()) < 5000)
  t.ok(Math.abs(Date.parse(me.expiresAt) - createdAt - 600_000) < 2000)
  t.equal(Date.parse(me.absoluteExpiresAt), createdAt + 3_600_000)
  for (const time of [me.createdAt, me.expiresAt, me.absoluteExpiresAt]) {
    t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  }
  t.notMatch(page.text, /refreshToken|state|nonce/)
})

for (const [name, cookie] of [
  ['without a cookie', undefined],
  ['with a forged cookie', 'cashsouk.sid=made-up.signature'],
  ['with an unsigned cookie', 'cashsouk.sid=made-up'],
  ['with an empty cookie', 'cashsouk.sid='],
  ['with a percent-broken cookie', 'cashsouk.sid=%E0%A4%A'],
  ['with a cookie of 3,000 characters', `cashsouk.sid=${'x'.repeat(3000)}.y`]
] as const) {
  test(`GET /api/auth/me ${name} answers 401 without a row or cookie`, async (t) => {
    const { url, database } = await sharedServer()

    const response = await fetch(`${url}/api/auth/me`, cookie === undefined ? {} : { headers: { cookie } })

    t.match(await response.json(), { statusCode: 401, code: 'ERR_UNAUTHENTICATED', message: String, requestId: String })
    t.same(response.headers.getSetCookie().filter((line) => !line.includes('Max-Age=0') && !line.includes('1970')), [])
    t.same(await database.query('SELECT * FROM session'), [])
  })
}

test('A request with an invalid cookie causes no query', async (t) => {
  const { url, fastify } = await server(t)
  let queries = 0
  poolOf(fastify).on('acquire', () => { queries++ })

  await fetch(`${url}/api/auth/me`, { headers: { cookie: 'cashsouk.sid=made-up.signature' } })

  t.equal(queries, 0)
})

test('A login cookie is not accepted as a session cookie', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await user.get(`${url}/api/auth/login`, { redirect: 'manual' })
  const value = user.cookies[0]?.value

  const page = await browser().get(`${url}/api/auth/me`, { headers: { cookie: `cashsouk.sid=${value}` } })

  t.equal(page.status, 401)
})

test('An idle session answers 401 and its row is pruned', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_PRUNE_INTERVAL: '1' })
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  await pass(setup.database, 600)

  const page = await browser().get(`${setup.url}/api/auth/me`, { headers: { cookie } })
  const waiting = await setup.database.query('SELECT * FROM session')
  t.equal(page.status, 401)

  for (let i = 0; i < 50 && (await setup.database.query('SELECT * FROM session')).length > 0; i++) await sleep(100)
  t.equal((await setup.database.query('SELECT * FROM session')).length, 0)
  t.ok(waiting.length <= 1)
})

test('A session in use outlives SESSION_TTL but not SESSION_ABSOLUTE_TTL', async (t) => {
  const { url, database } = await server(t, { SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '1500' })
  const user = browser()
  await signIn(user, url)
  const cookie = user.cookieHeader(url)

  const statuses: [number, number][] = []
  for (let seconds = 0; seconds < 2000; seconds += 150) {
    const { status } = await browser().get(`${url}/api/auth/me`, { headers: { cookie } })
    statuses.push([seconds, status])
    await pass(database, 150)
    await database.query(`UPDATE session
      SET sess = jsonb_set(
        sess::jsonb, '{~store,created}', to_jsonb((sess -> '~store' ->> 'created')::bigint - 150000)
      )::json`)
  }

  t.ok(statuses.filter(([seconds]) => seconds < 1400).every(([, status]) => status === 200), JSON.stringify(statuses))
  t.ok(statuses.filter(([seconds]) => seconds >= 1500).every(([, status]) => status === 401), JSON.stringify(statuses))
})

test('A session is touched at most once per SESSION_TOUCH_INTERVAL', async (t) => {
  const setup = await server(t, { SESSION_TOUCH_INTERVAL: '60' })
  const user = browser()
  await signIn(user, setup.url)
  const first = await expire(setup)

  for (let i = 0; i < 20; i++) await user.get(`${setup.url}/api/auth/me`)
  const soon = await expire(setup)
  await setup.database.query('UPDATE session SET expire = expire - interval \'61 seconds\'')
  await user.get(`${setup.url}/api/auth/me`)
  const later = await expire(setup)

  t.equal(soon, first)
  t.ok(later > first)
})

test('The cookie is renewed exactly when the row is touched', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_TOUCH_INTERVAL: '1' })
  const user = browser()
  await signIn(user, setup.url)
  const lines: string[][] = []
  const moved: boolean[] = []

  for (const pause of [0, 1100, 0]) {
    await sleep(pause)
    const before = await expire(setup)
    lines.push((await user.get(`${setup.url}/api/auth/me`)).headers.getSetCookie())
    moved.push(await expire(setup) !== before)
  }

  t.same(lines.map((list) => list.length > 0), moved)
  t.match(lines[1], [/^cashsouk\.sid=[^;]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/])
})

test('A session survives the end of the instance that created it', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  await setup.fastify.close()
  const port = await freePort()

  await instance(t, { ...setup.env, PORT: String(port) })

  t.equal((await user.get(`${setup.url}/api/auth/me`, { via: port })).status, 200)
})

test('A new first secret keeps sessions and re-signs their cookies', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const before = user.cookie('cashsouk.sid')?.value
  const [rotated, without] = [await freePort(), await freePort()]
  await instance(t, {
    ...setup.env,
    PORT: String(rotated),
    SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
  })
  await instance(
    t,
    { ...setup.env, PORT: String(without), SESSION_SECRET: 'another secret of a test and of nothing else' }
  )

  t.equal((await user.get(`${setup.url}/api/auth/me`, { via: rotated })).status, 200)
  t.not(user.cookie('cashsouk.sid')?.value, before)
  t.equal(
    (await user.get(`${setup.url}/api/auth/me`, { via: without })).status,
    200,
    'also once the old one is removed'
  )
})

test('Cookies are Secure with an https PUBLIC_URL, even behind a proxy', async (t) => {
  const setup = await server(
    t,
    { PUBLIC_URL: 'https://auth.example.com', COOKIE_DOMAIN: 'example.com', COOKIE_NAME: '__Secure-sid' }
  )
  const port = Number(setup.env.PORT)
  const user = browser({ via: { 'https://auth.example.com': port } })

  await signIn(user, setup.url)

  t.match(user.cookie('__Secure-sid'), { secure: true, domain: 'example.com', hostOnly: false })
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('__Host- cookies have Path=/, Secure and no Domain', async (t) => {
  const setup = await server(t, { PUBLIC_URL: 'https://auth.example.com', COOKIE_NAME: '__Host-sid' })
  const user = browser({ via: { 'https://auth.example.com': Number(setup.env.PORT) } })

  const { hops } = await signIn(user, setup.url)

  for (const line of hops.flatMap(({ url, headers }) => url.startsWith(setup.url) ? headers.getSetCookie() : [])) {
    t.match(line, /^__Host-sid/)
    t.match(line, /; Path=\/;/)
    t.match(line, /; Secure/)
    t.notMatch(line, /Domain/)
  }
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('The 401 of a portal on another site says that it can have no session', async (t) => {
  const elsewhere = 'https://portal.example.org'
  const setup = await server(t, { RETURN_ORIGINS: `http://localhost:5173,${elsewhere}` })
  const messageFor = async (headers: Record<string, string>) => {
    const { status, text } = await browser().get(`${setup.url}/api/auth/me`, { headers })
    const { code, message } = JSON.parse(text) as { code: string, message: string }
    t.same([status, code], [401, 'ERR_UNAUTHENTICATED'])
    return message
  }

  t.match(
    await messageFor({ origin: elsewhere }),
    /^Sign in first\. Pages of https:\/\/portal\.example\.org have no session/
  )
  for (const origin of ['http://localhost:5173', setup.url, 'https://evil.example']) {
    t.equal(await messageFor({ origin }), 'Sign in first')
  }
  t.equal(await messageFor({}), 'Sign in first')
})

test('GET /api/auth/me tells the time left by the database\'s clock', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '3600' })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 100)
  t.intercept(Date, 'now', { value: () => 0 })

  const me = JSON.parse((await user.get(`${setup.url}/api/auth/me?slide=false`)).text) as Me

  const [{ now } = { now: 0 }] = await setup.database.query('SELECT extract(epoch FROM now())::float8 * 1000 AS now')
  t.ok(Math.abs(Date.parse(me.serverTime) - Number(now)) < 5000, me.serverTime)
  t.ok(me.expiresInSeconds > 490 && me.expiresInSeconds <= 500, String(me.expiresInSeconds))
  t.ok(me.absoluteExpiresInSeconds > 3590 && me.absoluteExpiresInSeconds < 3600, String(me.absoluteExpiresInSeconds))
  const left = (Date.parse(me.expiresAt) - Date.parse(me.serverTime)) / 1000
  t.ok(Math.abs(left - me.expiresInSeconds) <= 1)
})

test('GET /api/auth/me tells authTime if the session has it', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const set = async (json: string) => {
    await setup.database.query('UPDATE session SET sess = jsonb_set(sess::jsonb, \'{authTime}\', $1)::json', [json])
    return JSON.parse((await user.get(`${setup.url}/api/auth/me`)).text) as Me & { authTime?: string }
  }

  t.equal((await set('1700000000')).authTime, '2023-11-14T22:13:20.000Z')
  t.notOk('authTime' in await set('null'))
})

/** What a browser sends with a page's own request. */
const BY_BROWSER = { 'sec-fetch-site': 'same-origin' }

for (const [what, method, path, headers] of [
  ['GET /api/auth/me?slide=false', 'GET', '/api/auth/me?slide=false', {}],
  ['GET /api/auth/me?slide=false of a browser', 'GET', '/api/auth/me?slide=false', BY_BROWSER],
  ['HEAD /api/auth/me of a browser', 'HEAD', '/api/auth/me', BY_BROWSER]
] as const) {
  test(`${what} tells without extending and without a cookie`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)
    await pass(setup.database, 600)
    const before = await setup.database.query('SELECT * FROM session')

    const answer = await user.send(method, `${setup.url}${path}`, { headers })

    t.same([answer.status, answer.headers.getSetCookie()], [200, []])
    t.same(await setup.database.query('SELECT * FROM session'), before)
    t.equal((await user.get(`${setup.url}/api/auth/me`)).headers.getSetCookie().length, 1)
    t.not(await expire(setup), String(before[0]?.expire))
  })
}

test('A page that polls ?slide=false does not keep its session alive', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600' })
  const user = browser()
  await signIn(user, setup.url)
  const poll = async () => (await user.get(`${setup.url}/api/auth/me?slide=false`)).status
  const statuses: number[] = []

  for (let i = 0; i < 5; i++) {
    statuses.push(await poll())
    await pass(setup.database, 150)
  }

  t.same(statuses, [200, 200, 200, 200, 401])
})

test('GET /api/auth/me takes an empty slide for none and refuses others', async (t) => {
  const { url } = await sharedServer()
  const status = async (query: string) => (await fetch(`${url}/api/auth/me?${query}`)).status

  t.same(await Promise.all(['slide=', 'slide=true', 'other=1'].map(status)), [401, 401, 401])
  t.same(await Promise.all(['slide=no', 'slide=0', 'slide=false&slide=true'].map(status)), [400, 400, 400])
})

const maxAgeOf = (lines: string[]): (number | undefined)[] => lines.map((line) => {
  const [, seconds] = /; Max-Age=(\d+)/.exec(line) ?? []
  return seconds === undefined ? undefined : Number(seconds)
})

test('A browser gets the cookie with every answer, for the rest of the row\'s life', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_TOUCH_INTERVAL: '60' })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 30)
  const before = await expire(setup)
  const ages = async (headers: Record<string, string>) =>
    maxAgeOf((await user.get(`${setup.url}/api/auth/me`, { headers })).headers.getSetCookie())

  t.same(await ages({}), [], 'not for what no browser asked')
  for (const site of ['same-origin', 'same-site', 'none']) {
    const [age = 0, ...more] = await ages({ 'sec-fetch-site': site })
    t.ok(age >= 565 && age <= 570, `${age} s`)
    t.same(more, [])
  }
  t.equal(await expire(setup), before, 'the row has not moved')
})

test('A cookie is not sent for a row that ends within a second', async (t) => {
  const setup = await server(t, { SESSION_TTL: '2', SESSION_TOUCH_INTERVAL: '60' })
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  // Its expiry was limited by the absolute lifetime, so that no touch is due.
  await setup.database.query(`UPDATE session SET
    expire = timezone('utc', now()) + interval '0.9 s',
    sess = jsonb_set(sess::jsonb, '{~store,created}',
      to_jsonb((extract(epoch FROM now()) * 1000 + 900)::bigint - 43200000))::json`)

  const answer = await browser().get(`${setup.url}/api/auth/me`, { headers: { cookie, ...BY_BROWSER } })

  t.same([answer.status, answer.headers.getSetCookie()], [200, []])
})

test('A cookie outlasts a portal\'s own server that takes the renewals', async (t) => {
  const setup = await server(t, { SESSION_TTL: '4' })
  const user = browser()
  await signIn(user, setup.url)

  for (let i = 0; i < 14; i++) {
    await sleep(500)
    const cookie = user.cookieHeader(setup.url)
    t.equal((await fetch(`${setup.url}/api/auth/me`, { headers: { cookie } })).status, 200, 'the portal\'s server')
    t.equal((await user.get(`${setup.url}/api/auth/me`, { headers: BY_BROWSER })).status, 200, 'the browser')
  }
})

test('COOKIE_LIFETIME=absolute: the cookie lasts for the absolute lifetime, and the row decides', async (t) => {
  const setup = await server(t, {
    COOKIE_LIFETIME: 'absolute', SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '3600', SESSION_TOUCH_INTERVAL: '1'
  })
  const user = browser()
  const { answer } = await signIn(user, setup.url)
  t.same(maxAgeOf(answer.headers.getSetCookie().filter((line) => line.startsWith('cashsouk.sid='))), [3600])
  await pass(setup.database, 100)
  const before = await expire(setup)

  const used = await user.get(`${setup.url}/api/auth/me`, { headers: BY_BROWSER })

  t.same([used.status, used.headers.getSetCookie()], [200, []], 'it is not sent again')
  t.ok(await expire(setup) > before, 'the row moves')
  await pass(setup.database, 601)
  const idle = await user.get(`${setup.url}/api/auth/me`)
  t.match(JSON.parse(idle.text), { statusCode: 401, reason: 'idle' })
})

test('COOKIE_LIFETIME=absolute: a cookie that is signed again has the rest of the lifetime', async (t) => {
  const setup = await server(t, { COOKIE_LIFETIME: 'absolute', SESSION_ABSOLUTE_TTL: '3600' })
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query(`UPDATE session SET sess = jsonb_set(
    sess::jsonb, '{~store,created}', to_jsonb((sess -> '~store' ->> 'created')::bigint - 1000000))::json`)
  const port = await freePort()
  await instance(t, {
    ...setup.env,
    PORT: String(port),
    SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
  })

  const answer = await user.get(`${setup.url}/api/auth/me`, { via: port })

  const [age = 0] = maxAgeOf(answer.headers.getSetCookie())
  t.ok(age >= 2595 && age <= 2600, `${age} s`)
})

test('GET /api/auth/me answers the same whether it only looks at the session or loads it', async (t) => {
  const setup = await sharedServer()
  const [user, port] = [browser(), await freePort()]
  await signIn(user, setup.url, { role: 'ADMIN', person: 'carol' })
  // With several secrets the session is always loaded.
  const SESSION_SECRET = `${setup.env.SESSION_SECRET},an older secret of this test and of nothing else`
  await instance(t, { ...setup.env, PORT: String(port), SESSION_SECRET })

  for (const headers of [{}, BY_BROWSER]) {
    const [looked, loaded] = [
      await user.get(`${setup.url}/api/auth/me`, { headers }),
      await user.get(`${setup.url}/api/auth/me`, { headers, via: port })
    ]

    const told = ({ text }: { text: string }) => {
      const { serverTime, expiresInSeconds, absoluteExpiresInSeconds, ...rest } = JSON.parse(text) as Me
      return rest
    }
    t.same(told(looked), told(loaded))
    const withoutTime = ({ headers }: { headers: Headers }) =>
      headers.getSetCookie().map((line) => line.replace(/Max-Age=\d+|Expires=[^;]+/g, ''))
    t.same(withoutTime(looked), withoutTime(loaded))
    t.equal(looked.headers.getSetCookie().length, headers === BY_BROWSER ? 1 : 0)
  }
})
