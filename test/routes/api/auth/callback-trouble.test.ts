/**
 * The whole server and a provider in trouble: errors of every kind in the callback, and answers of the token
 * endpoint that are none. `callback-provider.test.ts` has the plain ones, on the stand-in for Cognito.
 */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { browser } from '../../../support/browser.js'
import {
  clientSecret, json, misbehavingProvider, type Answer, type Behaviour
} from '../../../support/misbehaving-provider.js'
import { relyingParty, sharedParty, type RelyingParty } from '../../../support/relying-party.js'
import { until } from '../../../support/until.js'

const MIB = 1024 * 1024

/** Every registered `error` of an authorization response, and what Cognito and the like send besides. */
const KINDS: [where: string, errors: string[]][] = [
  ['RFC 6749 §4.1.2.1', [
    'invalid_request', 'unauthorized_client', 'access_denied', 'unsupported_response_type', 'invalid_scope',
    'server_error', 'temporarily_unavailable'
  ]],
  ['OpenID Connect Core §3.1.2.6', [
    'interaction_required', 'login_required', 'account_selection_required', 'consent_required',
    'invalid_request_uri', 'invalid_request_object', 'request_not_supported', 'request_uri_not_supported',
    'registration_not_supported'
  ]],
  ['Cognito and identity providers behind it', [
    'invalid_grant', 'invalid_client', 'unsupported_grant_type', 'unsupported_identity_provider',
    'invalid_response', 'unauthorized', 'user_cancelled_authorize', 'redirect_uri_mismatch'
  ]],
  ['no specification', [
    ' ', 'Access_Denied', 'access_denied ', 'x'.repeat(256), '<script>alert(1)</script>', '{"error":1}',
    '\u0000', '\r\nset-cookie: x=1', '%s%n', '../../etc/passwd', 'ёжик', 'constructor', '__proto__'
  ]]
]

for (const [where, errors] of KINDS) {
  test(`Errors of ${where} are shown in our own words`, async (t) => {
    const party = await sharedParty()
    for (const error of errors) {
      const user = browser()
      const expected = error === 'access_denied'
        ? ['ERR_LOGIN_CANCELLED', 'The sign-in was cancelled']
        : ['ERR_LOGIN_REFUSED', 'The sign-in was refused']
      const said = randomBytes(8).toString('hex')
      party.provider.behaviour = {
        callback: (parameters) => {
          parameters.delete('code')
          parameters.set('error', error)
          parameters.set('error_description', `${said} <b>${'x'.repeat(4000)}\u0000\r\n\u202e`)
          parameters.append('error_description', 'again')
          parameters.set('error_uri', `https://evil.example/${said}`)
        }
      }
      const callbackUrl = await party.reachCallback(user)
      const stateless = new URL(callbackUrl)
      stateless.searchParams.delete('state')

      for (const url of [stateless.href, callbackUrl]) {
        const answer = await user.get(url, { redirect: 'manual', headers: { accept: 'application/json' } })
        const { code, message } = JSON.parse(answer.text) as { code: string, message: string }
        t.same([answer.status, code, message], [401, ...expected], JSON.stringify(error))
        t.notMatch(answer.text + JSON.stringify([...answer.headers]), said)
      }
      const page = await browser().get(stateless.href, { redirect: 'manual' })
      t.match(page.text, expected[1])
      t.notMatch(page.text, new RegExp(`${said}|<script>|<b>`))
      await party.leftNothing(t, user)
      t.notMatch(party.log.join(''), said)
    }
    t.equal(party.provider.count('token'), 0, 'no code is exchanged')
  })
}

test('An error takes precedence over a code', async (t) => {
  const party = await sharedParty()
  const user = browser()
  party.provider.behaviour = { callback: (parameters) => { parameters.set('error', 'access_denied') } }

  const { status, code } = await party.signIn(user)

  t.same([status, code], [401, 'ERR_LOGIN_CANCELLED'])
  t.equal(party.provider.count('token'), 0)
  await party.leftNothing(t, user)
})

