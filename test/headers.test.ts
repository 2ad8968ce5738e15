import { test } from 'tap'
import { browser, reachCallback, signIn } from './support/browser.js'
import { server, sharedServer } from './support/server.js'

const SECURITY = {
  'cache-control': 'no-store',
  'content-security-policy': /^default-src 'none';.*frame-ancestors 'none'/,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'strict-transport-security': /^max-age=\d{8}/
}

test('Every response has the security headers, whatever its status', async (t) => {
  const setup = await server(t, {
    PUBLIC_URL: 'https://auth.example.com',
    LOGIN_RATE_LIMIT: '3',
    RETURN_ORIGINS: 'https://portal.example.com'
  })
  const { url, database } = setup
  const user = browser({ via: { [url]: Number(setup.env.PORT) } })
  const seen = new Set<number>()
  const check = (what: string, page: { status: number, headers: Headers }) => {
    seen.add(page.status)
    t.match(Object.fromEntries(page.headers), SECURITY, `${what}: ${page.status}`)
    t.equal(page.headers.get('x-powered-by'), null)
    t.equal(page.headers.get('server'), null)
    t.notMatch(page.headers.get('content-security-policy'), /unsafe|\*|data:/)
  }
  const to = { redirect: 'manual' } as const

  const { callbackUrl } = await reachCallback(user, url)
  check('login', await user.get(`${url}/api/auth/login`, to))
  check('callback', await user.get(callbackUrl, to))
  check('me', await user.get(`${url}/api/auth/me`))
  check('page', await user.get(`${url}/`))
  check('a refused callback', await user.get(`${url}/api/auth/callback?error=access_denied`, to))
  check('login with a role that there is not', await user.get(`${url}/api/auth/login?role=KING`, to))
  for (let i = 0; i < 3; i++) check('more logins than allowed', await user.get(`${url}/api/auth/login`, to))
  check('no such route', await user.get(`${url}/nowhere`))
  check('no such method', await user.send('DELETE', `${url}/api/auth/me`))
  check(
    'a preflight',
    await user.send('OPTIONS', `${url}/api/auth/me`, {
      headers: { 'origin': 'https://portal.example.com', 'access-control-request-method': 'GET' }
    })
  )
  check(
    'a foreign page',
    await user.post(
      `${url}/api/auth/logout`,
      {},
      { ...to, headers: { origin: 'https://evil.example' } }
    )
  )
  check('a URL that cannot be decoded', await user.get(`${url}/%zz`))
  check('health', await user.get(`${url}/health/ready`))
  check('a body that is too long', await user.post(`${url}/api/auth/logout`, { x: 'x'.repeat(5000) }, to))
  await database.query('ALTER TABLE session RENAME COLUMN sess TO other')
  check('no database', await user.get(`${url}/api/auth/me`))
  check('not ready', await user.get(`${url}/api/auth/callback?state=x&code=y`, to))
  await database.query('ALTER TABLE session RENAME COLUMN other TO sess')
  check('logout', await user.post(`${url}/api/auth/logout`, {}, to))
  check('a guest', await user.get(`${url}/api/auth/me`))

  t.same([...seen].sort(), [200, 204, 302, 303, 400, 401, 403, 404, 413, 429, 503])
})

test('Responses over http have no Strict-Transport-Security', async (t) => {
  const { url } = await sharedServer()
  const user = browser()
  await signIn(user, url)
  for (const path of ['/', '/api/auth/me', '/nowhere', '/%zz']) {
    t.equal((await user.get(url + path)).headers.get('strict-transport-security'), null)
  }
})
