import { test } from 'tap'
import { freePort } from '../../../../local/free-port.js'
import { innerOf } from '../../../../plugins/host.js'
import { browser, reachCallback, signIn, type Browser, type SignIn } from '../../../support/browser.js'
import { cuttingProxy } from '../../../support/cutting-proxy.js'
import { database } from '../../../support/database.js'
import { pass } from '../../../support/pass.js'
import { issuedBy, revoked } from '../../../support/refresh-tokens.js'
import { instance, offersDevices, rows, server, sharedServer, type Setup } from '../../../support/server.js'

const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/126.0.0.0 Safari/537.36'
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/17.5 Mobile/15E148 Safari/604.1'

interface Listed {
  id: string
  current: boolean
  createdAt: string
  lastSeenAt: string
  expiresAt: string
  userAgent: string | null
  device: string | null
  ip: string | null
}

/** A new browser that has signed in, with this user agent. */
async function device (url: string, userAgent: string, options: SignIn = {}, headers = {}): Promise<Browser> {
  const user = browser()
  const { callbackUrl } = await reachCallback(user, url, options)
  await user.get(callbackUrl, { redirect: 'manual', headers: { 'user-agent': userAgent, ...headers } })
  return user
}

const list = async (user: Browser, { url }: Pick<Setup, 'url'>): Promise<Listed[]> =>
  JSON.parse((await user.get(`${url}/api/auth/sessions`)).text) as Listed[]

const end = async (user: Browser, { url }: Pick<Setup, 'url'>, id: string, headers: Record<string, string> = {}) =>
  user.send('DELETE', `${url}/api/auth/sessions${id === '' ? '' : `/${id}`}`, {
    headers: { origin: url, ...headers }
  })

const me = async (user: Browser, { url }: Pick<Setup, 'url'>) => {
  const { status, text } = await user.get(`${url}/api/auth/me`)
  return status === 200 ? 200 : `${status} ${(JSON.parse(text) as { reason: string }).reason}`
}

test('GET /api/auth/sessions lists the devices of the user, the current one first', async (t) => {
  const setup = await sharedServer()
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  await device(setup.url, CHROME, { person: 'bob' })

  const sessions = await list(desk, setup)

  t.match(sessions, [
    { current: true, userAgent: CHROME, device: 'Chrome on Windows', ip: '127.0.0.1' },
    { current: false, userAgent: IPHONE, device: 'Safari on iOS', ip: '127.0.0.1' }
  ])
  const names = ['id', 'current', 'createdAt', 'lastSeenAt', 'expiresAt', 'userAgent', 'device', 'ip']
  const ofDevices = offersDevices ? ['deviceBound', 'withoutDeviceAt'] : []
  t.same(sessions.map((session) => Object.keys(session).sort()), Array.from({ length: 2 }, () =>
    [...names, ...ofDevices].sort()))
  for (const { createdAt, lastSeenAt, expiresAt } of sessions) {
    for (const time of [createdAt, lastSeenAt, expiresAt]) t.equal(new Date(time).toISOString(), time)
    t.ok(createdAt <= lastSeenAt && lastSeenAt < expiresAt)
  }
  const [one, other] = [sessions, await list(phone, setup)].map((each) => each.map(({ id }) => id).toSorted())
  t.same(one, other, 'the ids are the same from every device')
})

for (const SESSION_HASH_IDS of ['true', 'false']) {
  test(`The id of a listed session is no cookie, with SESSION_HASH_IDS=${SESSION_HASH_IDS}`, async (t) => {
    const setup = await server(t, { SESSION_HASH_IDS })
    const user = await device(setup.url, CHROME)
    const [session] = await list(user, setup)
    const id = session?.id ?? ''

    t.match(id, /^[\w-]{22}$/)
    t.notOk(decodeURIComponent(user.cookieHeader(setup.url)).includes(id))
    t.notOk((await rows(setup)).some(({ sid }) => sid.includes(id)))
    const cookie = `cashsouk.sid=${encodeURIComponent(`s:${innerOf(setup.fastify).signCookie(id)}`)}`
    t.equal((await fetch(`${setup.url}/api/auth/me`, { headers: { cookie } })).status, 401, 'even if it is signed')
  })
}

