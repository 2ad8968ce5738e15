import { createHash } from 'node:crypto'
import { test } from 'tap'
import { browser, reachCallback, signIn, type Browser } from '../../../support/browser.js'
import { isEmbedded, server, sharedServer, type Setup } from '../../../support/server.js'

/** Not with `fetch`, which says `Sec-Fetch-Mode: cors`. */
const login = async (url: string, query = '', { headers = {} }: { headers?: Record<string, string> } = {}) => {
  const page = await browser().get(
    `${url}/api/auth/login${query}`, { redirect: 'manual', headers: { accept: '*/*', ...headers } }
  )
  return new Response(page.text, { status: page.status, headers: page.headers })
}
interface Row { sid: string, sess: Record<string, string>, seconds: number }
const rows = async ({ database }: Setup) => await database.query(
  'SELECT sid, sess, extract(epoch FROM expire - timezone(\'utc\', now()))::float8 AS seconds FROM session'
) as Row[]

test('GET /api/auth/login redirects to Cognito with all parameters', async (t) => {
  const setup = await sharedServer()

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

test('GET /api/auth/login writes one row and sets one cookie', async (t) => {
  const setup = await server(t, { LOGIN_TTL: '300', SESSION_ABSOLUTE_TTL: '5' })

  const response = await login(setup.url, '?role=ISSUER&returnTo=/offers%3Fpage=2')

  const found = await rows(setup)
  t.equal(found.length, 1)
  t.match(found[0]?.sess, {
    state: /^[\w-]{43}\.[\w-]+\.[\w-]{22}$/,
    nonce: /^[\w-]{43}$/,
    codeVerifier: /^[\w-]{43}$/,
    requestedRole: 'ISSUER',
    returnTo: '/offers?page=2'
  })
  const seconds = found[0]?.seconds ?? 0
  t.ok(seconds > 295 && seconds <= 300)
  const cookies = response.headers.getSetCookie()
  t.equal(cookies.length, 1)
  t.match(
    cookies[0],
    /^cashsouk\.sid\.login\.[\w-]{10}=[^;]+; Max-Age=86400; Path=\/api\/auth; HttpOnly; SameSite=Lax$/
  )
})

test('GET /api/auth/login never repeats a state, a nonce, a code verifier or an id', async (t) => {
  const setup = await sharedServer()

  await Promise.all(Array.from({ length: 20 }, () => login(setup.url)))

  const found = await rows(setup)
  for (const values of [
    found.map(({ sid }) => sid),
    ...['state', 'nonce', 'codeVerifier'].map((key) => found.map(({ sess }) => sess[key]))
  ]) {
    t.equal(new Set(values).size, 20)
  }
})

test('GET /api/auth/login defaults to the first of ROLES', async (t) => {
  const setup = await server(t, { ROLES: 'AUDITOR,INVESTOR', OPEN_ROLES: 'INVESTOR' })

  await login(setup.url)

  t.equal((await rows(setup))[0]?.sess.requestedRole, 'AUDITOR')
})

test('GET /api/auth/login passes on only the documented parameters', async (t) => {
  const { url } = await sharedServer()

  const response = await login(
    url,
    '?identity_provider=Google&login_hint=a%40example.com&lang=de&prompt=login' +
    '&client_id=evil&redirect_uri=https://evil.example'
  )

  const { searchParams } = new URL(response.headers.get('location') ?? '')
  t.match(
    Object.fromEntries(searchParams),
    { identity_provider: 'Google', login_hint: 'a@example.com', lang: 'de', prompt: 'login' }
  )
  t.notMatch(searchParams.toString(), /evil/)
})

test('GET /api/auth/login takes an empty parameter for an absent one', async (t) => {
  const setup = await sharedServer()

  const response = await login(
    setup.url, '?role=&returnTo=&identity_provider=&login_hint=&lang=&prompt=&screen_hint=&retry=&unknown='
  )

  t.equal(response.status, 302)
  t.match(await rows(setup), [{ sess: { requestedRole: 'INVESTOR', returnTo: '/' } }])
  const { searchParams } = new URL(response.headers.get('location') ?? '')
  t.same([...searchParams].filter(([, value]) => value === ''), [])
  t.same(['identity_provider', 'login_hint', 'lang', 'prompt'].filter((name) => searchParams.has(name)), [])
})

for (const [query, returnTo] of [
  ['/kunden/M%C3%BCller', '/kunden/M%C3%BCller'], ['/reports/Q1%202026', '/reports/Q1%202026'],
  ['/search?q=a+b', '/search?q=a%20b'], ['/search%3Fq%3Da%2Bb', '/search?q=a+b'],
  ['/search%3Fq%3Da%2520b', '/search?q=a%20b']
] as const) {
  test(`GET /api/auth/login?returnTo=${query} leads to ${returnTo}`, async (t) => {
    const setup = await sharedServer()
    const user = browser()

    const login = await user.get(`${setup.url}/api/auth/login?returnTo=${query}`, { redirect: 'manual' })

    t.equal(login.status, 302)
    t.match(await rows(setup), [{ sess: { returnTo } }])
  })
}

test('A sign-in leads to a return address with an umlaut and a space', async (t) => {
  const { url } = await sharedServer()

  const { answer } = await signIn(browser(), url, { returnTo: '/kunden/Müller?q=Q1 2026' })

  t.equal(answer.headers.get('location'), '/kunden/M%C3%BCller?q=Q1%202026')
})

test('GET /api/auth/login?screen_hint=signup leads to the page for a new account', async (t) => {
  const setup = await sharedServer()
  const parameters = async (query: string) => {
    const response = await login(setup.url, query)
    const { origin, pathname, searchParams } = new URL(response.headers.get('location') ?? '')
    const row = (await rows(setup)).find(({ sess }) => sess.state === searchParams.get('state'))
    return {
      answer: { page: origin + pathname, names: [...searchParams.keys()].sort() },
      hints: (row?.sess as Record<string, unknown> | undefined)?.hints
    }
  }

  const plain = await parameters('?lang=de')
  const signUp = await parameters('?lang=de&screen_hint=signup')

  t.equal(signUp.answer.page, `${setup.env.COGNITO_DOMAIN}/signup`)
  t.same(signUp.answer.names, plain.answer.names, 'with the same parameters')
  t.same(signUp.hints, { lang: 'de', screen_hint: 'signup' })
  t.same(plain.hints, { lang: 'de' })
  t.same(await parameters('?lang=de&screen_hint=login'), plain, 'any other hint changes nothing')
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
  ['?role=ADMIN&role=ISSUER', 'ERR_VALIDATION'],
  ['?returnTo=https://evil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=//evil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=/%5Cevil.example/', 'ERR_RETURN_TO'],
  ['?returnTo=javascript:alert(1)', 'ERR_RETURN_TO'],
  ['?returnTo=/api/auth/login%3Frole=ISSUER', 'ERR_RETURN_TO'],
  ['?returnTo=/api/auth/callback', 'ERR_RETURN_TO'],
  [`?returnTo=/${'x'.repeat(2048)}`, 'ERR_VALIDATION'],
  [`?login_hint=${'x'.repeat(257)}`, 'ERR_VALIDATION']
] as const) {
  test(`GET /api/auth/login${query.slice(0, 40)} answers 400 ${code} and writes no row`, async (t) => {
    const setup = await sharedServer()

    const response = await login(setup.url, query)

    t.match(
      { status: response.status, body: await response.json() },
      { status: 400, body: { statusCode: 400, code, message: String, requestId: String } }
    )
    t.same(response.headers.getSetCookie(), [])
    t.same(await rows(setup), [])
  })
}

test('GET /api/auth/login answers 429 beyond LOGIN_RATE_LIMIT', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '3' })

  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await login(setup.url)).status)
  const refused = await login(setup.url)

  t.same(statuses, [302, 302, 302, 429, 429])
  t.match(await refused.json(), { statusCode: 429, code: 'ERR_RATE_LIMIT' })
  t.ok(Number(refused.headers.get('retry-after')) > 0)
  t.equal((await rows(setup)).length, 3)
})

