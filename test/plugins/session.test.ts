import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyPluginAsync } from 'fastify'
import { test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { innerOf } from '../../plugins/host.js'
import { browser, reachCallback, signIn, type Browser } from '../support/browser.js'
import { gate } from '../support/gate.js'
import { pass } from '../support/pass.js'
import { instance, isEmbedded, poolOf, rows as allRows, server, type Setup, sharedServer } from '../support/server.js'

const NAME = 'cashsouk.sid'
const rows = async ({ database }: Setup) => await database.query(
  'SELECT sid, sess FROM session WHERE sess -> \'user\' IS NOT NULL'
) as { sid: string, sess: { user: { name: string }, role: string } }[]
const cookieOf = (user: Browser) => user.cookie(NAME)?.value ?? ''
const me = async ({ url }: Setup, cookie: string) => {
  const response = await fetch(`${url}/api/auth/me`, { headers: { cookie } })
  return {
    status: response.status,
    cookies: response.headers.getSetCookie(),
    name: ((await response.json()) as { user?: { name: string } }).user?.name
  }
}
const revoked = ({ cognito }: Setup) => cognito.requests.filter(({ path }) => path === '/oauth2/revoke')

/** Routes of an application that take their time: they read the session, and go on when told to. */
function slowRoutes () {
  const [arrival, door] = [gate(), gate()]
  const routes: FastifyPluginAsync = async (fastify) => {
    fastify.get('/slow', async (request) => {
      arrival.open()
      await door.passed
      return request.session.user?.name ?? 'guest'
    })
    fastify.get('/slow-change', async (request) => {
      Object.assign(request.session, { basket: 'full' })
      arrival.open()
      await door.passed
      return 'changed'
    })
    fastify.get('/slow-save', async (request) => {
      arrival.open()
      await door.passed
      Object.assign(request.session, { basket: 'full' })
      await request.session.save()
      return 'saved'
    })
    fastify.get('/slow-regenerate', async (request) => {
      arrival.open()
      await door.passed
      await request.session.regenerate(['user'])
      return 'regenerated'
    })
  }
  return { routes, arrived: arrival.passed, open: door.open }
}

for (const path of ['/slow', '/slow-change', '/slow-save']) {
  for (const interval of ['1', '60']) {
    test(`${path}: a session deleted mid-request is not restored (touch every ${interval} s)`, async (t) => {
      const { routes, arrived, open } = slowRoutes()
      const setup = await server(t, { SESSION_TOUCH_INTERVAL: interval }, routes)
      const user = browser()
      await signIn(user, setup.url)
      await pass(setup.database, 2)
      const slow = fetch(`${setup.url}${path}`, { headers: { cookie: user.cookieHeader(setup.url) } })
      await arrived

      const logout = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
      open()
      const answer = await slow

      t.equal(logout.status, 303)
      t.equal(answer.status, 200)
      t.same(answer.headers.getSetCookie(), [])
      t.same(await allRows(setup), [])
    })
  }
}

/** What a browser sends with a page's own request: its answers have the cookie although the row has not moved. */
const BY_BROWSER = { 'sec-fetch-site': 'same-origin' }

for (const path of ['/slow', '/slow-change', '/slow-save']) {
  for (const interval of ['1', '60']) {
    test(`${path} of a browser: an ended session's cookie is not sent (touch every ${interval} s)`, async (t) => {
      const { routes, arrived, open } = slowRoutes()
      const setup = await server(t, { SESSION_TOUCH_INTERVAL: interval }, routes)
      const user = browser()
      await signIn(user, setup.url)
      await pass(setup.database, 2)
      const cookie = user.cookieHeader(setup.url)
      const slow = fetch(`${setup.url}${path}`, { headers: { cookie, ...BY_BROWSER } })
      await arrived

      await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
      open()

      t.same((await slow).headers.getSetCookie(), [])
    })
  }
}

test('A request of a browser that was under way when its session ended elsewhere gets no cookie', async (t) => {
  const { routes, arrived, open } = slowRoutes()
  const setup = await server(t, {}, routes)
  const port = await freePort()
  await instance(t, { ...setup.env, PORT: String(port) })
  const user = browser()
  await signIn(user, setup.url)
  const slow = fetch(`${setup.url}/slow`, { headers: { cookie: user.cookieHeader(setup.url), ...BY_BROWSER } })
  await arrived

  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual', via: port })
  await sleep(150)
  open()

  t.same((await slow).headers.getSetCookie(), [])
})

test('A slow request of a browser gets the cookie of a session that goes on', async (t) => {
  const { routes, arrived, open } = slowRoutes()
  const setup = await server(t, {}, routes)
  const user = browser()
  await signIn(user, setup.url)
  const slow = fetch(`${setup.url}/slow`, { headers: { cookie: user.cookieHeader(setup.url), ...BY_BROWSER } })
  await arrived
  await sleep(150)
  open()

  t.match((await slow).headers.getSetCookie(), [/^cashsouk\.sid=[^;]+; Max-Age=(900|899); /])
})

test('A browser\'s slow request does not affect a sign-in in another tab', async (t) => {
  const { routes, arrived, open } = slowRoutes()
  const setup = await server(t, {}, routes)
  const user = browser()
  await signIn(user, setup.url, { person: 'alice' })
  const slow = fetch(`${setup.url}/slow`, { headers: { cookie: user.cookieHeader(setup.url), ...BY_BROWSER } })
  await arrived

  await signIn(user, setup.url, { person: 'bob', query: { prompt: 'login' } })
  open()

  t.same((await slow).headers.getSetCookie(), [])
})

test('A slow request does not affect a sign-in in another tab', async (t) => {
  const { routes, arrived, open } = slowRoutes()
  const setup = await server(t, {}, routes)
  const user = browser()
  await signIn(user, setup.url, { person: 'alice' })
  const slow = fetch(`${setup.url}/slow`, { headers: { cookie: user.cookieHeader(setup.url) } })
  await arrived

  await signIn(user, setup.url, { person: 'bob', query: { prompt: 'login' } })
  open()
  const answer = await slow

  t.same([answer.status, await answer.text(), answer.headers.getSetCookie()], [200, 'Alice Sample', []])
  t.match(await me(setup, user.cookieHeader(setup.url)), { status: 200, name: 'Bob Sample' })
})

test('The cookie of an ended session answers 401 and is not cleared', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const old = user.cookieHeader(setup.url)
  await signIn(user, setup.url, { query: { prompt: 'login' } })

  t.match(await me(setup, old), { status: 401, cookies: [] })
})