test('A guest\'s list and deletions answer 401 with the reason', async (t) => {
  const setup = await sharedServer()
  const user = await device(setup.url, CHROME)
  const cookie = user.cookieHeader(setup.url)
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['DELETE', '/x']] as const) {
    const ask = async (headers: Record<string, string>) => (await fetch(`${setup.url}/api/auth/sessions${path}`, {
      method, headers: { origin: setup.url, ...headers }
    })).json()
    t.match(await ask({}), { statusCode: 401, code: 'ERR_UNAUTHENTICATED', reason: 'none' })
    t.match(await ask({ cookie }), { statusCode: 401, reason: 'signed_out' })
  }
})

test('lastSeenAt is when the expiry was last moved, and the present for the current session', async (t) => {
  const setup = await sharedServer()
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const seen = async () => {
    const [current, other] = await list(desk, setup)
    return [current, other].map((one) => Math.round((Date.now() - Date.parse(one?.lastSeenAt ?? '')) / 1000))
  }

  await setup.database.query(`UPDATE session SET
    sess = jsonb_set(sess::jsonb, '{~store,created}',
      to_jsonb((sess -> '~store' ->> 'created')::bigint - 600000))::json`)
  await pass(setup.database, 300)
  t.same(await seen(), [0, 300])
  await phone.get(`${setup.url}/api/auth/me`)
  t.same(await seen(), [0, 0])
  await setup.database.query('UPDATE session SET expire = expire + interval \'1 hour\'')
  t.same(await seen(), [0, 0], 'never in the future')
})

test('lastSeenAt is not before the sign-in', async (t) => {
  const setup = await sharedServer()
  await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  await pass(setup.database, 300)
  const [, other] = await list(desk, setup)
  t.equal(other?.lastSeenAt, other?.createdAt)
})

test('A list writes nothing, and neither does a request from another address or browser', async (t) => {
  const setup = await sharedServer()
  const user = await device(setup.url, CHROME)
  const before = await setup.database.query('SELECT xmin, * FROM session')
  await list(user, setup)
  await user.get(`${setup.url}/api/auth/me`, { headers: { 'user-agent': IPHONE } })
  t.same(await setup.database.query('SELECT xmin, * FROM session'), before)
  t.match(await list(user, setup), [{ userAgent: CHROME }], 'as at sign-in')
})

test('A sign-in keeps at most 256 characters of a user agent, whatever it is', async (t) => {
  const setup = await sharedServer()
  for (const [userAgent, shown] of [
    ['x'.repeat(2000), null],
    ['<script>alert(1)</script>', null],
    ['__proto__/1 (constructor)', '__proto__'],
    ['Mozilla/5.0 (\u00e9\\u0000"\')', 'Mozilla']
  ] as const) {
    const user = await device(setup.url, userAgent)
    const [session] = await list(user, setup)
    t.equal(session?.userAgent, userAgent.slice(0, 256))
    t.ok(shown === session?.device || session?.device === null, String(session?.device))
    await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  }
})

test('The address is that of the client behind a trusted proxy', async (t) => {
  const setup = await server(t, { TRUST_PROXY: '127.0.0.1' })
  const user = await device(setup.url, CHROME, {}, { 'x-forwarded-for': '203.0.113.7:4711' })
  t.match(await list(user, setup), [{ ip: '203.0.113.7' }])
})

test('The address is not what a client says of itself', async (t) => {
  const setup = await sharedServer()
  const user = await device(setup.url, CHROME, {}, { 'x-forwarded-for': '203.0.113.7' })
  t.match(await list(user, setup), [{ ip: '127.0.0.1' }])
})

