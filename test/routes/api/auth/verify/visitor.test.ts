import cookies from '@fastify/cookie'
import { test } from 'tap'
import { browser, signIn } from '../../../../support/browser.js'
import { raw } from '../../../../support/raw.js'
import { isEmbedded, server, sharedServer } from '../../../../support/server.js'
import { identity, NO_IDENTITY, VERIFY } from '../../../../support/verify.js'

test('verify ignores what a proxy passes on of its visitor', async (t) => {
  const setup = await sharedServer({ RETURN_ORIGINS: 'https://investor.example.com' })
  const user = browser()
  await signIn(user, setup.url)

  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'origin': 'https://investor.example.com', 'sec-fetch-site': 'cross-site' },
    { 'sec-purpose': 'prefetch;prerender' },
    { purpose: 'prefetch' },
    { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    { accept: 'text/html' },
    { 'if-none-match': '*', 'if-modified-since': 'Fri, 31 Dec 2100 23:59:59 GMT' },
    { 'user-agent': 'Googlebot/2.1' },
    { 'x-forwarded-uri': '/api/auth/login', 'x-forwarded-method': 'POST' },
    { range: 'bytes=0-1' },
    { expect: '100-continue' }
  ]) {
    const answer = await user.get(`${setup.url}${VERIFY}`, { headers: headers })
    t.equal(answer.status, 200, JSON.stringify(headers))
    t.equal((await browser().get(`${setup.url}${VERIFY}`, { headers: headers })).status, 401)
    t.equal(answer.headers.get('access-control-allow-origin'), null)
  }
})

test('The refusal of a browser is JSON, and no page', async (t) => {
  const { url } = await sharedServer()

  const answer = await browser().get(`${url}${VERIFY}`, { headers: { accept: 'text/html' } })

  t.match(answer.headers.get('content-type'), /^application\/json/)
})

for (const method of ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
  test(`verify answers ${method} as GET, whatever its type and origin`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)
    const headers = { 'origin': 'https://evil.example', 'content-type': ';;;' }

    const answer = await user.send(method, `${setup.url}${VERIFY}`, { headers })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('x-auth-email'), 'alice@example.com')
    const refusal = await browser().send(method, `${setup.url}${VERIFY}`, { headers })
    t.equal(refusal.status, 401)
    t.same(identity(refusal), NO_IDENTITY)
  })
}

test('Of several session cookies, verify takes the one with a live session', async (t) => {
  const setup = await sharedServer()
  const [alice, bob] = [browser(), browser()]
  await signIn(alice, setup.url)
  await signIn(bob, setup.url, { person: 'bob' })
  const [of, other] = [alice.cookieHeader(setup.url), bob.cookieHeader(setup.url)].map((header) =>
    /cashsouk\.sid=[^;]*/.exec(header)?.[0] ?? '') as [string, string]
  const verify = async (cookie: string) => browser().get(`${setup.url}${VERIFY}`, { headers: { cookie } })

  t.equal((await verify(`cashsouk.sid=forged; ${of}`)).headers.get('x-auth-email'), 'alice@example.com')
  t.equal((await verify(`${of}; cashsouk.sid=s%3Aforged.forged`)).headers.get('x-auth-email'), 'alice@example.com')
  t.equal((await verify(`${of}; ${other}`)).status, 401, 'between two live sessions there is no choice')
  await alice.post(`${setup.url}/api/auth/logout`)
  t.equal((await verify(`${of}; ${other}`)).headers.get('x-auth-email'), 'bob@example.com')
})

test('Values outside ASCII are percent-encoded, so that they can be decoded', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const email = 'josé 100%\r\nx-auth-role: ADMIN\u{1F600}@example.com'
  await setup.database.query(
    'UPDATE session SET sess = jsonb_set(sess::jsonb, \'{user,email}\', to_jsonb($1::text))', [email]
  )

  const answer = await user.get(`${setup.url}${VERIFY}`)

  t.equal(answer.status, 200)
  const told = answer.headers.get('x-auth-email') ?? ''
  t.match(told, /^[\x21-\x7e]+$/)
  t.equal(decodeURIComponent(told), email)
  t.equal(answer.headers.get('x-auth-role'), 'INVESTOR')
})

test('A session without an e-mail address has the header, empty', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb #- \'{user,email}\')::json')

  t.equal((await user.get(`${setup.url}${VERIFY}`)).headers.get('x-auth-email'), '')
})