test('A failed session write answers 503 without a cookie', async (t) => {
  const setup = await server(t, {}, async (fastify) => {
    fastify.get('/change', async (request) => {
      Object.assign(request.session, { basket: 'full' })
      await setup.database.query('ALTER TABLE session RENAME COLUMN sess TO other')
      return 'done'
    })
  })
  const user = browser()
  await signIn(user, setup.url)

  const answer = await user.get(`${setup.url}/change`)

  t.equal(answer.status, 503)
  t.same(
    { ...JSON.parse(answer.text) as object, requestId: 'x' },
    {
      statusCode: 503,
      code: 'ERR_DATABASE',
      requestId: 'x',
      // In an application, its own error handler answers.
      ...(isEmbedded
        ? { error: 'Service Unavailable', message: 'The session database is unavailable' }
        : { message: 'Service Unavailable' })
    }
  )
  t.same(answer.headers.getSetCookie(), [])
})

test('A failed touch does not fail the request', async (t) => {
  const setup = await server(t, { SESSION_TOUCH_INTERVAL: '1' }, async (fastify) => {
    fastify.get('/read', async () => {
      await setup.database.query('ALTER TABLE session RENAME COLUMN expire TO other')
      return 'done'
    })
  })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 2)

  const answer = await user.get(`${setup.url}/read`)

  t.same([answer.status, answer.text, answer.headers.getSetCookie()], [200, 'done', []])
  t.match(setup.log.join(''), /"code":"ERR_DATABASE","msg":"The expiry of a session could not be moved"/)
})