test('GET /api/auth/login trusts X-Forwarded-For only from TRUST_PROXY', async (t) => {
  const statuses = async (env: Record<string, string>) => {
    const { url } = await server(t, { LOGIN_RATE_LIMIT: '1', ...env })
    const from = (address: string) => login(url, '', { headers: { 'x-forwarded-for': address } })
    return [(await from('192.0.2.1')).status, (await from('192.0.2.2')).status]
  }

  t.same(await statuses({}), [302, 429], 'an untrusted client cannot set its address')
  t.same(await statuses({ TRUST_PROXY: '127.0.0.1/32,::1' }), [302, 302])
})

test('HEAD /api/auth/login starts no login', async (t) => {
  const setup = await sharedServer()

  const response = await fetch(`${setup.url}/api/auth/login`, { method: 'HEAD', redirect: 'manual' })

  t.equal(response.status, 404)
  t.same(await rows(setup), [])
})

test('GET /api/auth/login shows a browser an error page', async (t) => {
  const { url } = await sharedServer()

  const response = await login(url, '?role=SUPERUSER', { headers: { accept: 'text/html,application/xhtml+xml' } })

  t.equal(response.status, 400)
  t.match(response.headers.get('content-type'), /^text\/html/)
  const page = await response.text()
  t.match(page, /ERR_ROLE_UNKNOWN/)
  t.match(page, isEmbedded ? /id="request">req-\w+</ : /id="request">[0-9a-f-]{36}</)
  t.match(page, /href="\/api\/auth\/login"/)
})