test('Sessions of earlier versions are listed and can be ended', async (t) => {
  const setup = await sharedServer()
  const phone = await device(setup.url, IPHONE)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'client\')::json')
  const desk = await device(setup.url, CHROME)

  const [, old] = await list(desk, setup)
  t.match(old, { userAgent: null, device: null, ip: null })
  t.equal((await end(desk, setup, old?.id ?? '')).status, 204)
  t.equal(await me(phone, setup), '401 ended_elsewhere')
})

test('A session whose client is malformed is listed without it', async (t) => {
  const setup = await sharedServer()
  const user = await device(setup.url, CHROME)
  for (const client of ['null', '"x"', '[]', '{"userAgent":1,"ip":{}}']) {
    await setup.database.query(
      'UPDATE session SET sess = jsonb_set(sess::jsonb, \'{client}\', $1::jsonb)::json', [client]
    )
    t.match(await list(user, setup), [{ userAgent: null, device: null, ip: null }], client)
  }
})

test('Sessions in a table of another store are listed and ended', async (t) => {
  const db = await database(t)
  await db.query(`CREATE TABLE session (
    sid varchar NOT NULL PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL
  )`)
  const setup = await server(t, { DATABASE_URL: db.url, SESSION_HASH_IDS: 'false' })
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const sub = String((await db.query('SELECT sess -> \'user\' ->> \'sub\' AS sub FROM session'))[0]?.sub)
  await db.query(
    `INSERT INTO session VALUES ('written-by-another-store', $1::json, timezone('utc', now()) + interval '10 minutes')`,
    [JSON.stringify({ cookie: { originalMaxAge: 600_000 }, user: { sub } })]
  )

  const sessions = await list(desk, setup)
  t.equal(sessions.length, 3)
  t.equal((await end(desk, setup, '')).status, 204)
  t.same([await me(phone, setup), await me(desk, setup)], ['401 ended_elsewhere', 200])
  t.equal((await list(desk, setup)).length, 1)
})

test('DELETE /api/auth/sessions/:id ends that session at its next request, and its refresh token', async (t) => {
  const setup = await sharedServer()
  const issued = issuedBy(setup)
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const other = await device(setup.url, CHROME)
  const id = (await list(desk, setup)).find(({ userAgent }) => userAgent === IPHONE)?.id ?? ''

  const answer = await end(desk, setup, id)

  t.match({ status: answer.status, text: answer.text }, { status: 204, text: '' })
  t.same(revoked(setup), issued.slice(0, 1))
  t.same([await me(phone, setup), await me(desk, setup), await me(other, setup)], ['401 ended_elsewhere', 200, 200])
  t.equal((await list(desk, setup)).length, 2)
  t.match(JSON.parse((await end(desk, setup, id)).text), { statusCode: 404, code: 'ERR_NOT_FOUND' })
})

test('DELETE /api/auth/sessions ends all sessions of the user but the current one', async (t) => {
  const setup = await sharedServer()
  const issued = issuedBy(setup)
  const [phone, tablet] = [await device(setup.url, IPHONE), await device(setup.url, IPHONE)]
  const desk = await device(setup.url, CHROME)
  const bob = await device(setup.url, CHROME, { person: 'bob' })

  t.equal((await end(desk, setup, '')).status, 204)

  t.same(revoked(setup).toSorted(), issued.slice(0, 2).toSorted())
  t.same([await me(phone, setup), await me(tablet, setup)], ['401 ended_elsewhere', '401 ended_elsewhere'])
  t.same([await me(desk, setup), await me(bob, setup)], [200, 200])
  t.equal((await end(desk, setup, '')).status, 204, 'also where there is none')
})

