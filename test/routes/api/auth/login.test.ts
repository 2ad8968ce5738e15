import { createHash } from 'node:crypto'
import { test } from 'tap'
import { server, type Setup } from '../../../support/server.js'

const login = (url: string, query = '', init: RequestInit = {}) => fetch(`${url}/api/auth/login${query}`, { redirect: 'manual', ...init })
interface Row { sid: string, sess: Record<string, string>, seconds: number }
const rows = async ({ database }: Setup) => await database.query('SELECT sid, sess, extract(epoch FROM expire - timezone(\'utc\', now()))::float8 AS seconds FROM session') as Row[]

test('GET /api/auth/login sends the browser to Cognito with everything a code flow needs', async (t) => {
  const setup = await server(t)

  const response = await login(setup.url)

  t.equal(response.status, 302)
  const { origin, pathname, searchParams } = new URL(response.headers.get('location') ?? '')
  t.equal(origin + pathname, `${setup.env.COGNITO_DOMAIN}/oauth2/authorize`)
  const [row] = await rows(setup)
  const sess = row?.sess ?? {}
  t.same(Object.fromEntries(searchParams), {
    response_type: 'code',
    client_id: setup.env.COGNITO_CLIENT_ID,
    redirect_uri: `${setup.url}/api/auth/callback`,
    scope: 'openid email profile',
    state: sess.state,
    nonce: sess.nonce,
    code_challenge: createHash('sha256').update(sess.codeVerifier ?? '').digest('base64url'),
    code_challenge_method: 'S256'
  })
})

test('GET /api/auth/login costs one row, holding state, nonce and requestedRole, for LOGIN_TTL', async (t) => {
  const setup = await server(t, { LOGIN_TTL: '300', SESSION_ABSOLUTE_TTL: '5' })

  const response = await login(setup.url, '?role=ISSUER&returnTo=/offers%3Fpage=2')

  const found = await rows(setup)
  t.equal(found.length, 1)
  t.match(found[0]?.sess, { state: /^[\w-]{43}$/, nonce: /^[\w-]{43}$/, codeVerifier: /^[\w-]{43}$/, requestedRole: 'ISSUER', returnTo: '/offers?page=2' })
  const seconds = found[0]?.seconds ?? 0
  t.ok(seconds > 295 && seconds <= 300)
  const cookies = response.headers.getSetCookie()
  t.equal(cookies.length, 1)
  t.match(cookies[0], /^cashsouk\.sid\.login\.[\w-]{10}=[^;]+; Max-Age=300; Path=\/api\/auth; HttpOnly; SameSite=Lax$/)
})

test('GET /api/auth/login never repeats a state, a nonce, a code verifier or an id', async (t) => {
  const setup = await server(t)

  await Promise.all(Array.from({ length: 20 }, () => login(setup.url)))

  const found = await rows(setup)
  for (const values of [found.map(({ sid }) => sid), ...['state', 'nonce', 'codeVerifier'].map((key) => found.map(({ sess }) => sess[key]))]) {
    t.equal(new Set(values).size, 20)
  }
})

test('GET /api/auth/login asks for the first of ROLES unless told otherwise', async (t) => {
  const setup = await server(t, { ROLES: 'AUDITOR,INVESTOR', OPEN_ROLES: 'INVESTOR' })

  await login(setup.url)

  t.equal((await rows(setup))[0]?.sess.requestedRole, 'AUDITOR')
})

test('GET /api/auth/login hands on identity_provider, login_hint, lang and prompt, and nothing else', async (t) => {
  const { url } = await server(t)

  const response = await login(url, '?identity_provider=Google&login_hint=a%40example.com&lang=de&prompt=login&client_id=evil&redirect_uri=https://evil.example')

  const { searchParams } = new URL(response.headers.get('location') ?? '')
  t.match(Object.fromEntries(searchParams), { identity_provider: 'Google', login_hint: 'a@example.com', lang: 'de', prompt: 'login' })
  t.notMatch(searchParams.toString(), /evil/)
})

test('GET /api/auth/login accepts a returnTo on one of RETURN_ORIGINS', async (t) => {
  const setup = await server(t, { RETURN_ORIGINS: 'https://investor.example.com' })

  const response = await login(setup.url, '?returnTo=https://investor.example.com/portfolio')

  t.equal(response.status, 302)
  t.equal((await rows(setup))[0]?.sess.returnTo, 'https://investor.example.com/portfolio')
})