test('A session that the application regenerates gets a new cookie', async (t) => {
  const { routes, open } = slowRoutes()
  open()
  const setup = await server(t, {}, routes)
  const user = browser()
  await signIn(user, setup.url)
  const before = user.cookieHeader(setup.url)

  await user.get(`${setup.url}/slow-regenerate`)

  t.not(user.cookieHeader(setup.url), before)
  t.match(await me(setup, user.cookieHeader(setup.url)), { status: 200, name: 'Alice Sample' })
  t.match(await me(setup, before), { status: 401 })
  t.equal((await rows(setup)).length, 1)
})

/** Signs with the secret of the test server. */
let signCookie: (value: string) => string = (value) => value
const withSigner: FastifyPluginAsync = async (fastify) => {
  signCookie = (value) => innerOf(fastify).signCookie(value)
}

/** Cookies that an attacker planted before the user signs in. */
const PLANTED: [what: string, value: (thief: Browser) => string][] = [
  ['the thief\'s own session', (thief) => cookieOf(thief)],
  ['an id of the thief\'s choice', () => 's%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ['an id with a forged signature', () => `s%3A${'a'.repeat(32)}.${'b'.repeat(43)}`],
  ['a signed id without a session', () => encodeURIComponent(`s:${signCookie('x'.repeat(32))}`)]
]

for (const [what, value] of PLANTED) {
  test(`A sign-in over a planted cookie makes a new id (${what})`, async (t) => {
    const setup = await sharedServer({}, withSigner)
    const [user, thief] = [browser(), browser()]
    await signIn(thief, setup.url, { person: 'carol', role: 'ADMIN' })
    const planted = value(thief)
    user.setCookie(setup.url, `${NAME}=${planted}; Path=/`)

    const { answer } = await signIn(user, setup.url, { person: 'alice' })

    t.equal(answer.status, 303)
    t.not(cookieOf(user), planted)
    t.match(await me(setup, user.cookieHeader(setup.url)), { status: 200, name: 'Alice Sample' })
    const theft = await me(setup, `${NAME}=${planted}`)
    t.not(theft.name, 'Alice Sample')
    t.equal(theft.status, 401)
  })
}

test('A second sign-in makes a new id and revokes the old refresh token', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url, { role: 'INVESTOR', person: 'bob' })
  const old = user.cookieHeader(setup.url)

  await signIn(user, setup.url, { role: 'ISSUER', person: 'bob' })

  t.not(user.cookieHeader(setup.url), old)
  t.match(await me(setup, old), { status: 401 })
  t.match(await rows(setup), [{ sess: { role: 'ISSUER' } }])
  for (let i = 0; i < 50 && revoked(setup).length === 0; i++) await sleep(20)
  t.equal(revoked(setup).length, 1)
})

/** Several session cookies in one request: v a live session's, w another's, d one that has ended, f forged ones. */
const SEVERAL: [order: string, status: number][] = [
  ['fv', 200], ['vf', 200], ['ffffvffff', 200], ['ff', 401], ['fffff', 401], ['dv', 200], ['vd', 200],
  ['dfv', 200], ['dd', 401], ['vv', 200], ['vw', 401], ['wv', 401], ['fvdwf', 401]
]

test('The only live session among several cookies counts', async (t) => {
  const setup = await sharedServer()
  const sessions: Record<string, string> = {}
  for (const [key, person] of [['v', 'alice'], ['w', 'bob'], ['d', 'carol']] as const) {
    const user = browser()
    await signIn(user, setup.url, { person })
    sessions[key] = cookieOf(user)
    if (key === 'd') await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })
  }
  const forged = [
    's%3Ax.y', 'x', '', '%E0%A4%A', 'x'.repeat(3000), `${sessions.v}x`, `${sessions.v}`.slice(0, -1), 's%3A',
    '"', '%00'
  ]

  for (const [order, status] of SEVERAL) {
    const cookie = [...order]
      .map((key, index) => `${NAME}=${sessions[key] ?? forged[index % forged.length]}`)
      .join('; ')
    const answer = await me(setup, `theme=dark; ${cookie}; ${NAME}.login.x=y`)
    t.match(answer, { status, cookies: [], ...(status === 200 ? { name: 'Alice Sample' } : {}) }, order)
  }
})