test('A cookie that names a login under way is that of a guest', async (t) => {
  const setup = await sharedServer()
  const id = 'a-login-under-way-of-a-browser-0'
  await setup.fastify.cashsoukAuth.sessionStore.put(id, { state: 'x', requestedRole: 'ADMIN', roles: ['ADMIN'] }, 60)
  const signed = cookies.sign(id, setup.env.SESSION_SECRET ?? '')
  const cookie = `cashsouk.sid=${encodeURIComponent(`s:${signed}`)}`

  t.equal((await browser().get(`${setup.url}${VERIFY}`, { headers: { cookie } })).status, 401)
})

test('A cookie that was signed with an older secret is valid, and one with an unknown secret is not', async (t) => {
  const [current, older] = ['the secret of a test that signs now', 'the secret of a test that signed before']
  const setup = await sharedServer({ SESSION_SECRET: `${current},${older}` })
  const user = browser()
  await signIn(user, setup.url)
  const [id = ''] = decodeURIComponent(user.cookie('cashsouk.sid')?.value ?? '').slice(2).split('.')
  const status = async (secret: string) => (await browser().get(`${setup.url}${VERIFY}`, {
    headers: { cookie: `cashsouk.sid=${encodeURIComponent(`s:${cookies.sign(id, secret)}`)}` }
  })).status

  t.equal(await status(current), 200)
  t.equal(await status(older), 200)
  t.equal(await status('the secret of a test that signs never'), 401)
})

test('A change of the session is told by the next answer', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  t.equal((await user.get(`${setup.url}${VERIFY}?role=ISSUER`)).status, 200)
  await setup.database.query('UPDATE session SET sess = jsonb_set(sess::jsonb, \'{roles}\', \'["INVESTOR"]\')')

  t.equal((await user.get(`${setup.url}${VERIFY}?role=ISSUER`)).status, 403)
  t.equal((await user.get(`${setup.url}${VERIFY}`)).headers.get('x-auth-roles'), 'INVESTOR')
})

test('verify ends with the absolute lifetime, whatever the row says', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  t.equal((await user.get(`${setup.url}${VERIFY}`)).status, 200)
  await setup.database.query(`UPDATE session SET expire = expire + interval '1 day', sess = jsonb_set(
    sess::jsonb, '{~store,created}', to_jsonb((sess -> '~store' ->> 'created')::bigint - 43300000))::json`)

  t.equal((await user.get(`${setup.url}${VERIFY}`)).status, 401)
})

test('The log has no line for a request that is let in, unless it is at debug', async (t) => {
  const setup = await server(t, { COOKIE_LIFETIME: 'absolute' })
  const user = browser()
  await signIn(user, setup.url)
  setup.log.length = 0

  await user.get(`${setup.url}${VERIFY}`)
  await browser().get(`${setup.url}${VERIFY}`)

  const lines = setup.log.map((line) => JSON.parse(line) as { level: number, msg: string, statusCode?: number })
    .filter(({ msg }) => msg === 'Request')
  // An application logs requests itself.
  t.same(lines.map(({ level, statusCode }) => [level, statusCode]), isEmbedded ? [] : [[20, 200], [30, 401]])
})

for (const announced of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
  // An unknown address is the application's to answer.
  for (const path of [VERIFY, '/api/auth/me', '/health/live', ...(isEmbedded ? [] : ['/nowhere'])]) {
    test(`A GET of ${path} with ${announced} and no body is answered, and its connection closed`, async (t) => {
      const { env } = await sharedServer()
      const began = performance.now()

      // Read to its end: the server has to close the connection.
      const { status, headers } = await raw(
        Number(env.PORT), `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${announced}\r\n\r\n`
      )

      t.ok(status >= 200)
      t.equal(headers.get('connection'), 'close')
      t.ok(performance.now() - began < 5000)
    })
  }
}

test('verify waits for no body of a POST either', async (t) => {
  const { env } = await sharedServer()

  const { status, headers } = await raw(Number(env.PORT), [
    `POST ${VERIFY} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 20000000', '', '{'
  ].join('\r\n'))

  t.equal(status, 401)
  t.equal(headers.get('connection'), 'close')
})

test('A GET without a body keeps its connection', async (t) => {
  const { url } = await sharedServer()

  for (const headers of [{}, { 'content-length': '0' }]) {
    const answer = await browser().get(`${url}${VERIFY}`, { headers: { connection: 'keep-alive', ...headers } })
    t.equal(answer.headers.get('connection'), 'keep-alive')
  }
})
