/**
 * The big list of naughty strings, and some of our own, through every parameter, cookie, header and body of
 * every route: nothing falls over, and nothing is written that should not be.
 *
 * @see {@link https://github.com/minimaxir/big-list-of-naughty-strings}
 */
import { createRequire } from 'node:module'
import { test, type Test } from 'tap'
import { browser } from '../support/browser.js'
import { rawHttp, type RawAnswer } from '../support/raw-http.js'
import { relyingParty, type RelyingParty } from '../support/relying-party.js'

const STRINGS = [
  ...(createRequire(import.meta.url)('big-list-of-naughty-strings') as string[]),
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff',
  '%',
  '%0',
  '%zz',
  '%00',
  '%c0%ae',
  '%ff%fe',
  '%u0000',
  '\r\nset-cookie: x=1',
  '\u2028',
  '\ufffe',
  's:',
  's:.',
  's:a.b',
  'j:{}',
  'j:{"__proto__":1}',
  'h1.x',
  '__proto__',
  'constructor',
  'toString',
  '[object Object]',
  'null',
  'undefined',
  '../../../etc/passwd',
  '..%2f..%2f',
  ';a=b',
  '?',
  '#',
  '&state=x',
  '&role=ADMIN',
  'x'.repeat(5000),
  '🦊'.repeat(1000),
  '='.repeat(50),
  ';'.repeat(50),
  ','.repeat(50)
]
/** A thorough run sends every string everywhere, any other run an eighth of all combinations. */
const THOROUGH = Number(process.env.PROPERTY_RUNS ?? 0) >= 100_000
/** Requests in flight. */
const AT_ONCE = 8

const ROUTES = [
  'GET /api/auth/login',
  'GET /api/auth/callback',
  'GET /api/auth/me',
  'POST /api/auth/logout',
  'GET /health',
  'GET /health/live',
  'GET /health/ready',
  'GET /'
]
const PARAMETERS: Record<string, string[]> = {
  'GET /api/auth/login': [
    'role',
    'returnTo',
    'identity_provider',
    'login_hint',
    'lang',
    'prompt',
    'max_age',
    'retry',
    'canonical',
    'screen_hint',
    'unknown'
  ],
  'GET /api/auth/callback': [
    'code',
    'state',
    'error',
    'error_description',
    'error_uri',
    'iss',
    'unknown'
  ]
}
const HEADERS = [
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'content-type',
  'cookie',
  'forwarded',
  'host',
  'if-none-match',
  'origin',
  'range',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-purpose',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-http-method-override',
  'x-request-id'
]
const BODY_TYPES = [
  'application/x-www-form-urlencoded',
  'application/json',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/xml',
  ''
]

interface Sent {
  what: string
  request: string
  body?: string
}

/** As a browser writes it in a query or a cookie. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString())
/** As it is, but for what would end the request line or the header. */
const bare = (text: string): string => text.replaceAll(/[\r\n]/g, '')
const inPath = (text: string): string => bare(text).replaceAll(/[ \t#]/g, '')

/** All requests that a string may go through. */
function* requests (text: string): Generator<Sent> {
  const line = (route: string, suffix = '') => `${route}${suffix} HTTP/1.1`
  const plain = 'host: localhost\r\naccept: text/html'
  for (const route of ROUTES) {
    for (const name of PARAMETERS[route] ?? ['unknown']) {
      yield {
        what: `${name} of ${route}`,
        request: `${line(route, `?${name}=${encoded(text)}`)}\r\n${plain}`
      }
      yield {
        what: `${name} of ${route}, bare`,
        request: `${line(route, `?${name}=${inPath(text)}`)}\r\n${plain}`
      }
    }
    yield {
      what: `a parameter's name of ${route}`,
      request: `${line(route, `?${encoded(text)}=x`)}\r\n${plain}`
    }
    yield {
      what: `a path under ${route}`,
      request: `${line(route, `/${inPath(text)}`)}\r\n${plain}`
    }
    for (const cookie of [
      `cashsouk.sid=${encoded(text)}`,
      `cashsouk.sid=${bare(text)}; cashsouk.sid=s%3A${encoded(text)}.x`,
      `${bare(text)}=${bare(text)}`
    ]) {
      yield {
        what: `a cookie of ${route}`,
        request: `${line(route)}\r\n${plain}\r\ncookie: ${cookie}`
      }
    }
    const others = HEADERS.filter((name) => !['host', 'cookie'].includes(name))
    yield {
      what: `all headers of ${route}`,
      request: `${line(route)}\r\nhost: localhost\r\n${others.map((name) => `${name}: ${bare(text)}`).join('\r\n')}`
    }
  }
  yield {
    what: 'a login\'s cookie',
    request: `GET /api/auth/callback?state=0123456789abc&code=x HTTP/1.1\r\n${plain}\r\n` +
      `cookie: cashsouk.sid.login.0123456789=${encoded(text)}`
  }
  yield {
    what: 'the name of a login\'s cookie',
    request: `GET /api/auth/login HTTP/1.1\r\n${plain}\r\ncookie: cashsouk.sid.login.${bare(text)}=x`
  }
  for (const name of HEADERS) {
    for (const route of ROUTES) {
      yield {
        what: `${name} of ${route}`,
        request: `${line(route)}\r\n${name === 'host' ? '' : 'host: localhost\r\n'}${name}: ${bare(text)}`
      }
    }
  }
  yield {
    what: 'a header\'s name',
    request: `GET /api/auth/me HTTP/1.1\r\n${plain}\r\n${bare(text)}: x`
  }
  for (const type of BODY_TYPES) {
    yield {
      what: `a body of ${type}`,
      request: `POST /api/auth/logout HTTP/1.1\r\n${plain}${type === '' ? '' : `\r\ncontent-type: ${type}`}`,
      body: text
    }
  }
  yield {
    what: 'a body of a login',
    request: `GET /api/auth/login HTTP/1.1\r\n${plain}\r\ncontent-type: application/json`,
    body: text
  }
}

test('Naughty strings cause no 5xx, no row, no sign-in and no reconnect', async (t) => {
  // A server for some of them at a time: its pool renews its connections every five minutes.
  for (let from = 0; from < STRINGS.length; from += 100) {
    const some = STRINGS.slice(from, from + 100)
    await t.test(`strings ${from + 1} to ${from + some.length}`, async (t) => {
      await sendAll(t, some)
    })
  }
})

async function sendAll (t: Test, strings: string[]): Promise<void> {
  const party = await relyingParty(t, { DATABASE_POOL_MAX: '1' })
  const port = Number(new URL(party.url).port)
  const user = browser()
  await party.signIn(user)
  const [session] = await party.rows()
  const backends = await connections(party)
  t.equal(backends.length, 1)
  const statuses = new Map<number, number>()
  let logins = 0
  const authorize = `${party.provider.origin}/oauth2/authorize?`

  const all = strings.flatMap((text, number) =>
    [...requests(text)]
      .filter((_sent, index) => THOROUGH || (index + number) % 8 === 0)
      .map((sent) => ({ ...sent, text }))
  )
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let sent = all[next++]; sent !== undefined; sent = all[next++]) {
        const { what, request, body, text } = sent
        const answer = await rawHttp(port, request, body)
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        if (answer.status === 302 && locationOf(answer).startsWith(authorize)) logins++
        const wrong = faultOf(answer, request, [authorize, `${party.url}/api/auth/login?`])
        if (wrong !== undefined) {
          t.fail(`${wrong}: ${JSON.stringify(text).slice(0, 80)} as ${what}`, {
            answer: answer.head
          })
        }
      }
    })
  )

  t.comment(
    `${all.length} requests: ${[...statuses]
      .sort()
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ')}`
  )
  t.same(await connections(party), backends, 'no connection to the database was lost or made')
  const rows = await party.rows()
  t.same(
    rows.filter(({ sess }) => !('state' in sess)),
    [session],
    'no session was created or ended'
  )
  t.equal(rows.length, logins + 1, 'each started login is a row, and nothing else')
  t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)
  t.same(party.provider.count('token'), 1, 'no code was exchanged')
  t.same(
    party.log.filter((line) => / 5\d\d,|ERR_INTERNAL/.test(line)),
    []
  )
}