test('DELETE of the current session signs out: the cookie goes and the refresh token is revoked', async (t) => {
  const setup = await sharedServer()
  const issued = issuedBy(setup)
  const user = await device(setup.url, CHROME)
  const cookie = user.cookieHeader(setup.url)
  const [session] = await list(user, setup)

  t.equal((await end(user, setup, session?.id ?? '')).status, 204)

  t.equal(user.cookie('cashsouk.sid'), undefined)
  t.same(revoked(setup), issued)
  t.match(await (await fetch(`${setup.url}/api/auth/me`, { headers: { cookie } })).json(), { reason: 'signed_out' })
})

test('DELETE of another user\'s session answers 404 and ends nothing', async (t) => {
  const setup = await sharedServer()
  const alice = await device(setup.url, CHROME)
  const bob = await device(setup.url, CHROME, { person: 'bob' })
  const [session] = await list(alice, setup)
  const stored = (await rows(setup)).map(({ sid }) => sid)

  for (const id of [session?.id ?? '', ...stored, 'x', 'x'.repeat(64), '%00', '..%2f']) {
    t.equal((await end(bob, setup, id)).status, 404, id)
  }
  t.same([await me(alice, setup), revoked(setup)], [200, []])
})

for (const headers of [
  { origin: 'https://evil.example' }, { origin: 'null' },
  { 'origin': 'https://other.example.com', 'sec-fetch-site': 'same-site' }
]) {
  test(`DELETE from a foreign origin answers 403 and ends nothing (${JSON.stringify(headers)})`, async (t) => {
    const setup = await sharedServer()
    const phone = await device(setup.url, IPHONE)
    const desk = await device(setup.url, CHROME)
    const [, other] = await list(desk, setup)
    for (const id of ['', other?.id ?? '']) {
      t.match(JSON.parse((await end(desk, setup, id, headers)).text), { statusCode: 403, code: 'ERR_FOREIGN_ORIGIN' })
    }
    t.equal(await me(phone, setup), 200)
  })
}

test('A portal of RETURN_ORIGINS may list and end sessions', async (t) => {
  const origin = 'https://investor.example.com'
  const setup = await server(t, { RETURN_ORIGINS: origin })
  await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const preflight = await fetch(`${setup.url}/api/auth/sessions`, {
    method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'DELETE' }
  })
  t.match(preflight.headers.get('access-control-allow-methods'), /DELETE/)
  const answer = await end(desk, setup, '', { origin, 'sec-fetch-site': 'same-site' })
  t.equal(answer.status, 204)
  t.equal(answer.headers.get('access-control-allow-origin'), origin)
})

test('Of concurrent deletions one answers 204, the others 404, and the token is revoked once', async (t) => {
  const setup = await sharedServer()
  const issued = issuedBy(setup)
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  const [, other] = await list(desk, setup)

  const answers = await Promise.all(Array.from({ length: 20 }, async () => end(desk, setup, other?.id ?? '')))

  t.same(answers.map(({ status }) => status).toSorted(), [204, ...Array.from({ length: 19 }, () => 404)])
  t.same(revoked(setup), issued.slice(0, 1))
  t.equal(await me(phone, setup), '401 ended_elsewhere')
})

test('Devices that end each other at once leave at most one', async (t) => {
  const setup = await sharedServer()
  const devices = await Promise.all(Array.from({ length: 6 }, async () => device(setup.url, CHROME)))
  await Promise.all(devices.map(async (user) => end(user, setup, '')))
  t.ok((await rows(setup)).length <= 1)
})

test('A request in progress does not restore a session that another device ended', async (t) => {
  const setup = await server(t, { SESSION_TOUCH_INTERVAL: '1' })
  const phone = await device(setup.url, IPHONE)
  const desk = await device(setup.url, CHROME)
  await pass(setup.database, 2)
  const requests = Array.from({ length: 30 }, async () => phone.get(`${setup.url}/api/auth/me`))
  await end(desk, setup, '')
  await Promise.all(requests)
  t.equal((await rows(setup)).length, 1)
  t.equal(await me(phone, setup), '401 ended_elsewhere')
})