for (const [query, code] of [
  ['?role=SUPERUSER', 'ERR_ROLE_UNKNOWN'],
  ['?role=admin', 'ERR_ROLE_UNKNOWN'],
  ['?role=', 'ERR_ROLE_UNKNOWN'],
  ['?role=ADMIN&role=ISSUER', 'ERR_VALIDATION'],
  ['?returnTo=https://evil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=//evil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=/%5Cevil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=javascript:alert(1)', 'ERR_RETURN_TO'],
  [`?returnTo=/${'x'.repeat(2048)}`, 'ERR_VALIDATION'],
  [`?login_hint=${'x'.repeat(257)}`, 'ERR_VALIDATION']
] as const) {
  test(`GET /api/auth/login${query.slice(0, 40)} answers 400 ${code} and costs no row`, async (t) => {
    const setup = await server(t)

    const response = await login(setup.url, query)

    t.match({ status: response.status, body: await response.json() }, { status: 400, body: { statusCode: 400, code, message: String, requestId: String } })
    t.same(response.headers.getSetCookie(), [])
    t.same(await rows(setup), [])
  })
}

test('GET /api/auth/login answers 429 ERR_RATE_LIMIT beyond LOGIN_RATE_LIMIT, and costs no row', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '3' })

  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await login(setup.url)).status)
  const refused = await login(setup.url)

  t.same(statuses, [302, 302, 302, 429, 429])
  t.match(await refused.json(), { statusCode: 429, code: 'ERR_RATE_LIMIT' })
  t.ok(Number(refused.headers.get('retry-after')) > 0)
  t.equal((await rows(setup)).length, 3)
})

test('GET /api/auth/login believes X-Forwarded-For from TRUST_PROXY alone', async (t) => {
  const statuses = async (env: Record<string, string>) => {
    const { url } = await server(t, { LOGIN_RATE_LIMIT: '1', ...env })
    const from = (address: string) => login(url, '', { headers: { 'x-forwarded-for': address } })
    return [(await from('192.0.2.1')).status, (await from('192.0.2.2')).status]
  }

  t.same(await statuses({}), [302, 429], 'a stranger\'s word counts for nothing')
  t.same(await statuses({ TRUST_PROXY: '127.0.0.1/32,::1' }), [302, 302])
})

test('HEAD /api/auth/login starts nothing', async (t) => {
  const setup = await server(t)

  const response = await login(setup.url, '', { method: 'HEAD' })

  t.equal(response.status, 404)
  t.same(await rows(setup), [])
})

test('GET /api/auth/login shows a browser a page with the code, the request id and a way to try again', async (t) => {
  const { url } = await server(t)

  const response = await login(url, '?role=SUPERUSER', { headers: { accept: 'text/html,application/xhtml+xml' } })

  t.equal(response.status, 400)
  t.match(response.headers.get('content-type'), /^text\/html/)
  const page = await response.text()
  t.match(page, /ERR_ROLE_UNKNOWN/)
  t.match(page, /id="request">[0-9a-f-]{36}</)
  t.match(page, /href="\/api\/auth\/login"/)
})

test('GET /api/auth/login drops the oldest of a browser\'s logins beyond 20', async (t) => {
  const { url } = await server(t)
  const made = Array.from({ length: 21 }, (_, i) => `cashsouk.sid.login.tab${String(i).padStart(7, '0')}=${(i + 100).toString(36)}.x`)

  const response = await login(url, '', { headers: { cookie: made.join('; ') } })

  const dropped = response.headers.getSetCookie().filter((cookie) => cookie.includes('Max-Age=0')).map((cookie) => cookie.split('=')[0])
  t.same(dropped.sort(), ['cashsouk.sid.login.tab0000000', 'cashsouk.sid.login.tab0000001'])
})

test('A path that is not quite a route is 404, and no route of another name', async (t) => {
  const { url } = await server(t)

  for (const path of ['/api/auth/login/', '//api/auth/login', '/API/auth/login', '/api/auth/login;x', '/api/auth%2Flogin', '/api/auth']) {
    t.equal((await fetch(url + path, { redirect: 'manual' })).status, 404, path)
  }
})

test('A URL that cannot be decoded is 400 and not cached', async (t) => {
  const { url } = await server(t)

  const response = await fetch(`${url}/api/auth/%zz`)

  t.match(await response.json(), { statusCode: 400, code: 'ERR_VALIDATION' })
  t.equal(response.headers.get('cache-control'), 'no-store')
})
