import { test } from 'tap'
import { browser, reachCallback, signIn } from '../../../support/browser.js'
import { pass } from '../../../support/pass.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'
import { stoppablePostgres } from '../../../support/stoppable-postgres.js'

const signedIn = async (setup: Setup) => (await rows(setup)).filter(({ sess }) => 'user' in sess)
const callback = (setup: Setup, query: string) => `${setup.url}/api/auth/callback${query}`

test('GET /api/auth/callback signs the user in and deletes the login\'s row', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  const { callbackUrl } = await reachCallback(user, setup.url, { role: 'ISSUER', returnTo: '/offers?page=2' })
  const under = await rows(setup)
  const answer = await user.get(callbackUrl, { redirect: 'manual' })
  const after = await rows(setup)

  t.equal(under.length, 1)
  t.match(under[0]?.sess, { state: String, nonce: String, requestedRole: 'ISSUER' })
  t.match({ status: answer.status, location: answer.location }, { status: 303, location: `${setup.url}/offers?page=2` })
  t.equal(after.length, 1)
  t.not(after[0]?.sid, under[0]?.sid)
  t.match(after[0]?.sess, {
    'user': { sub: /^[0-9a-f-]{36}$/, email: 'alice@example.com', emailVerified: true, name: 'Alice Sample' },
    'role': 'ISSUER',
    'roles': ['INVESTOR', 'ISSUER'],
    '~store': { created: Number }
  })
  t.notOk('state' in (after[0]?.sess ?? {}))
  t.match(user.cookie('cashsouk.sid'), { httpOnly: true, sameSite: 'lax', path: '/', secure: false })
  t.same(user.cookies.filter(({ name }) => name.startsWith('cashsouk.sid.login.')), [], 'the login\'s cookie is gone')
})

test('GET /api/auth/callback exchanges the code once, with secret and verifier', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const [row] = await rows(setup)

  await user.get(callbackUrl, { redirect: 'manual' })

  const exchanges = setup.cognito.requests.filter(({ path }) => path === '/oauth2/token')
  t.equal(exchanges.length, 1)
  t.same(Object.fromEntries(exchanges[0]?.body ?? []), {
    grant_type: 'authorization_code',
    code: new URL(callbackUrl).searchParams.get('code'),
    redirect_uri: `${setup.url}/api/auth/callback`,
    code_verifier: row?.sess.codeVerifier
  })
  t.match(exchanges[0]?.headers.authorization, /^Basic /)
})

test('GET /api/auth/callback goes to / when no returnTo was given', async (t) => {
  const { url } = await sharedServer()
  t.equal((await signIn(browser(), url)).answer.location, `${url}/`)
})

test('The refresh token is stored encrypted', async (t) => {
  const setup = await sharedServer()
  const tokens: string[] = []
  setup.cognito.fault({
    tokens: (answer) => {
      tokens.push(...['id_token', 'access_token', 'refresh_token'].map((name) => String(answer[name])))
      return answer
    }
  })

  await signIn(browser(), setup.url)

  const [row] = await rows(setup)
  t.match(row?.sess.refreshToken, /^[\w-]{8}\.[\w-]+$/)
  t.equal(tokens.length, 3)
  for (const token of tokens) t.notOk(JSON.stringify(row).includes(token))
  t.notMatch(JSON.stringify(row), /eyJ[\w-]{10,}\.eyJ/) // ciphertext holds eyJ alone by chance
})

test('Only a hash of the session id is stored', async (t) => {
  const setup = await sharedServer()
  const user = browser()

  await signIn(user, setup.url)

  const id = decodeURIComponent(user.cookie('cashsouk.sid')?.value ?? '').replace(/^s:/, '').split('.')[0] ?? ''
  t.match(id, /^[\w-]{32}$/)
  t.notMatch(JSON.stringify(await rows(setup)), id)
})

test('With SESSION_HASH_IDS=false the row\'s sid is the session id', async (t) => {
  const setup = await server(t, { SESSION_HASH_IDS: 'false' })
  const user = browser()

  await signIn(user, setup.url)

  t.equal(
    (await rows(setup))[0]?.sid,
    decodeURIComponent(user.cookie('cashsouk.sid')?.value ?? '').replace(/^s:/, '').split('.')[0]
  )
})