test('A session of another instance is ended there too', async (t) => {
  const setup = await server(t)
  const port = await freePort()
  await instance(t, { ...setup.env, PORT: String(port) })
  const phone = await device(setup.url, IPHONE, { callbackVia: port })
  const desk = await device(setup.url, CHROME)
  await phone.get(`${setup.url}/api/auth/me`, { via: port })
  await end(desk, setup, '')
  t.equal((await phone.get(`${setup.url}/api/auth/me`, { via: port })).status, 401)
})

for (const fault of ['hang', 500, 'reset'] as const) {
  test(`DELETE succeeds when the revocation fails (${fault})`, async (t) => {
    const setup = await sharedServer()
    await device(setup.url, IPHONE)
    const desk = await device(setup.url, CHROME)
    setup.cognito.fault({ revoke: fault })
    t.equal((await end(desk, setup, '')).status, 204)
    t.equal((await rows(setup)).length, 1)
  })
}

/** The statement that ends sessions and gives back what they held. */
const END = /DELETE FROM "session"[^]*RETURNING/

for (const moment of ['before', 'after'] as const) {
  for (const which of ['one session', 'all others']) {
    test(`A deletion of ${which} that is cut ${moment} its DELETE answers 503 and revokes the tokens`, async (t) => {
      const db = await database(t)
      const proxy = await cuttingProxy(t, db.url)
      const setup = await server(t, { DATABASE_URL: proxy.url })
      const issued = issuedBy(setup)
      const phone = await device(setup.url, IPHONE)
      const desk = await device(setup.url, CHROME)
      const [, other] = await list(desk, setup)
      const cut = proxy.cut(END, moment)

      const answer = await end(desk, setup, which === 'one session' ? other?.id ?? '' : '')
      await cut

      t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
      t.same(revoked(setup), issued.slice(0, 1))
      t.same(
        [await me(desk, setup), await me(phone, setup)], [200, moment === 'before' ? 200 : '401 ended_elsewhere']
      )
    })
  }
}

test('The refresh token of a session is revoked after a rotation of the secret', async (t) => {
  for (const SESSION_HASH_IDS of ['true', 'false']) {
    const setup = await server(t, { SESSION_HASH_IDS })
    const issued = issuedBy(setup)
    const [unused, used] = [await device(setup.url, IPHONE), await device(setup.url, IPHONE)]
    const port = await freePort()
    await instance(t, {
      ...setup.env,
      PORT: String(port),
      SESSION_SECRET: `another secret of a test and of nothing else,${setup.env.SESSION_SECRET}`
    })
    const desk = await device(setup.url, CHROME, { callbackVia: port })
    t.equal((await used.get(`${setup.url}/api/auth/me`, { via: port })).status, 200)
    t.equal((await unused.get(`${setup.url}/api/auth/me`)).status, 200)

    const answer = await desk.send('DELETE', `${setup.url}/api/auth/sessions`, {
      via: port, headers: { origin: setup.url }
    })

    t.equal(answer.status, 204)
    t.same(revoked(setup).toSorted(), issued.slice(0, 2).toSorted(), `SESSION_HASH_IDS=${SESSION_HASH_IDS}`)
  }
})

test('A sign-out revokes a refresh token that is bound to the session\'s id', async (t) => {
  const setup = await sharedServer()
  const issued = issuedBy(setup)
  const user = browser()
  await signIn(user, setup.url)
  const { SessionTokens } = await import('../../../../src/login/session-tokens.js')
  const id = decodeURIComponent(user.cookie('cashsouk.sid')?.value ?? '').replace(/^s:/, '').split('.')[0] ?? ''
  const before = new SessionTokens([setup.env.SESSION_SECRET ?? ''])
  const { refreshToken } = before.encrypt({ idToken: '', refreshToken: issued[0] ?? '' }, id)
  await setup.database.query(
    'UPDATE session SET sess = jsonb_set(sess::jsonb, \'{refreshToken}\', to_jsonb($1::text))::json', [refreshToken]
  )
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  t.same(revoked(setup), issued)
})