const locationOf = ({ head }: RawAnswer): string => /^location: (.*)$/im.exec(head)?.[1]?.trim() ?? ''

/** What is wrong with an answer, if anything is. `targets` is where a login may lead. */
function faultOf (answer: RawAnswer, request: string, targets: string[]): string | undefined {
  const { status, head, body } = answer
  if (status >= 500) return `status ${status}`
  const cookies = [...head.matchAll(/^set-cookie: ([^=]*)=/gim)].map(([, name]) => name ?? '')
  if (!cookies.every((name) => /^cashsouk\.sid(\.|$)/.test(name))) {
    return `a cookie ${cookies.join()}`
  }
  if (status === 302 && !isExpected(locationOf(answer), request, targets)) return 'a redirect'
  if (status === 303 && !request.startsWith('POST /api/auth/logout')) return 'a redirect'
  if (/<script|<img|<svg|<iframe|onerror=/i.test(body)) return 'what was sent, unescaped'
  if (/node_modules|\bat .*\.[jt]s:\d/.test(body)) return 'a stack'
  return undefined
}

/** A login leads to the provider, or to itself at PUBLIC_URL; a callback with a code alone to a login. */
function isExpected (location: string, request: string, targets: string[]): boolean {
  if (request.startsWith('GET /api/auth/callback?code=')) return location === '/api/auth/login'
  return request.startsWith('GET /api/auth/login') && targets.some((target) => location.startsWith(target))
}

async function connections ({ database }: RelyingParty): Promise<unknown[]> {
  return database.query(
    `SELECT pid, backend_start FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'cashsouk-auth'`
  )
}

test('Naughty strings in claims are returned intact and escaped on the page', async (t) => {
  const party = await relyingParty(t, { DATABASE_POOL_MAX: '1' })
  const names = new Map<unknown, string>()
  party.provider.behaviour = {
    claims: (all) => ({
      ...all,
      'name': names.get(all.nonce),
      'email': names.get(all.nonce),
      'cognito:groups': [names.get(all.nonce)],
      'custom:x': names.get(all.nonce)
    })
  }
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let text = STRINGS[next++]; text !== undefined; text = STRINGS[next++]) {
        const user = browser()
        const callbackUrl = await party.reachCallback(user)
        const state = new URL(callbackUrl).searchParams.get('state')
        names.set(
          party.provider.requests
            .findLast(({ url }) => url.searchParams.get('state') === state)
            ?.url.searchParams.get('nonce'),
          text
        )
        const { status } = await party.finish(user, callbackUrl)
        const me = await user.get(`${party.url}/api/auth/me`)
        const home = await user.get(`${party.url}/`)
        const name =
          status === 303
            ? (JSON.parse(me.text) as { user: { name?: string } }).user.name
            : undefined
        if (name !== (text.length > 2048 ? undefined : text)) {
          t.fail(
            `${JSON.stringify(text).slice(0, 80)} came back as ${JSON.stringify(name)}, ${status}`
          )
        }
        if (home.status !== 200 || /<script|<img|<svg|<iframe/i.test(home.text)) {
          t.fail(`the page of ${JSON.stringify(text)}`)
        }
      }
    })
  )
  t.equal((await party.rows()).length, STRINGS.length)
  t.equal((await connections(party)).length, 1)
})