test('Forged session cookies cause no query', async (t) => {
  const { url, fastify } = await server(t)
  let queries = 0
  poolOf(fastify).on('acquire', () => { queries++ })

  const response = await fetch(
    `${url}/api/auth/me`,
    { headers: { cookie: Array.from({ length: 200 }, (_, index) => `${NAME}=s%3A${index}.made-up`).join('; ') } }
  )

  t.same([response.status, queries, response.headers.getSetCookie()], [401, 0, []])
})

/** https://auth.example.com, and a page of a sibling subdomain that sets cookies for all of example.com. */
async function siblings (t: Parameters<typeof server>[0], overrides: Record<string, string> = {}) {
  const setup = await server(t, { PUBLIC_URL: 'https://auth.example.com', ...overrides })
  const port = Number(setup.env.PORT)
  const open = () => browser({ via: { 'https://auth.example.com': port } })
  const toss = (user: Browser, pair: string, path = '/') => {
    user.setCookie('https://blog.example.com/', `${pair}; Domain=example.com; Path=${path}; Secure`)
  }
  return { setup, open, toss }
}

test('A session tossed by a sibling subdomain does not take over', async (t) => {
  const { setup, open, toss } = await siblings(t)
  const [user, thief] = [open(), open()]
  await signIn(thief, setup.url, { person: 'carol' })
  await signIn(user, setup.url, { person: 'alice' })

  toss(user, `${NAME}=${cookieOf(thief)}`, '/api/auth')
  t.equal(user.cookieHeader(`${setup.url}/api/auth/me`).split(`${NAME}=`).length, 3, 'both are sent, theirs first')
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 401)

  await signIn(user, setup.url, { person: 'alice' })
  t.match(JSON.parse((await user.get(`${setup.url}/api/auth/me`)).text), { user: { name: 'Alice Sample' } })
  t.equal((await thief.get(`${setup.url}/api/auth/me`)).status, 401)
  t.equal((await rows(setup)).length, 1)
})

test('Signing out ends every session whose cookie the browser sends', async (t) => {
  const { setup, open, toss } = await siblings(t)
  const [user, thief] = [open(), open()]
  await signIn(thief, setup.url, { person: 'carol' })
  await signIn(user, setup.url, { person: 'alice' })
  toss(user, `${NAME}=${cookieOf(thief)}`, '/api')

  const answer = await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

  t.equal(answer.status, 303)
  t.same(await rows(setup), [])
  t.equal(revoked(setup).length, 2)
})

test('A forged cookie tossed by a sibling subdomain has no effect', async (t) => {
  const { setup, open, toss } = await siblings(t)
  const user = open()
  await signIn(user, setup.url)

  toss(user, `${NAME}=s%3Ax.y`, '/api/auth')

  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
})

test('A __Host- session cookie cannot be tossed', async (t) => {
  const { setup, open, toss } = await siblings(t, { COOKIE_NAME: '__Host-sid' })
  const [user, thief] = [open(), open()]
  await signIn(thief, setup.url, { person: 'carol' })

  toss(user, `__Host-sid=${thief.cookie('__Host-sid')?.value}`)

  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 401)
})

