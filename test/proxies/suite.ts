/**
 * What every proxy of `examples/` does that runs here.
 *
 * @module
 */
import { once } from 'node:events'
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { t as file, test, type Test } from 'tap'
import type { BrowserContext } from 'playwright-core'
import { freePort } from '../../local/free-port.js'
import { serve } from '../support/agent.js'
import { browser, type Browser } from '../support/browser.js'
import { startChromium } from '../support/chromium.js'
import { front, guarded, type Guarded, type Proxy } from '../support/guarded.js'
import { plainApplication, type Received } from '../support/plain-application.js'
import { raw } from '../support/raw.js'
import { server } from '../support/server.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'
import { until } from '../support/until.js'
import { noIdentity } from '../../src/verify/headers.js'

/** A navigation, as a browser marks it. */
const PAGE = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'accept': 'text/html,*/*;q=0.8' }
/** A script's request. */
const SCRIPT = { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors', 'accept': '*/*' }

/** What the application gets. */
const IDENTITY = Object.keys(noIdentity('x-auth'))
/** What no visitor may send: also what is handed on with `VERIFY_HEADERS=oauth2-proxy`. */
const SPOOFABLE = Object.keys(noIdentity('oauth2-proxy'))

/** Those of which CGI, WSGI, Rack or PHP make an underscore. */
const SEPARATORS = ['-', '_', '.']

/** The names that CGI, WSGI, Rack or PHP make one of. */
const asTaken = (name: string): string => name.trim().toLowerCase().replaceAll(/[^a-z0-9]/g, '-')

/** The values of a header in a request that the application received, however it is spelled. */
const valuesOf = ({ rawHeaders, rawTrailers }: Received, name: string): string[] =>
  [rawHeaders, rawTrailers].flatMap((list) => list.filter((_, i) => i % 2 === 1 && asTaken(list[i - 1] ?? '') === name))

interface Answer { status: number, headers: IncomingMessage['headers'], body: Buffer, text: string }

interface Sent { headers?: Record<string, string>, body?: Buffer | Buffer[] }

/** A request to the proxy's origin, with nothing but these headers. */
async function ask (
  port: number,
  path: string,
  { body, headers = {}, ...options }: Omit<RequestOptions, 'headers'> & Sent = {}
): Promise<Answer> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    agent: false,
    timeout: 30_000,
    headers: { host: `localhost:${port}`, ...headers },
    ...options
  })
  sent.once('timeout', () => { sent.destroy(new Error('no answer within 30 s')) })
  for (const chunk of Array.isArray(body) ? body : []) sent.write(chunk)
  sent.end(Array.isArray(body) ? undefined : body)
  const [answer] = await once(sent, 'response') as [IncomingMessage]
  const bytes = await buffer(answer)
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: bytes, text: bytes.toString() }
}

/** The headers of a request with a browser's session. */
const withSession = ({ origin }: Guarded, user: Browser, headers: Record<string, string> = SCRIPT) =>
  ({ cookie: user.cookieHeader(origin), ...headers })

async function waitingFor (profile: BrowserContext, url: string) {
  const page = await profile.newPage()
  await page.goto(url)
  await page.locator('button[value=alice]').click()
  return page
}

/** A sign-in server that answers every question so. */
async function answering (
  t: Test, status: number, headers: Record<string, string | string[]> = {}
): Promise<{ port: number, asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = []
  const url = await serve(t, (request, response) => {
    asked.push(request)
    response.writeHead(status, headers).end()
  })
  return { port: Number(new URL(url).port), asked }
}

/** What docs/proxies.md says to change for a sign-in server on another subdomain. */
function onSubdomains (text: string, file: string): string {
  switch (file) {
    case 'nginx.conf':
      return text.replace('include portal.conf;', 'include portal.conf;\n  include auth.conf;')
    case 'portal.conf':
      return text.replace('server_name localhost;', 'server_name portal.example.com;')
        .replace(/ {2}location \^~ \/api\/auth\/ \{.*?\n {2}\}\n/s, '')
    case 'Caddyfile':
      return text.replace('http://localhost:', 'http://portal.example.com:')
        .replace(/\thandle \/api\/auth\/\* \{.*?\n\t\}\n/s, '') + '\nimport auth.caddy\n'
    default:
      return text
  }
}