test('GET /api/auth/login keeps at most 20 logins per browser', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const start = async () => new URL(
    (await user.get(`${setup.url}/api/auth/login`, { redirect: 'manual' })).location ?? ''
  ).searchParams.get('state')
  const states = async () => (await rows(setup)).map(({ sess }) => sess.state)

  const oldest = [await start(), await start()]
  await new Promise((resolve) => { setTimeout(resolve, 1100) }) // ids sort by the second
  const others: (string | null)[] = []
  for (let i = 0; i < 18; i++) others.push(await start())
  t.equal((await rows(setup)).length, 20)

  others.push(await start())
  t.equal(user.cookies.length, 20)
  t.equal(oldest.filter((state) => user.cookie(`cashsouk.sid.login.${state?.slice(0, 10)}`) !== undefined).length, 1)
  others.push(await start())
  t.same(
    user.cookies.map(({ name }) => name).sort(),
    others.map((state) => `cashsouk.sid.login.${state?.slice(0, 10)}`).sort()
  )
  t.same((await states()).sort(), others.sort())
})

test('GET /api/auth/login ignores and clears forged login cookies', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await user.get(`${setup.url}/api/auth/login`, { redirect: 'manual' })
  const [own] = user.cookies
  for (let i = 0; i < 19; i++) user.setCookie(
    setup.url,
    `cashsouk.sid.login.forged${i}=zzzzzz-${'z'.repeat(22)}.x.${'y'.repeat(43)}; Path=/api/auth`
  )

  const answer = await user.get(`${setup.url}/api/auth/login`, { redirect: 'manual' })

  t.equal(user.cookies.length, 21 - 8, 'some at a time, or the answer would be too long for a proxy')
  t.ok([...answer.headers].join('\r\n').length < 4000)
  t.ok(own !== undefined && user.cookie(own.name) !== undefined, 'the genuine login is still under way')
  t.equal((await rows(setup)).length, 2)
})

test('The Cookie header stays below 8 KiB however many logins start', async (t) => {
  const setup = await sharedServer()
  const users = [browser(), browser()] as const
  const start = (user: Browser, length: number) =>
    user.get(`${setup.url}/api/auth/login?role=INVESTOR&returnTo=/${'x'.repeat(length)}`, { redirect: 'manual' })

  for (let i = 0; i < 30; i++) await start(users[0], 255)
  await Promise.all(Array.from({ length: 10 }, () => start(users[1], 255)))
  for (const user of users) {
    await start(user, 2047)
    t.ok(user.cookieHeader(`${setup.url}/api/auth/callback`).length < 7000)
    for (const { name, value } of user.cookies) t.ok(name.length + value.length < 600)
  }
  t.equal(users[0].cookies.length, 20)
})

for (const COOKIE_NAME of ['cashsouk.sid', '__Secure-cashsouk.sid', '__Host-cashsouk.sid']) {
  test(`Over https the login cookie has the prefix __Host- (${COOKIE_NAME})`, async (t) => {
    const { env } = await server(t, { PUBLIC_URL: 'https://auth.example.com', COOKIE_NAME })

    const user = browser({ via: { 'https://auth.example.com': Number(env.PORT) } })
    const response = await user.get('https://auth.example.com/api/auth/login', { redirect: 'manual' })

    t.match(
      response.headers.getSetCookie(),
      [/^__Host-cashsouk\.sid\.login\.[\w-]{10}=[^;]+; Max-Age=86400; Path=\/; HttpOnly; Secure; SameSite=Lax$/]
    )
  })
}