test('A tossed login cookie cannot finish a login (login CSRF)', async (t) => {
  const { setup, open, toss } = await siblings(t)
  const [user, thief] = [open(), open()]
  const { callbackUrl } = await reachCallback(thief, setup.url, { person: 'carol' })
  const login = thief.cookies.find(({ name }) => name.includes('.login.'))
  t.match(login, { name: /^__Host-cashsouk\.sid\.login\./, path: '/', hostOnly: true, secure: true })

  for (const name of [login?.name ?? '', login?.name.replace('__Host-', '') ?? '']) {
    for (const path of ['/', '/api/auth', '/api/auth/callback']) toss(user, `${name}=${login?.value}`, path)
  }
  const answer = await user.get(callbackUrl, { redirect: 'manual', headers: { accept: 'application/json' } })

  t.ok(answer.status >= 400 && answer.status < 500, String(answer.status))
  t.same(await rows(setup), [])
  t.equal(user.cookie(NAME), undefined)
})

test('Every cookie stays below 4096 bytes, whatever its name and domain', async (t) => {
  const host = `${Array.from({ length: 3 }, () => 'a'.repeat(62)).join('.')}.example.com`
  for (const prefix of ['__Secure-', '']) {
    const url = `https://${host}`
    const setup = await server(
      t,
      { PUBLIC_URL: url, COOKIE_NAME: prefix + 'n'.repeat(100 - prefix.length), COOKIE_DOMAIN: host }
    )
    const user = browser({ via: { [url]: Number(setup.env.PORT) } })

    const { hops } = await signIn(
      user,
      url,
      { returnTo: `/${'r'.repeat(2000)}`, query: { login_hint: 'h'.repeat(256) } }
    )
    const logout = await user.post(`${url}/api/auth/logout`, {}, { redirect: 'manual' })

    const lines = [...hops.filter((hop) => hop.url.startsWith(url)), logout].flatMap(
      ({ headers }) => headers.getSetCookie()
    )
    t.ok(lines.length >= 3)
    for (const line of lines) t.ok(line.length < 4096, `${line.length} bytes`)
  }
})

/** Has the next use of every session move its expiry. */
const makeTouchDue = async ({ database }: Setup) => {
  await database.query('UPDATE session SET expire = expire - interval \'100 s\'')
}

/** An application whose requests fail after they have changed something about the session. */
const failing: FastifyPluginAsync = async (fastify) => {
  const change = (session: object) => { Object.assign(session, { basket: 'full' }) }
  fastify.get('/throw', async ({ session }) => {
    change(session)
    throw new Error('of the application')
  })
  fastify.get('/answer', async ({ session }, reply) => {
    change(session)
    return reply.code(503).send('unavailable')
  })
  fastify.get('/with-cookies', async ({ session }, reply) => {
    change(session)
    void reply.setCookie(NAME, 'x').setCookie('other', 'x')
    throw new Error('of the application')
  })
  const later = { onSend: async () => { throw new Error('of a later hook') } }
  fastify.get('/later-hook', later, async () => 'done')
  fastify.get('/sign-in', async (request) => {
    const user = { sub: 'x' }
    await innerOf(fastify).sessionChanges.start(request, () => ({ user }), () => {})
    throw new Error('of the application')
  })
  fastify.get('/sign-out', async (request) => {
    await innerOf(fastify).sessionChanges.end(request)
    throw new Error('of the application')
  })
}

for (const path of ['/throw', '/answer', '/with-cookies']) {
  test(`${path}: a failed request writes no session and sets no cookie`, async (t) => {
    const setup = await sharedServer({}, failing)
    const user = browser()
    await signIn(user, setup.url)
    await makeTouchDue(setup)
    const before = await setup.database.query('SELECT * FROM session')

    for (const someone of [user, browser()]) {
      const answer = await someone.get(`${setup.url}${path}`)
      t.ok(answer.status >= 500)
      t.same(answer.headers.getSetCookie().filter((line) => !line.startsWith('other=')), [])
    }

    t.same(await setup.database.query('SELECT * FROM session'), before)
  })
}

for (const path of ['/later-hook', '/sign-in', '/sign-out']) {
  test(`${path}: a late 5xx neither sets nor clears the session cookie`, async (t) => {
    const setup = await sharedServer({}, failing)
    const user = browser()
    await signIn(user, setup.url)
    await makeTouchDue(setup)

    const answer = await user.get(`${setup.url}${path}`)

    t.equal(answer.status, 500)
    t.same(answer.headers.getSetCookie(), [])
  })
}

