/** What holds for every answer on the way from a guest to a signed-in person and back. */
import { test } from 'tap'
import { browser, type Page } from '../support/browser.js'
import { rawHttp } from '../support/raw-http.js'
import { relyingParty, type RelyingParty } from '../support/relying-party.js'
import { isEmbedded } from '../support/server.js'

const json = { accept: 'application/json' }

const isLogin = ({ url }: RelyingParty, location = ''): boolean => location.startsWith(`${url}/api/auth/login?`)

/** Every answer of this server to a browser that signs in, looks around, is refused once, and signs out. */
async function wholeSignIn (
  party: RelyingParty,
  headers: Record<string, string> = {}
): Promise<Page[]> {
  const user = browser()
  const pages: Page[] = []
  const get = async (url: string): Promise<Page> => {
    const page = await user.get(url, { redirect: 'manual', headers })
    if (url.startsWith(party.url)) pages.push(page)
    return page
  }
  for (const role of ['INVESTOR', 'ADMIN']) {
    const first = await get(`${party.url}/api/auth/login?role=${role}`)
    // A login with a forged host is sent to that of PUBLIC_URL, once.
    const login = isLogin(party, first.location) ? await get(first.location ?? '') : first
    const authorize = await get(login.location ?? '')
    await get(authorize.location ?? '')
  }
  // Unknown routes are the application's where there is one.
  for (const path of ['/', '/api/auth/me', ...(isEmbedded ? [] : ['/api/auth/nowhere']), '/health/ready']) {
    await get(party.url + path)
  }
  pages.push(await user.post(`${party.url}/api/auth/logout`, {}, { redirect: 'manual', headers }))
  return pages
}

test('No response of a sign-in contains a token, verifier or client secret', async (t) => {
  const party = await relyingParty(t)
  const issued: string[] = []
  party.provider.behaviour = {
    tokens: (all) => {
      issued.push(
        ...(Object.values(all).filter(
          (value) => typeof value === 'string' && value.length > 10
        ) as string[])
      )
      return all
    }
  }

  const pages = await wholeSignIn(party)

  const verifiers = party.provider.requests
    .map(({ body }) => body.get('code_verifier'))
    .filter((value) => value !== null)
  t.ok(issued.length >= 6 && verifiers.length === 2)
  for (const page of pages) {
    const all = decodeURIComponent(page.text + JSON.stringify([...page.headers]))
    for (const secret of [...issued, ...verifiers, party.provider.env.COGNITO_CLIENT_SECRET ?? '']) {
      t.notOk(all.includes(secret), `${page.method} ${new URL(page.url).pathname}`)
    }
  }
})

test('Every cookie of a sign-in is HttpOnly, SameSite=Lax and below 1 KiB', async (t) => {
  const party = await relyingParty(t)
  party.provider.behaviour = {
    claims: (all) => ({
      ...all,
      'name': 'é'.repeat(2000),
      'email': 'x'.repeat(2000),
      'cognito:groups': Array.from({ length: 500 }, (_, index) => `group-${index}`)
    })
  }

  const pages = await wholeSignIn(party)
  const cookies = pages.flatMap(({ headers }) => headers.getSetCookie())

  t.ok(cookies.length >= 4)
  for (const cookie of cookies) {
    t.match(cookie, /; HttpOnly/)
    t.match(cookie, /; SameSite=Lax/)
    t.ok(cookie.length < 1024, `${cookie.length} bytes`)
  }
  // A script could read a value that is repeated elsewhere in the response.
  const values = cookies
    .map((cookie) => /^[^=]*=([^;]*)/.exec(cookie)?.[1] ?? '')
    .filter((value) => value !== '')
  for (const { text, location } of pages) {
    for (const value of values) t.notOk(`${text} ${location}`.includes(value))
  }
})

test('Every response of a sign-in has Cache-Control: no-store', async (t) => {
  const pages = await wholeSignIn(await relyingParty(t))

  t.ok(pages.filter(({ headers }) => headers.getSetCookie().length > 0).length >= 4)
  for (const { headers, method, url, status } of pages) {
    t.equal(headers.get('cache-control'), 'no-store', `${method} ${url} ${status}`)
  }
})

test('Forged host, scheme, path and user headers change nothing', async (t) => {
  for (const trusted of ['', '10.0.0.0/8']) {
    const party = await relyingParty(t, { TRUST_PROXY: trusted })
    const plain = await wholeSignIn(party)
    const forged = await wholeSignIn(party, {
      'host': 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '1',
      'x-forwarded-prefix': '/evil',
      'x-forwarded-uri': '/health',
      'x-original-url': '/health',
      'x-rewrite-url': '/health',
      'forwarded': 'host=evil.example;proto=https',
      'x-forwarded-user': 'stranger',
      'x_forwarded_user': 'stranger',
      'x-auth-user': 'stranger',
      'x_auth_role': 'ADMIN',
      'x-auth-role': 'ADMIN',
      'x-auth-roles': 'ADMIN',
      'x-http-method-override': 'DELETE',
      'authorization': 'Basic c3RyYW5nZXI6eA=='
    })

    t.same(
      forged.filter(({ location }) => !isLogin(party, location)).map(({ status }) => status),
      plain.map(({ status }) => status)
    )
    for (const { location, headers, text } of forged) {
      t.notMatch(
        `${location} ${JSON.stringify([...headers])} ${text}`,
        /evil\.example|stranger|localhost:1\b/
      )
    }
    t.notMatch(
      forged.flatMap(({ headers }) => headers.getSetCookie()).join('\n'),
      /; Secure/i,
      'the scheme is PUBLIC_URL\'s'
    )
    const guest = await browser().get(`${party.url}/api/auth/me`, {
      headers: {
        ...json,
        'x-forwarded-user': 'stranger',
        'x_forwarded_user': 'stranger',
        'x-auth-user': 'stranger'
      }
    })
    t.equal(guest.status, 401)
  }
})

test('A malformed content type lets no other site in and causes no 500', async (t) => {
  const party = await relyingParty(t)
  const port = Number(new URL(party.url).port)
  const user = browser()
  await party.signIn(user)
  const cookie = user.cookieHeader(party.url)
  for (const type of [
    'application/json garbage',
    'text/plain',
    'application/json\ttext/plain',
    'application/x-www-form-urlencoded; =',
    'multipart/form-data',
    '*/*',
    ';',
    'a'
  ]) {
    const answer = await rawHttp(
      port,
      'POST /api/auth/logout HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n' +
      `sec-fetch-site: cross-site\r\ncontent-type: ${type}\r\ncookie: ${cookie}`,
      '{}'
    )
    t.equal(answer.status, 403, type)
  }
  t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)

  const own = await rawHttp(
    port,
    `POST /api/auth/logout HTTP/1.1\r\nhost: localhost\r\norigin: ${party.url}\r\n` +
    `sec-fetch-site: same-origin\r\ncontent-type: application/json garbage\r\ncookie: ${cookie}`,
    '{}'
  )
  t.ok(own.status < 500)
})