test('A sign-in ends the session that was there before', async (t) => {
  const setup = await sharedServer()
  const [user, thief] = [browser(), browser()]
  await signIn(user, setup.url, { person: 'alice' })
  const planted = user.cookie('cashsouk.sid')?.value ?? ''
  thief.setCookie(setup.url, `cashsouk.sid=${planted}; Path=/`)

  await signIn(user, setup.url, { person: 'bob', query: { prompt: 'login' } })

  t.not(user.cookie('cashsouk.sid')?.value, planted)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
  t.equal((await thief.get(`${setup.url}/api/auth/me`)).status, 401)
  t.equal((await signedIn(setup)).length, 1)
})

test('Ten tabs of one browser all finish', async (t) => {
  const { url } = await sharedServer()
  const user = browser()

  const tabs = await Promise.all(Array.from({ length: 10 }, () => reachCallback(user, url)))
  const answers = await Promise.all(tabs.map(({ callbackUrl }) => user.get(callbackUrl, { redirect: 'manual' })))

  t.same(answers.map(({ status }) => status), Array(10).fill(303))
})

/** What is refused before Cognito is asked, or because of what Cognito said in the URL. */
const REFUSED: [name: string, url: (callbackUrl: URL) => string, status: number, code: string][] = [
  ['without state', (url) => {
    url.searchParams.delete('state')
    url.searchParams.delete('code')
    return url.href
  }, 400, 'ERR_STATE_MISSING'],
  ['with an empty state', (url) => {
    url.searchParams.set('state', '')
    url.searchParams.delete('code')
    return url.href
  }, 400, 'ERR_STATE_MISSING'],
  ['without anything', (url) => url.origin + url.pathname, 400, 'ERR_STATE_MISSING'],
  [
    'with an unknown state',
    (url) => {
      url.searchParams.set('state', 'x'.repeat(43))
      return url.href
    },
    400,
    'ERR_STATE_UNKNOWN'
  ],
  [
    'with a state that only begins like the login\'s',
    (url) => {
      url.searchParams.set('state', `${url.searchParams.get('state')?.slice(0, 20)}x`)
      return url.href
    },
    400,
    'ERR_STATE_UNKNOWN'
  ],
  ['with two states', (url) => `${url.href}&state=second`, 400, 'ERR_VALIDATION'],
  ['without code', (url) => {
    url.searchParams.delete('code')
    return url.href
  }, 400, 'ERR_CODE_MISSING'],
  [
    'with a code of 2049 characters',
    (url) => {
      url.searchParams.set('code', 'x'.repeat(2049))
      return url.href
    },
    400,
    'ERR_VALIDATION'
  ],
  [
    'with a code that Cognito does not know',
    (url) => {
      url.searchParams.set('code', 'made-up')
      return url.href
    },
    401,
    'ERR_LOGIN_REFUSED'
  ],
  [
    'with error=access_denied',
    (url) => `${url.origin}${url.pathname}?error=access_denied&state=${url.searchParams.get('state')}`,
    401,
    'ERR_LOGIN_CANCELLED'
  ],
  [
    'with error=server_error',
    (url) => `${url.origin}${url.pathname}?error=server_error&state=${url.searchParams.get('state')}`,
    401,
    'ERR_LOGIN_REFUSED'
  ],
  ['with error and no state', (url) => `${url.origin}${url.pathname}?error=invalid_request`, 401, 'ERR_LOGIN_REFUSED'],
  [
    'with error and an unknown state',
    (url) => `${url.origin}${url.pathname}?error=access_denied&state=unknown`,
    400,
    'ERR_STATE_UNKNOWN'
  ],
  [
    'with another issuer',
    (url) => {
      url.searchParams.set('iss', 'https://evil.example')
      return url.href
    },
    401,
    'ERR_LOGIN_REFUSED'
  ]
]

for (const [name, url, status, code] of REFUSED) {
  test(`GET /api/auth/callback ${name} answers ${status} ${code}`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)

    const answer = await user.get(
      url(new URL(callbackUrl)),
      { redirect: 'manual', headers: { accept: 'application/json' } }
    )

    t.match(
      { status: answer.status, body: JSON.parse(answer.text) as unknown },
      { status, body: { statusCode: status, code, message: String, requestId: String } }
    )
    t.same(await signedIn(setup), [])
    t.equal(user.cookie('cashsouk.sid'), undefined)
  })
}