const altered: [what: string, change: (parameters: URLSearchParams) => void, status: number, code: string][] = [
  ['an error of 257 characters', (p) => { p.set('error', 'x'.repeat(257)) }, 400, 'ERR_VALIDATION'],
  [
    'two errors',
    (p) => {
      p.append('error', 'access_denied')
      p.append('error', 'server_error')
    },
    400,
    'ERR_VALIDATION'
  ],
  ['two codes', (p) => { p.append('code', 'another') }, 400, 'ERR_VALIDATION'],
  [
    'two issuers',
    (p) => {
      p.append('iss', 'https://evil.example')
      p.append('iss', 'https://evil.example')
    },
    400,
    'ERR_VALIDATION'
  ],
  ['the iss of another issuer', (p) => { p.set('iss', 'https://evil.example') }, 401, 'ERR_LOGIN_REFUSED'],
  [
    'the iss of another issuer and an error',
    (p) => {
      p.set('iss', 'https://evil.example')
      p.set('error', 'access_denied')
      p.delete('code')
    },
    401,
    'ERR_LOGIN_REFUSED'
  ]
]
for (const [what, change, status, code] of altered) {
  test(`A callback with ${what} answers ${status} ${code}`, async (t) => {
    const party = await sharedParty()
    const user = browser()
    party.provider.behaviour = { callback: change }

    const outcome = await party.signIn(user)

    t.same([outcome.status, outcome.code], [status, code])
    t.equal(party.provider.count('token'), 0)
    t.same((await party.rows()).filter(({ sess }) => 'user' in sess), [])
    t.equal(user.cookie('cashsouk.sid'), undefined)
  })
}

test('A callback\'s empty parameters are absent ones', async (t) => {
  const party = await sharedParty()
  party.provider.behaviour = {
    callback: (parameters) => {
      for (const name of ['iss', 'error', 'error_description']) parameters.set(name, '')
    }
  }
  t.equal((await party.signIn()).status, 303)

  party.provider.behaviour = { callback: (parameters) => { parameters.set('code', '') } }
  t.match(await party.signIn(), { status: 400, code: 'ERR_CODE_MISSING' })
  party.provider.behaviour = { callback: (parameters) => { parameters.set('state', '') } }
  t.equal((await party.signIn()).status, 302, 'a new login, as for a sign-in that began at the identity provider')
  t.equal(party.provider.count('token'), 1)
})

test('A callback with the iss of this provider is accepted', async (t) => {
  const party = await sharedParty()
  party.provider.behaviour = { callback: (parameters) => { parameters.set('iss', party.provider.issuer) } }
  t.equal((await party.signIn()).status, 303)
  party.provider.behaviour = {
    callback: (parameters) => {
      parameters.set('iss', party.provider.issuer)
      parameters.set('error', 'access_denied')
    }
  }
  t.equal((await party.signIn()).code, 'ERR_LOGIN_CANCELLED')
})

test('A callback with the iss of any issuer of the pool is accepted', async (t) => {
  const updated = 'https://issuer.example/pool'
  const party = await relyingParty(t)
  const { env } = party.provider
  const both = await relyingParty(t, { ...env, COGNITO_ISSUER: `${updated},${env.COGNITO_ISSUER}` })
  for (const iss of [updated, party.provider.issuer]) {
    party.provider.behaviour = { callback: (parameters) => { parameters.set('iss', iss) } }
    t.equal((await both.signIn()).status, 303, iss)
  }
  party.provider.behaviour = { callback: (parameters) => { parameters.set('iss', `${updated}/`) } }
  t.equal((await both.signIn()).code, 'ERR_LOGIN_REFUSED')
})

const drip = (status: number, text: string, everyMs: number): Answer => (_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json' }).flushHeaders()
  const timer = setInterval(() => { response.write(text) }, everyMs)
  response.on('close', () => { clearInterval(timer) })
}
/** Writes as long as the other side reads. */
const flood = (status: number, chunk: string | Buffer): Answer => (_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  const more = (): void => { while (!response.destroyed && response.write(chunk)); }
  response.on('drain', more)
  more()
}
const raw = (bytes: string): Answer => ({ socket }) => { socket.end(bytes) }
const fixed = (status: number, headers: Record<string, string>, body: string | Buffer = ''): Answer =>
  (_request, response) => { response.writeHead(status, headers).end(body) }
const bomb = gzipSync(Buffer.alloc(32 * MIB, ' '))
const tokens = (change: (text: string) => string): Behaviour => ({ tokens: (all) => change(JSON.stringify(all)) })
const text = (body: string | Buffer, type = 'application/json'): Behaviour =>
  ({ respond: { token: fixed(200, { 'content-type': type }, body) } })