test('A login planted by a sibling subdomain cannot be finished', async (t) => {
  const origin = 'https://auth.example.com'
  const { env, database } = await server(t, { PUBLIC_URL: origin, COOKIE_DOMAIN: 'example.com' })
  const via = { [origin]: Number(env.PORT) }
  const [attacker, victim] = [browser({ via }), browser({ via })]
  const { callbackUrl } = await reachCallback(attacker, origin)
  for (const { name, value } of attacker.cookies.filter(({ name }) => name.includes('.login.'))) {
    // A browser refuses a __Host- cookie with a Domain (RFC 6265bis §5.7); under any other name it is not looked for.
    victim.setCookie(
      'https://evil.example.com/',
      `${name.replace('__Host-', '')}=${value}; Domain=example.com; Path=/api/auth; Secure`
    )
  }

  t.equal((await victim.get(callbackUrl, { redirect: 'manual' })).status, 400)
  t.same((await database.query('SELECT FROM session WHERE sess->\'user\' IS NOT NULL')), [])
  t.equal((await attacker.get(callbackUrl, { redirect: 'manual' })).status, 303)
})

for (const [name, value] of [
  ['sec-purpose', 'prefetch'], ['sec-purpose', 'prefetch;prerender'], ['sec-purpose', 'prefetch;anonymous-client-ip'],
  ['purpose', 'prefetch'], ['x-moz', 'prefetch'], ['x-purpose', 'preview'],
  ['x-sec-purpose', 'prefetch'], ['next-router-prefetch', '1']
] as const) {
  test(`GET /api/auth/login with ${name}: ${value} starts no login`, async (t) => {
    const setup = await sharedServer()

    const response = await login(setup.url, '', { headers: { [name]: value } })

    t.match(
      { status: response.status, body: await response.json() },
      { status: 403, body: { statusCode: 403, code: 'ERR_PREFETCH', message: String } }
    )
    t.equal(response.headers.get('location'), null)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    t.same(await rows(setup), [])
  })
}

for (const [mode, accept] of [
  ['cors', '*/*'], ['no-cors', 'image/avif,image/webp,*/*'], ['same-origin', 'text/html, application/xhtml+xml']
] as const) {
  test(`GET /api/auth/login with Sec-Fetch-Mode ${mode} starts no login and answers in JSON`, async (t) => {
    const setup = await sharedServer()

    const page = await browser().get(
      `${setup.url}/api/auth/login`, { redirect: 'manual', headers: { 'sec-fetch-mode': mode, accept } }
    )

    t.equal(page.status, 403)
    t.match(JSON.parse(page.text), { statusCode: 403, code: 'ERR_NAVIGATION_REQUIRED', requestId: String })
    t.same(page.headers.getSetCookie(), [])
    t.same(await rows(setup), [])
  })
}

test('GET /api/auth/login with Sec-Fetch-Mode navigate starts a login', async (t) => {
  const setup = await sharedServer()

  const page = await browser().get(
    `${setup.url}/api/auth/login`, { redirect: 'manual', headers: { 'sec-fetch-mode': 'navigate' } }
  )

  t.equal(page.status, 302)
  t.equal((await rows(setup)).length, 1)
})

test('10,000 logins from one /64 write only as many rows as the limit allows', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '60', TRUST_PROXY: '127.0.0.1,::1', LOG_LEVEL: 'warn' })
  const statuses = new Map<number, number>()
  const began = performance.now()

  for (let i = 0; i < 10_000; i++) {
    const { statusCode } = await setup.fastify.inject(
      { url: '/api/auth/login', headers: { 'x-forwarded-for': `2001:db8:0:1:${i.toString(16)}::1` } }
    )
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
  }

  // On a slow machine it takes more than one minute.
  const minutes = 1 + Math.floor((performance.now() - began) / 60_000)
  t.same([...statuses.keys()], [302, 429])
  t.ok((statuses.get(302) ?? 0) <= 60 * minutes)
  t.equal((await rows(setup)).length, statuses.get(302))
})

test('A variant of a route\'s path answers 404', async (t) => {
  const { url } = await sharedServer()

  for (const path of [
    '/api/auth/login/', '//api/auth/login', '/API/auth/login', '/api/auth/login;x', '/api/auth%2Flogin',
    '/api/auth'
  ]) {
    t.equal((await fetch(url + path, { redirect: 'manual' })).status, 404, path)
  }
})

test('An undecodable URL answers 400 and is not cached', async (t) => {
  const { url } = await sharedServer()

  const response = await fetch(`${url}/api/auth/%zz`)

  // No route is reached, so an application answers by itself.
  const answer = await response.json() as object
  t.match(answer, { statusCode: 400, code: isEmbedded ? 'FST_ERR_BAD_URL' : 'ERR_VALIDATION' })
  t.equal(response.headers.get('cache-control'), isEmbedded ? null : 'no-store')
})