test('GET /api/auth/callback with a used state answers 400 to a guest', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await signIn(user, setup.url)
  const before = await rows(setup)
  user.clearCookies()

  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })

  t.match(
    { status: answer.status, body: JSON.parse(answer.text) as unknown },
    { status: 400, body: { code: 'ERR_STATE_UNKNOWN' } }
  )
  t.same(await rows(setup), before)
})

test('GET /api/auth/callback in another browser answers 400', async (t) => {
  const setup = await sharedServer()
  const [user, thief] = [browser(), browser()]
  const { callbackUrl } = await reachCallback(user, setup.url)

  const stolen = await thief.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })
  const own = await user.get(callbackUrl, { redirect: 'manual' })

  t.match(
    { status: stolen.status, body: JSON.parse(stolen.text) as unknown },
    { status: 400, body: { code: 'ERR_STATE_UNKNOWN' } }
  )
  t.equal(own.status, 303)
})

test('GET /api/auth/callback with another login\'s cookie answers 400', async (t) => {
  const setup = await sharedServer()
  const [user, thief] = [browser(), browser()]
  const { callbackUrl } = await reachCallback(user, setup.url)
  await reachCallback(thief, setup.url)
  const name = `cashsouk.sid.login.${new URL(callbackUrl).searchParams.get('state')?.slice(0, 10)}`
  thief.setCookie(
    setup.url,
    `${name}=${thief.cookies.find((cookie) => cookie.name.startsWith('cashsouk.sid.login.'))?.value}; Path=/api/auth`
  )

  const answer = await thief.get(callbackUrl, { redirect: 'manual' })

  t.equal(answer.status, 400)
  t.same(await signedIn(setup), [])
})

test('GET /api/auth/callback after LOGIN_TTL answers 400', async (t) => {
  const setup = await server(t, { LOGIN_TTL: '300' })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const cookies = user.cookieHeader(callbackUrl)
  await pass(setup.database, 300)

  const answer = await browser().get(callbackUrl, { redirect: 'manual', headers: { cookie: cookies } })

  t.equal(answer.status, 400)
  t.same(await signedIn(setup), [])
})

test('One of twenty parallel callbacks with the same state signs in', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const cookie = user.cookieHeader(callbackUrl)

  const answers = await Promise.all(
    Array.from({ length: 20 }, () => browser().get(callbackUrl, { redirect: 'manual', headers: { cookie } }))
  )

  t.same(answers.map(({ status }) => status).sort(), [303, ...Array<number>(19).fill(400)].sort())
  t.equal(setup.cognito.requests.filter(({ path }) => path === '/oauth2/token').length, 1)
  t.equal((await signedIn(setup)).length, 1)
})

for (const [name, value] of [
  ['sec-purpose', 'prefetch'], ['sec-purpose', 'prefetch;prerender'], ['purpose', 'prefetch'],
  ['x-moz', 'prefetch']
] as const) {
  test(`GET /api/auth/callback with ${name}: ${value} does not spend the code`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)

    const early = await user.get(callbackUrl, { redirect: 'manual', headers: { [name]: value } })
    t.equal(early.status, 403)
    t.match(early.text, /ERR_PREFETCH/)
    t.same(early.headers.getSetCookie(), [])
    t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 303)
  })
}

test('GET /api/auth/callback answers 429 beyond five times LOGIN_RATE_LIMIT', async (t) => {
  const setup = await server(t, { LOGIN_RATE_LIMIT: '1', TRUST_PROXY: '127.0.0.1,::1' })
  const user = browser()
  const from = (address: string) => ({ redirect: 'manual', headers: { 'x-forwarded-for': address } }) as const
  const { callbackUrl } = await reachCallback(user, setup.url)

  const statuses: number[] = []
  for (let i = 0; i < 7; i++) {
    statuses.push((await user.get(`${setup.url}/api/auth/callback?state=x`, from('192.0.2.1'))).status)
  }
  t.same(statuses, [400, 400, 400, 400, 400, 429, 429])
  const refused = await user.get(callbackUrl, from('192.0.2.1'))
  t.equal(refused.status, 429)
  t.match(refused.text, /ERR_RATE_LIMIT/)
  t.notMatch(refused.text, /http-equiv/)

  t.equal((await user.get(callbackUrl, from('192.0.2.2'))).status, 303)
})