test('Later hooks of the application find the session, even after a failure', async (t) => {
  const found: unknown[] = []
  const setup = await server(t, {}, async (fastify) => {
    fastify.addHook('onSend', async ({ session }) => { found.push(session.user?.name) })
    fastify.addHook('onResponse', async ({ session }) => { found.push(session.user?.name) })
    fastify.get('/read', async () => 'done')
    fastify.get('/fail', async () => { throw new Error('of the application') })
  })
  const user = browser()
  await signIn(user, setup.url)

  for (const path of ['/read', '/fail']) {
    await user.get(`${setup.url}${path}`)
    await until(() => found.length === 2)
    t.same(found.splice(0), ['Alice Sample', 'Alice Sample'], path)
  }
})

async function until (what: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !what(); i++) await sleep(20)
}

test('request.protocol is the connection\'s, and the session cookie is Secure', async (t) => {
  const routes: FastifyPluginAsync = async (fastify) => {
    fastify.get('/protocol', async ({ protocol, session }) => {
      Object.assign(session, { basket: 'full' })
      return protocol
    })
  }
  for (const [TRUST_PROXY, protocol] of [['', 'http'], ['127.0.0.1', 'https']] as const) {
    const setup = await server(t, { PUBLIC_URL: 'https://auth.example.com', TRUST_PROXY }, routes)
    const headers = { 'x-forwarded-proto': 'https' }
    const answer = await fetch(`http://127.0.0.1:${setup.env.PORT}/protocol`, { headers })
    t.equal(await answer.text(), protocol)
    t.match(answer.headers.getSetCookie(), [/^cashsouk\.sid=.*; Secure/])
  }
})

/** An application that uses the methods of @fastify/session's own sessions. */
const library: FastifyPluginAsync = async (fastify) => {
  const basket = { basket: 'full' }
  fastify.get('/save', async ({ session }) => {
    await Object.assign(session, basket).save()
    return 'saved'
  })
  fastify.get('/regenerate', async ({ session }) => {
    await session.regenerate()
    return 'regenerated'
  })
  fastify.get('/regenerate-and-change', async (request) => {
    await request.session.regenerate()
    Object.assign(request.session, basket)
    return 'regenerated'
  })
  fastify.get('/destroy', async ({ session }) => {
    await session.destroy()
    return 'destroyed'
  })
  fastify.get('/reload', async ({ session }) => {
    await Object.assign(session, basket).reload()
    return 'reloaded'
  })
  fastify.get('/nothing', async ({ session }) => {
    Object.assign(session, { basket: undefined })
    return 'nothing'
  })
}

/** What is in the table afterwards, and whether a cookie is set: for a guest, and for a signed-in user. */
const METHODS: [path: string, guest: [rows: string[], isSet: boolean], user: [rows: string[], isSet: boolean]][] = [
  ['/save', [['full'], true], [['Alice full'], false]],
  ['/regenerate', [[], false], [[], false]],
  ['/regenerate-and-change', [['full'], true], [['full'], true]],
  ['/destroy', [[], false], [[], false]],
  ['/reload', [[], false], [['Alice'], false]],
  ['/nothing', [[], false], [['Alice'], false]]
]

for (const [path, ...expected] of METHODS) {
  test(`${path}: a method of @fastify/session in a route of the application`, async (t) => {
    for (const [index, who] of (['guest', 'user'] as const).entries()) {
      const setup = await sharedServer({}, library)
      const user = browser()
      if (who === 'user') await signIn(user, setup.url)

      const answer = await user.get(`${setup.url}${path}`)

      const found = await setup.database.query(
        `SELECT concat_ws(' ', split_part(sess -> 'user' ->> 'name', ' ', 1), sess ->> 'basket') AS row
        FROM session`
      )
      t.equal(answer.status, 200)
      t.same([found.map(({ row }) => row as string), answer.headers.getSetCookie().length > 0], expected[index], who)
    }
  })
}