const TROUBLE: [what: string, behaviour: Behaviour, status: number, code: string][] = [
  ...[
    400, 401, 403, 404, 405, 408, 413, 418, 500, 501, 502, 503, 504, 599
  ].map((status): [string, Behaviour, number, string] =>
    [
      `${status}`,
      { respond: { token: json({ error: 'server_error', error_description: clientSecret }, status) } },
      502,
      'ERR_COGNITO_ANSWER'
    ]),
  [
    '429 with Retry-After: 3600',
    { respond: { token: json({ message: 'Rate exceeded' }, 429, { 'retry-after': '3600' }) } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  [
    '503 with Retry-After: a date',
    { respond: { token: json({}, 503, { 'retry-after': 'Fri, 31 Dec 2100 23:59:59 GMT' }) } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  ['HTML', text('<!doctype html><title>Sign in</title>', 'text/html'), 502, 'ERR_COGNITO_ANSWER'],
  [
    'tokens as HTML',
    { respond: { token: fixed(200, { 'content-type': 'text/html' }, '{"id_token":"x"}') } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  ['bytes that are no text', text(randomBytes(4096)), 502, 'ERR_COGNITO_ANSWER'],
  ['JSON that ends too early', tokens((all) => all.slice(0, -1)), 502, 'ERR_COGNITO_ANSWER'],
  ['JSON and something more', tokens((all) => `${all}x`), 502, 'ERR_COGNITO_ANSWER'],
  ['a list', text('[]'), 502, 'ERR_COGNITO_ANSWER'],
  ['a number', text('1'), 502, 'ERR_COGNITO_ANSWER'],
  ['100,000 brackets', text('['.repeat(100_000)), 502, 'ERR_COGNITO_ANSWER'],
  ['200 KB of JSON', tokens((all) => `${all.slice(0, -1)},"x":"${'x'.repeat(200_000)}"}`), 502, 'ERR_COGNITO_ANSWER'],
  [
    'an error of 200 KB',
    { respond: { token: json({ error: 'invalid_grant', error_description: 'x'.repeat(200_000) }, 400) } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  [
    '32 MiB packed into 32 KiB',
    { respond: { token: fixed(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, bomb) } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  ['blanks without end', { respond: { token: flood(200, ' '.repeat(65_536)) } }, 502, 'ERR_COGNITO_ANSWER'],
  ['500 and blanks without end', { respond: { token: flood(500, ' '.repeat(65_536)) } }, 502, 'ERR_COGNITO_ANSWER'],
  [
    'a header of 1 MiB',
    { respond: { token: fixed(200, { 'x-long': 'x'.repeat(MIB) }, '{}') } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  [
    '5,000 headers',
    { respond: { token: raw(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(5000)}\r\n{}`) } },
    502,
    'ERR_COGNITO_ANSWER'
  ],
  ['something else than HTTP', { respond: { token: raw('SSH-2.0-OpenSSH_9.2\r\n') } }, 502, 'ERR_COGNITO_ANSWER'],
  [
    '100 Continue alone',
    { respond: { token: (_request, response) => { response.writeContinue() } } },
    504,
    'ERR_COGNITO_TIMEOUT'
  ],
  ['a length and two answers', { respond: { token: raw(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n'
  ) } }, 502, 'ERR_COGNITO_ANSWER'],
  ['an end within the headers', { respond: { token: raw('HTTP/1.1 200 OK\r\ncontent-') } }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['nothing, for ever', { respond: { token: () => {} } }, 504, 'ERR_COGNITO_TIMEOUT'],
  [
    'a header a byte at a time',
    { respond: { token: (_request, response) => { trickle(response, 'HTTP/1.1 200 OK\r\nx: ') } } },
    504,
    'ERR_COGNITO_TIMEOUT'
  ],
  ['a body a byte at a time', { respond: { token: drip(200, ' ', 100) } }, 504, 'ERR_COGNITO_TIMEOUT'],
  ['an error a byte at a time', { respond: { token: drip(500, ' ', 100) } }, 504, 'ERR_COGNITO_TIMEOUT']
]

function trickle (response: ServerResponse, begin: string): void {
  const { socket } = response
  socket?.write(begin)
  const timer = setInterval(() => { socket?.write('x') }, 100)
  socket?.on('close', () => { clearInterval(timer) })
}

const isSlow = ([, , status]: (typeof TROUBLE)[number]): boolean => status === 504

for (const trouble of TROUBLE.filter((one) => !isSlow(one))) {
  const [what, , status, code] = trouble
  test(
    `A token endpoint that answers ${what}: ${status} ${code}`,
    async (t) => { await meet(t, await sharedParty(), trouble) }
  )
}

test(`A token endpoint that answers ${TROUBLE
  .filter(isSlow)
  .map(([what]) => what)
  .join(', or ')}: 504 ERR_COGNITO_TIMEOUT`, async (t) => {
  await Promise.all(TROUBLE.filter(isSlow).map(async (trouble) => meet(t, await relyingParty(t), trouble)))
})

async function meet (
  t: Test,
  party: RelyingParty,
  [what, behaviour, status, code]: (typeof TROUBLE)[number]
): Promise<void> {
  const user = browser()
  party.provider.behaviour = behaviour
  const callbackUrl = await party.reachCallback(user)
  const before = process.memoryUsage().rss

  const outcome = await party.finish(user, callbackUrl)

  t.same([outcome.status, outcome.code], [status, code], what)
  t.ok(outcome.tookMs < 10_000, `${outcome.tookMs} ms`)
  t.ok(process.memoryUsage().rss - before < 150 * MIB)
  t.equal(party.provider.count('token'), 1, 'it is asked once')
  await party.leftNothing(t, user)
  isSilent(t, party)
}

/** Neither the client's secret, in any form, nor what was exchanged is in the log. */
function isSilent (t: Test, { log, provider }: RelyingParty): void {
  const all = log.join('')
  for (const { headers, body } of provider.requests) {
    for (const secret of [
      clientSecret, encodeURIComponent(clientSecret), headers.authorization?.slice(6), body.get('code'),
      body.get('code_verifier')
    ]) {
      if (typeof secret === 'string') t.notOk(all.includes(secret), 'the log has no secret')
    }
  }
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`A token endpoint that redirects with ${status} is not followed`, async (t) => {
    const [party, elsewhere] = [await sharedParty(), await misbehavingProvider(t)]
    const user = browser()
    for (const location of [`${elsewhere.origin}/oauth2/token`, '/oauth2/token', 'http://[::1', '']) {
      party.provider.behaviour = { respond: { token: fixed(status, { location }) } }
      const outcome = await party.signIn(user)
      t.same([outcome.status, outcome.code], [502, 'ERR_COGNITO_ANSWER'])
    }
    t.same(elsewhere.requests, [])
    t.equal(party.provider.count('token'), 4)
    await party.leftNothing(t, user)
    isSilent(t, party)
  })
}

test('A body that continues after the timeout is cut off', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  let open = 0
  let closed = 0
  party.provider.behaviour = { respond: { token: (_request, response) => {
    open++
    response.on('close', () => { closed++ })
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    // More than is read, after the timeout.
    setTimeout(() => { flood(200, ' '.repeat(65_536))(_request, response, '') }, 4500).unref()
    response.writeHead = () => response
  } } }

  const outcome = await party.signIn(user)

  t.match(outcome.code, /^ERR_COGNITO_(TIMEOUT|ANSWER)$/)
  for (let i = 0; i < 100 && closed < open; i++) await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.same([open, closed], [1, 1])
  await party.leftNothing(t, user)
})

test('A hundred hanging callbacks do not slow down signed-in users', async (t) => {
  const party = await relyingParty(t)
  const signed = browser()
  await party.signIn(signed)
  const waiting = await Promise.all(Array.from({ length: 100 }, async () => {
    const user = browser()
    return { user, callbackUrl: await party.reachCallback(user) }
  }))
  let calls = 0
  party.provider.behaviour = {
    respond: { token: (...args) => { if (calls++ % 2 === 0) flood(200, ' '.repeat(65_536))(...args) } }
  }
  const before = process.memoryUsage().rss

  const outcomes = Promise.all(waiting.map(({ user, callbackUrl }) => party.finish(user, callbackUrl)))
  await until(() => calls === 100)
  let slowest = 0
  for (let i = 0; i < 20; i++) {
    const began = performance.now()
    t.equal((await signed.get(`${party.url}/api/auth/me`)).status, 200)
    slowest = Math.max(slowest, performance.now() - began)
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }

  t.ok(slowest < 3000, `${slowest} ms`)
  t.same([...new Set((await outcomes).map(({ code }) => code))].sort(), ['ERR_COGNITO_ANSWER', 'ERR_COGNITO_TIMEOUT'])
  t.ok(process.memoryUsage().rss - before < 300 * MIB)
  t.equal((await party.rows()).length, 1)
  t.equal((await signed.post(`${party.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
  isSilent(t, party)
})

test('A sign-out does not wait for a slow or endless revocation', async (t) => {
  const answers = [
    flood(200, ' '.repeat(65_536)),
    drip(200, ' ', 100),
    fixed(302, { location: '/oauth2/revoke' }),
    raw('no HTTP\r\n\r\n'),
    json({ error: 'invalid_request' }, 400)
  ]
  await Promise.all(answers.map(async (revoke) => {
    const party = await relyingParty(t)
    const user = browser()
    await party.signIn(user)
    party.provider.behaviour = { respond: { revoke } }
    const began = performance.now()
    t.equal((await user.post(`${party.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
    t.ok(performance.now() - began < 10_000)
    await party.leftNothing(t, user, { signedOut: true })
    isSilent(t, party)
  }))
})