test('The limit of callbacks ignores X-Forwarded-For, and 0 disables it', async (t) => {
  const statuses = async (LOGIN_RATE_LIMIT: string) => {
    const { url } = await server(t, { LOGIN_RATE_LIMIT })
    const found = new Set<number>()
    for (let i = 0; i < 7; i++) found.add(
      (await fetch(`${url}/api/auth/callback?state=x`, { headers: { 'x-forwarded-for': `192.0.2.${i}` } })).status
    )
    return [...found]
  }
  t.same(await statuses('1'), [400, 429])
  t.same(await statuses('0'), [400])
})

test('HEAD /api/auth/callback does not spend the code', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)

  t.equal((await user.send('HEAD', callbackUrl)).status, 404)
  t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 303)
})

test('A user outside the group ADMIN gets 403 and no session', async (t) => {
  const setup = await server(t)
  const user = browser()

  const { answer } = await signIn(user, setup.url, { role: 'ADMIN', person: 'alice' })

  t.equal(answer.status, 403)
  t.match(answer.text, /ERR_ROLE_NOT_GRANTED/)
  t.match(answer.text, /href="[^"]*role&#61;ADMIN/, 'the button asks for the role again')
  t.same(await rows(setup), [])
  t.equal(user.cookie('cashsouk.sid'), undefined)
  t.equal(setup.cognito.requests.filter(({ path }) => path === '/oauth2/revoke').length, 1)
})

/** The target of a link on a page. */
const linkOf = (text: string, label: string): string =>
  (new RegExp(`href="([^"]*)">${label}<`).exec(text)?.[1] ?? '').replaceAll('&#61;', '=').replaceAll('&#38;', '&')

test('A user without the requested role becomes another one, although Cognito still has a session', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const asked = { role: 'ADMIN', returnTo: '/users?all=1', query: { login_hint: 'alice' } }
  await signIn(user, setup.url, { ...asked, person: 'alice' })
  const { answer: silent } = await signIn(user, setup.url, { ...asked, person: 'carol' })
  t.equal(silent.status, 403, 'Cognito signs the same account in again, without asking')

  const url = new URL(linkOf(silent.text, 'Use another account'), setup.url)
  const { returnTo, ...query } = Object.fromEntries(url.searchParams)
  t.same({ returnTo, ...query }, { role: 'ADMIN', returnTo: '/users?all=1', prompt: 'login' })
  const { answer } = await signIn(user, setup.url, { returnTo: '/users?all=1', query, person: 'carol' })

  t.match({ status: answer.status, location: answer.location }, { status: 303, location: `${setup.url}/users?all=1` })
  t.match((await rows(setup))[0]?.sess, { role: 'ADMIN', user: { name: 'Carol Sample' } })
})

test('A login with prompt=login that ends without the role offers the sign-out at Cognito', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { answer } = await signIn(user, setup.url, { role: 'ADMIN', person: 'alice', query: { prompt: 'login' } })
  t.equal(answer.status, 403)

  const after = await user.submit(answer, 'Sign out to change the account')
  t.equal(after.url, `${setup.url}/`)
  const { answer: other } = await signIn(user, setup.url, { role: 'ADMIN', person: 'carol' })

  t.equal(other.status, 303, 'Cognito asked who it is')
  t.match((await rows(setup))[0]?.sess, { user: { name: 'Carol Sample' } })
})

test('A member of the group ADMIN gets the role', async (t) => {
  const setup = await sharedServer()

  const { answer } = await signIn(browser(), setup.url, { role: 'ADMIN', person: 'carol' })

  t.equal(answer.status, 303)
  t.match((await rows(setup))[0]?.sess, { role: 'ADMIN', roles: ['INVESTOR', 'ISSUER', 'ADMIN'] })
})

test('A role that is not open requires its group', async (t) => {
  const { url } = await server(t, { OPEN_ROLES: '' })

  t.equal((await signIn(browser(), url, { role: 'ISSUER', person: 'alice' })).answer.status, 403)
  t.equal((await signIn(browser(), url, { role: 'ISSUER', person: 'bob' })).answer.status, 303)
})