export function suite (proxy: Proxy): void {
  const { name } = proxy
  let shared: Promise<Guarded> | undefined

  /** One for all tests that stop nothing. */
  async function scene (): Promise<Guarded> {
    const found = await (shared ??= guarded(file, proxy))
    found.application.received.length = 0
    return found
  }

  test(`${name}: a browser is sent to sign in, and comes back to the very page`, async (t) => {
    const { origin, application } = await scene()
    const chromium = await startChromium(t)
    for (const path of ['/x?a=1&b=2', '/page?q=%26%3D%2Fa+b&r=%C3%A9', '/files/index.html?a=1&b=2']) {
      application.received.length = 0
      const page = await waitingFor(await chromium.profile(), origin + path)
      await page.waitForURL(origin + path)
      const [received] = application.received
      if (path.startsWith('/files/')) {
        t.equal(await page.locator('h1').textContent(), 'Files for investors')
        t.same(application.received, [], 'the application is not asked')
      } else {
        t.equal(received?.url, path)
        t.same(valuesOf(received as Received, 'x-auth-email'), ['alice@example.com'])
      }
    }
  })

  test(`${name}: a script's request gets a 401 without a redirect`, async (t) => {
    const { origin, port, application } = await scene()
    const page = await waitingFor(await (await startChromium(t)).profile(), `${origin}/page`)
    await page.waitForURL(`${origin}/page`)
    await page.context().clearCookies()
    application.received.length = 0

    const answer = await page.evaluate(`fetch('/data?a=1').then(({ status, redirected, headers }) =>
      ({ status, redirected, location: headers.get('location') }))`)

    t.same(answer, { status: 401, redirected: false, location: null })
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await ask(port, '/data', { method, headers: SCRIPT })
      t.same([status, headers.location, headers['cache-control']], [401, undefined, 'no-store'], method)
    }
    t.equal((await ask(port, '/data', { headers: { 'sec-fetch-dest': 'image', 'accept': 'image/*' } })).status, 401)
    t.equal((await ask(port, '/files/', { headers: SCRIPT })).status, 401)
    t.same(application.received, [])
  })

  test(`${name}: a browser that sends no Sec-Fetch-Dest is sent to sign in, and curl gets a 401`, async (t) => {
    const { origin, port } = await scene()
    const old = await ask(port, '/x?a=1&b=2', { headers: { accept: 'text/html,*/*;q=0.8' } })
    t.equal(old.status, 302)
    const { pathname, searchParams } = new URL(old.headers.location ?? '')
    t.equal(pathname, '/api/auth/login')
    t.equal(new URL(searchParams.get('returnTo') ?? '', origin).href, `${origin}/x?a=1&b=2`)
    const curl = await ask(port, '/x', { headers: { accept: '*/*' } })
    t.equal(curl.status, 401)
    t.match(curl.text, '/api/auth/login?')
  })

  test(`${name}: a role that is not granted is a 403 with a page`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    const paths = [
      '/admin', '/admin/', '/admin/x?role=INVESTOR', '/Admin/x', '/ADMIN', '//admin/x', '/x/../admin/x', '/%61dmin/x'
    ]
    for (const path of paths) {
      const { status, text, headers } = await ask(there.port, path, { headers: withSession(there, user, PAGE) })
      t.equal(status, 403, path)
      t.match(text, '<h1>You do not have access to this page</h1>', path)
      t.equal(headers['cache-control'], 'no-store')
    }
    t.same(there.application.received, [])
    const admin = await there.signedIn({ person: 'carol', role: 'ADMIN' })
    const answer = await ask(there.port, '/admin/x?role=INVESTOR', { headers: withSession(there, admin) })
    t.equal(answer.status, 200)
    t.equal(there.application.received[0]?.url, '/admin/x?role=INVESTOR')
  })

  test(`${name}: the visitor's query does not change the question`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    const path = '/x?role=ADMIN&max_age=1&slide=false&role=NONE'
    t.equal((await ask(there.port, path, { headers: withSession(there, user) })).status, 200)
    t.equal(there.application.received[0]?.url, path)
    t.equal((await ask(there.port, '/x?a=1', { headers: SCRIPT })).status, 401)
  })

  for (const header of SPOOFABLE) {
    test(`${name}: a visitor's own ${header} never passes, in any spelling`, async (t) => {
      const there = await scene()
      const user = await there.signedIn()
      const { port, application } = there
      const cookie = user.cookieHeader(there.origin)
      const start = `GET /x HTTP/1.1\r\nhost: localhost:${port}\r\ncookie: ${cookie}\r\nx-before: 1\r\n`
      const get = (lines: string) => raw(port, `${start}${lines}\r\nconnection: close\r\n\r\n`)
      t.equal((await get('accept: */*')).status, 200)
      const genuine = valuesOf(application.received[0] as Received, header)
      const word = header.slice('x-auth-'.length)
      const separated = SEPARATORS.flatMap((one) => SEPARATORS.map((two) => `x${one}auth${two}${word}`))
      const spellings = [
        header, header.toUpperCase(), header.replaceAll(/(^|-)[a-z]/g, (text) => text.toUpperCase()),
        ...separated, `X_Auth_${word}`,
        `${header} `, `${header}\t`, ` ${header}`, `${header}\0`, `${header}.`, `${header}_`
      ]
      const requests = spellings.flatMap((name) => [
        `${name}: evil`, `${name}:evil`, `${name}: evil\r\n${name}: evil`, `${name}:`, `x-a: b\r\n ${name}: evil`
      ])
      for (const lines of requests) {
        application.received.length = 0
        const { status } = await get(lines)
        const shown = JSON.stringify(lines)
        t.ok(status === 400 || status === 200, `${status} for ${shown}`)
        for (const received of application.received) {
          const values = valuesOf(received, header)
          t.notOk(values.some((value) => value.includes('evil')), shown)
          t.equal(values.length, genuine.length, shown)
        }
      }
    })
  }

  test(`${name}: identity headers in trailers, or listed in Connection, do not harm`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    const { port, application } = there
    const cookie = user.cookieHeader(there.origin)
    for (const header of IDENTITY) {
      application.received.length = 0
      await raw(port, `POST /x HTTP/1.1\r\nhost: localhost:${port}\r\ncookie: ${cookie}\r\nconnection: close\r\n` +
      `transfer-encoding: chunked\r\ntrailer: ${header}\r\n\r\n2\r\nab\r\n0\r\n${header}: evil\r\n\r\n`)
      for (const received of application.received) {
        t.notOk(valuesOf(received, header).includes('evil'), `${header} in a trailer`)
      }
      application.received.length = 0
      const { status } = await raw(port, `GET /x HTTP/1.1\r\nhost: localhost:${port}\r\ncookie: ${cookie}\r\n` +
        `connection: close, ${header}\r\n\r\n`)
      const [received] = application.received
      if (received === undefined) t.equal(status, 400)
      else t.equal(valuesOf(received, 'x-auth-email')[0], 'alice@example.com', `${header} in Connection`)
    }
  })

  test(`${name}: the application gets each identity header of the answer, and nothing in place of an empty one`,
    async (t) => {
      const told = Object.fromEntries(IDENTITY.map((header) => [header, `the ${header}`]))
      const full = await front(t, proxy, { auth: (await answering(t, 200, told)).port })
      const none = await front(t, proxy, {
        auth: (await answering(t, 200, Object.fromEntries(IDENTITY.map((header) => [header, ''])))).port
      })
      const spoofed = Object.fromEntries(IDENTITY.map((header) => [header.replaceAll('-', '_'), 'evil']))
      for (const path of ['/x', '/admin/x', '/payments/x']) {
        t.equal((await ask(full.port, path, { headers: spoofed })).status, 200)
        t.equal((await ask(none.port, path, { headers: spoofed })).status, 200)
        const [all, empty] = [full, none].map(({ application }) => application.received.pop() as Received)
        for (const header of IDENTITY) {
          t.same(valuesOf(all as Received, header), [`the ${header}`], `${header} at ${path}`)
          t.equal(valuesOf(empty as Received, header).join(''), '', `${header} at ${path}`)
        }
      }
    })

  test(`${name}: each path asks its own question, once, and hands on where the visitor is`, async (t) => {
    const auth = await answering(t, 200, Object.fromEntries(IDENTITY.map((header) => [header, 'a'])))
    const { port } = await front(t, proxy, { auth: auth.port })
    const questions = [
      ['/x?role=ADMIN', 'role=INVESTOR&slide=true'],
      ['/files/?role=ADMIN', 'role=INVESTOR&slide=true'],
      ['/admin/x?a=1', 'role=ADMIN&slide=true'],
      ['/payments/x', 'role=INVESTOR&max_age=300&slide=true']
    ] as const
    for (const [path, question] of questions) {
      auth.asked.length = 0
      const headers = {
        'x-forwarded-uri': '/evil', 'x-forwarded-host': 'evil.example.com', 'x-forwarded-proto': 'https',
        'x-forwarded-for': '203.0.113.1'
      }
      await ask(port, path, { headers, method: 'POST', body: Buffer.from('body') })
      t.match(auth.asked.map(({ url, method }) => ({ url, method })), [
        { url: `/api/auth/verify?${question}`, method: 'GET' }
      ], path)
      t.equal(auth.asked.length, 1)
      t.match(auth.asked[0]?.headers, {
        'x-forwarded-uri': path, 'x-forwarded-host': `localhost:${port}`, 'x-forwarded-proto': 'http'
      })
      t.match(auth.asked[0]?.headers['x-forwarded-for'], /127\.0\.0\.1$/)
      t.notOk(auth.asked[0]?.headers['transfer-encoding'])
      t.notOk(Number(auth.asked[0]?.headers['content-length'] ?? 0))
    }
  })

  test(`${name}: only a 2xx of the sign-in server lets in`, async (t) => {
    for (const status of [301, 302, 303, 304, 307, 400, 401, 403, 404, 407, 413, 418, 429, 500, 502, 503]) {
      const auth = await answering(t, status, { 'location': '/elsewhere', 'x-auth-login': 'http://localhost/sign-in' })
      const { port, application } = await front(t, proxy, { auth: auth.port })
      for (const path of ['/x', '/files/', '/admin/', '/payments/']) {
        const answer = await ask(port, path, { headers: SCRIPT })
        t.ok(answer.status >= 300, `${answer.status} for ${status}`)
        if (status >= 500) t.same([answer.status, answer.headers['retry-after']], [503, '5'])
      }
      t.same(application.received, [], String(status))
    }
  })

  test(`${name}: uploads of 20 MB arrive whole, with a length or in chunks`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    const body = Buffer.alloc(20 * 1024 * 1024, 'a')
    const chunks = Array.from({ length: 20 }, () => Buffer.alloc(1024 * 1024, 'b'))
    for (const [what, sent] of [['length', body], ['chunks', chunks]] as const) {
      const headers = withSession(there, user, {
        ...SCRIPT, ...(what === 'length' ? { 'content-length': String(body.length) } : {})
      })
      const answer = await ask(there.port, '/upload', { method: 'POST', headers, body: sent as Buffer | Buffer[] })
      t.equal(answer.status, 200, what)
      t.equal((JSON.parse(answer.text) as Received).bodyLength, body.length, what)
    }
  })

  test(`${name}: POST requests on one connection do not harm each other, nor the next visitor`, async (t) => {
    const there = await scene()
    const [one, other] = [await there.signedIn(), await there.signedIn({ person: 'bob', role: 'ISSUER' })]
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => { agent.destroy() })
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) {
      const body = Buffer.from(`GET /evil HTTP/1.1\r\nhost: localhost\r\n\r\n${'x'.repeat(i)}`)
      const headers = withSession(there, one)
      const posted = await ask(there.port, '/x', { agent, method: i % 2 === 0 ? 'POST' : 'PUT', headers, body: [body] })
      statuses.push(posted.status)
      t.equal((JSON.parse(posted.text) as Received).bodyLength, body.length)
      statuses.push((await ask(there.port, '/x', { headers: withSession(there, other) })).status)
      statuses.push((await ask(there.port, '/x', { method: 'POST', headers: SCRIPT, body })).status)
    }
    t.same([...new Set(statuses)].sort(), [200, 401])
    t.equal(statuses.filter((status) => status === 200).length, 24)
    t.notOk(there.application.received.some(({ url }) => url === '/evil'))
  })

  test(`${name}: a WebSocket opens with a session, and is refused without`, async (t) => {
    const { origin, port } = await scene()
    const page = await waitingFor(await (await startChromium(t)).profile(), `${origin}/page`)
    await page.waitForURL(`${origin}/page`)
    const open = `new Promise((resolve) => {
      const socket = new WebSocket('ws://localhost:${port}/socket?a=1')
      socket.onmessage = ({ data }) => { resolve(data) }
      socket.onerror = () => { resolve('refused') }
    })`

    t.equal(await page.evaluate(open), '11111111-1111-4111-8111-111111111111')
    await page.context().clearCookies()
    t.equal(await page.evaluate(open), 'refused')
  })

  test(`${name}: a stored answer is asked for again, and is a 304 only with a session`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    for (const path of ['/etag', '/files/index.html']) {
      const first = await ask(there.port, path, { headers: withSession(there, user) })
      t.equal(first.status, 200)
      t.equal(first.headers['cache-control'], 'private, no-cache', path)
      const etag = first.headers.etag ?? ''
      const again = await ask(there.port, path, { headers: withSession(there, user, { 'if-none-match': etag }) })
      t.same([again.status, again.text], [304, ''], path)
      t.equal((await ask(there.port, path, { headers: { ...SCRIPT, 'if-none-match': etag } })).status, 401)
    }
  })

  test(`${name}: HEAD is answered without a body`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    for (const path of ['/x', '/files/index.html']) {
      const { status, text } = await ask(there.port, path, { method: 'HEAD', headers: withSession(there, user) })
      t.same([status, text], [200, ''], path)
      const refused = await ask(there.port, path, { method: 'HEAD', headers: SCRIPT })
      t.same([refused.status, refused.text], [401, ''], path)
    }
    t.same(there.application.received.map(({ method }) => method), ['HEAD'])
  })

  test(`${name}: the application's own errors are handed on untouched`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    for (const status of [400, 401, 403, 404, 429, 500, 502, 503]) {
      const answer = await ask(there.port, `/status/${status}`, { headers: withSession(there, user, PAGE) })
      t.same([answer.status, answer.text], [status, `own ${status}`])
      t.equal(answer.headers.location, undefined)
      t.equal(answer.headers['retry-after'], undefined)
      if (status === 401) t.equal(answer.headers['www-authenticate'], 'Own')
    }
  })

  test(`${name}: a payment asks for a recent sign-in, and comes back to it`, async (t) => {
    const { origin, setup, application } = await scene()
    const page = await waitingFor(await (await startChromium(t)).profile(), `${origin}/page`)
    await page.waitForURL(`${origin}/page`)
    await setup.database.query(
      `UPDATE session
        SET sess = jsonb_set(sess::jsonb, '{authTime}', to_jsonb((sess->>'authTime')::int - 301))::json
        WHERE sess->'user' IS NOT NULL`
    )
    application.received.length = 0
    const logins: string[] = []
    page.on('request', (sent) => {
      if (sent.url().includes('/api/auth/login')) logins.push(sent.url())
    })

    t.equal(await page.evaluate('fetch(\'/payments/1\').then(({ status }) => status)'), 401)
    await page.goto(`${origin}/payments/1?a=1&b=2`)
    await page.locator('button[value=alice]').click()
    await page.waitForURL(`${origin}/payments/1?a=1&b=2`)

    t.match(logins, [/max_age=300/])
    t.match(application.received.map(({ url }) => url), ['/payments/1?a=1&b=2'])
  })

  test(`${name}: a sign-out through the proxy ends what it let in`, async (t) => {
    const { origin, application } = await scene()
    const profile = await (await startChromium(t)).profile()
    const page = await waitingFor(profile, `${origin}/page`)
    await page.waitForURL(`${origin}/page`)
    const [kept] = await profile.cookies(origin).then((all) => all.filter((cookie) => cookie.name === 'cashsouk.sid'))

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL((url) => !url.pathname.startsWith('/page'))
    application.received.length = 0

    t.equal(await page.evaluate('fetch(\'/data\').then(({ status }) => status)').catch(() => 401), 401)
    await profile.addCookies(kept === undefined ? [] : [kept])
    const answer = await page.request.get(`${origin}/data`, { headers: { accept: '*/*' } })
    t.equal(answer.status(), 401, 'nor with the cookie that it had')
    t.same(application.received, [])
  })

  test(`${name}: internal paths are not reached from outside`, async (t) => {
    const there = await scene()
    const user = await there.signedIn()
    for (const path of ['/_verify/investor', '/_verify/', '/_verify/admin?role=INVESTOR']) {
      const { status, headers } = await ask(there.port, path, { headers: withSession(there, user) })
      t.ok(status === 404 || there.application.received.pop()?.url === path, `${status} for ${path}`)
      for (const header of IDENTITY) t.equal(headers[header], undefined)
    }
  })

  test(`${name}: an outage of the database is a 503, never a 401`, async (t) => {
    const postgres = await stoppablePostgres(t)
    const there = await guarded(t, proxy, { DATABASE_URL: postgres.url })
    const user = await there.signedIn()
    const asked = async (headers: Record<string, string>) =>
      ask(there.port, '/x', { headers: withSession(there, user, headers) })
    t.equal((await asked(SCRIPT)).status, 200)
    there.application.received.length = 0

    for (const [away, back] of [['stop', 'start'], ['freeze', 'thaw']] as const) {
      await postgres[away]()
      for (const headers of [SCRIPT, PAGE]) {
        const { status, headers: { location, 'retry-after': retryAfter } } = await asked(headers)
        t.same([status, retryAfter, location], [503, '5', undefined], away)
      }
      t.equal((await ask(there.port, '/files/', { headers: withSession(there, user) })).status, 503)
      t.same(there.application.received, [])
      await postgres[back]()
      await until(async () => (await asked(SCRIPT)).status === 200)
      there.application.received.length = 0
    }
  })

  test(`${name}: without the sign-in server or the application, the answer is an outage`, async (t) => {
    const there = await guarded(t, proxy)
    const user = await there.signedIn()
    const gone = await front(t, proxy, {
      auth: Number(there.setup.env.PORT), application: { port: 1, received: [] }
    })
    t.equal((await ask(gone.port, '/x', { headers: withSession(there, user) })).status, 502)

    await there.setup.fastify.close()

    for (const headers of [SCRIPT, PAGE]) {
      const answer = await ask(there.port, '/x', { headers: withSession(there, user, headers) })
      const { status, headers: { location } } = answer
      t.ok(status === 503 || status === 502, String(status))
      t.equal(location, undefined)
    }
    t.same(there.application.received, [])
  })

  test(`${name}: a person who uses only the application stays signed in`, async (t) => {
    const there = await guarded(t, proxy, { SESSION_TTL: '4', SESSION_TOUCH_INTERVAL: '1' })
    const user = await there.signedIn()
    for (let i = 0; i < 7; i++) {
      await new Promise((resolve) => { setTimeout(resolve, 1000) })
      t.equal((await ask(there.port, '/x', { headers: withSession(there, user) })).status, 200, `after ${i + 1} s`)
    }
  })

  test(`${name}: twenty visitors at once get their own answers`, async (t) => {
    const there = await scene()
    const users = [await there.signedIn(), await there.signedIn({ person: 'bob' }), browser()]
    const emails = ['alice@example.com', 'bob@example.com', undefined]
    await Promise.all(Array.from({ length: 60 }, async (_, i) => {
      const user = users[i % 3] as Browser
      const { status, text } = await ask(there.port, `/x?${i}`, {
        method: i % 2 === 0 ? 'GET' : 'POST', headers: withSession(there, user), body: Buffer.from('a body')
      })
      const email = status === 200 ? valuesOf(JSON.parse(text) as Received, 'x-auth-email')[0] : undefined
      t.equal(email, emails[i % 3])
    }))
  })

  test(`${name}: a sign-in server on another subdomain guards the portal by the cookie of the domain`, async (t) => {
    const port = await freePort()
    const originOf = (label: string) => `http://${label}.cashsouk.localhost:${port}`
    const [auth, portal] = [originOf('auth'), originOf('portal')]
    const setup = await server(t, {
      PUBLIC_URL: auth,
      COOKIE_DOMAIN: 'cashsouk.localhost',
      RETURN_ORIGINS: portal,
      LOGOUT_URL: `${portal}/`,
      TRUST_PROXY: '127.0.0.1',
      COOKIE_LIFETIME: 'absolute'
    })
    const application = await plainApplication(t, `${auth}/api/auth/logout`)
    await front(t, proxy, {
      port,
      auth: Number(setup.env.PORT),
      application,
      edit: (text, file) => onSubdomains(text, file).replaceAll('example.com', 'cashsouk.localhost')
    })
    const profile = await (await startChromium(t)).profile()

    const page = await waitingFor(profile, `${portal}/page?a=1&b=2`)
    await page.waitForURL(`${portal}/page?a=1&b=2`)

    t.same(valuesOf(application.received[0] as Received, 'x-auth-email'), ['alice@example.com'])
    const kept = (await profile.cookies(portal)).map(({ name, value }) => `${name}=${value}`).join('; ')
    const forbidden = await page.goto(`${portal}/admin/`)
    t.equal(forbidden?.status(), 403)
    await page.goto(`${portal}/page`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL((url) => !url.pathname.startsWith('/page'))
    const headers = { ...SCRIPT, host: new URL(portal).host, cookie: kept }
    t.equal((await ask(port, '/x', { headers })).status, 401, 'nor with the cookie that it had')
  })
}