test('Cancelling at Cognito shows a page with a retry button', async (t) => {
  const setup = await sharedServer()

  const { answer } = await signIn(browser(), setup.url, { role: 'ISSUER', returnTo: '/offers', person: 'cancel' })

  t.equal(answer.status, 401)
  t.match(answer.headers.get('content-type'), /^text\/html/)
  t.match(answer.text, /The sign-in was cancelled/)
  t.match(
    answer.text,
    /href="[^"]*role&#61;ISSUER&#38;returnTo&#61;%2Foffers"|href="[^"]*role&#61;ISSUER&amp;returnTo&#61;%2Foffers"/
  )
  t.same(await rows(setup), [])
})

test('Error descriptions of the provider are not shown', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const state = new URL(callbackUrl).searchParams.get('state')

  const answer = await user.get(
    callback(setup, `?state=${state}&error=%3Cscript%3Eboo&error_description=%3Cscript%3Ehoo`)
  )

  t.equal(answer.status, 401)
  t.notMatch(answer.text, /boo|hoo/)
  t.notMatch(setup.log.join(''), /boo/)
})

for (const [error, description, cause] of [
  [
    'invalid_request', 'PreSignUp failed with error Only members may sign up. ',
    'the provider said invalid_request: PreSignUp failed with error Only members may sign up.'
  ],
  [
    'invalid_request', 'Already found an entry for username Google_112233445566778899001',
    'the provider said invalid_request: Already found an entry for username [removed]'
  ],
  [
    'invalid_request', 'attributes required: [email]',
    'the provider said invalid_request: attributes required: [email]'
  ],
  ['invalid_scope', '', 'the provider said invalid_scope'],
  [
    'access_denied', 'User is not confirmed.\r\nlevel: 60',
    'the provider said access_denied: User is not confirmed. level: 60'
  ]
] as const) {
  test(`The log says why: ${cause}`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    const { callbackUrl } = await reachCallback(user, setup.url)
    const query = new URLSearchParams({
      state: new URL(callbackUrl).searchParams.get('state') ?? '', error, error_description: description
    })
    const causes = () => setup.log
      .map((line) => JSON.parse(line) as { msg?: string, cause?: string })
      .filter(({ msg, cause }) => msg === 'Request failed' && cause !== undefined)
      .map(({ cause }) => cause)

    const answer = await user.get(callback(setup, `?${query.toString()}`))
    t.equal(answer.status, 401)
    t.same(causes(), [cause])
    if (description !== '') t.notMatch(answer.text, description.slice(0, 12), 'the page does not')

    // The state is used now, and a made-up one was never ours: neither says anything.
    setup.log.length = 0
    for (const state of [query.get('state') ?? '', 'made-up']) {
      query.set('state', state)
      t.equal((await user.get(callback(setup, `?${query.toString()}`))).status, 400)
    }
    query.delete('state')
    t.equal((await user.get(callback(setup, `?${query.toString()}`))).status, 401)
    if (description !== '') t.notMatch(setup.log.join(''), description.slice(0, 12))
  })
}

test('A failed login leaves an existing session unchanged', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const [before] = await rows(setup)

  const { answer } = await signIn(user, setup.url, { role: 'ADMIN', person: 'alice' })

  t.equal(answer.status, 403)
  t.same(await rows(setup), [before])
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('Login and callback answer 503 while the database is down', async (t) => {
  const postgres = await stoppablePostgres(t)
  const setup = await server(t, { DATABASE_URL: postgres.url })
  const user = browser()
  const { callbackUrl } = await reachCallback(user, setup.url)
  const json = { accept: 'application/json' }
  await postgres.stop()

  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: json })
  const login = await user.get(`${setup.url}/api/auth/login`, { redirect: 'manual', headers: json })
  t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE', message: 'Service Unavailable' })
  t.match(JSON.parse(login.text), { statusCode: 503, code: 'ERR_DATABASE' })
  t.equal(user.cookie('cashsouk.sid'), undefined)
  t.same(setup.cognito.requests.filter(({ path }) => path === '/oauth2/token'), [], 'the code is not spent')

  await postgres.start()
  t.equal((await user.get(callbackUrl, { redirect: 'manual' })).status, 303)
})
