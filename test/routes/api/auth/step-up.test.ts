import type { FastifyPluginAsync } from 'fastify'
import pg from 'pg'
import { test, type Test } from 'tap'
import { browser, reachCallback, signIn, type Browser, type Page } from '../../../support/browser.js'
import { linesOf } from '../../../support/log-lines.js'
import { seconds, type Behaviour } from '../../../support/misbehaving-provider.js'
import { relyingParty, type RelyingParty } from '../../../support/relying-party.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'
import { until } from '../../../support/until.js'

interface Sess { user?: { sub: string, name: string }, role?: string, authTime?: number, basket?: string }

/** An application that keeps something in the session. */
const routes: FastifyPluginAsync = async (fastify) => {
  fastify.get('/put', async (request) => {
    Object.assign(request.session, request.query)
    return 'put'
  })
  fastify.get('/drop', async (request) => {
    Reflect.deleteProperty(request.session, 'basket')
    return 'dropped'
  })
}

const manual = { redirect: 'manual' } as const
const cookieOf = (user: Browser) => user.cookie('cashsouk.sid')?.value ?? ''
const signedIn = async (setup: Pick<Setup, 'database'>) =>
  (await rows<Sess>(setup)).filter(({ sess }) => 'user' in sess).map(({ sess }) => sess)
const revoked = ({ cognito }: Setup) =>
  cognito.requests.filter(({ path }) => path === '/oauth2/revoke').map(({ body }) => body.get('token'))
const exchanges = ({ cognito }: Setup) => cognito.requests.filter(({ path }) => path === '/oauth2/token').length
/** A user who is signed in and has a full basket. */
async function withBasket (setup: Setup): Promise<Browser> {
  const user = browser()
  await signIn(user, setup.url)
  await user.get(`${setup.url}/put?basket=full`)
  return user
}
const codeOf = ({ text }: Page) =>
  /id="code">(\w+)</.exec(text)?.[1] ?? (JSON.parse(text) as { code: string }).code

/** As if the user had signed in this many seconds earlier. */
const age = async ({ database }: Pick<Setup, 'database'>, by: number) => database.query(
  `UPDATE session SET sess = jsonb_set(sess::jsonb, '{authTime}', to_jsonb((sess->>'authTime')::int - ${by}))::json
    WHERE sess->'user' IS NOT NULL`
)

test('GET /api/auth/login with max_age hands it on, with prompt=login', async (t) => {
  const setup = await sharedServer({}, routes)
  const authorize = async (query: string) => {
    const { location = '' } = await browser().get(`${setup.url}/api/auth/login?${query}`, manual)
    const { searchParams } = new URL(location)
    return [searchParams.get('max_age'), searchParams.get('prompt')]
  }

  t.same(await authorize('max_age=300'), ['300', 'login'])
  t.same(await authorize('max_age=0'), ['0', 'login'])
  t.same(await authorize('max_age=86400&prompt=none'), ['86400', 'none'])
  t.same(await authorize('role=ISSUER'), [null, null])
  t.same((await rows<{ maxAge?: number }>(setup)).map(({ sess }) => sess.maxAge).sort(), [0, 300, 86_400, undefined])
})

for (const value of ['-1', '86401', '1.5', '300s', 'NaN', '1&max_age=2']) {
  test(`GET /api/auth/login with max_age=${value} answers 400`, async (t) => {
    const setup = await sharedServer({}, routes)
    const page = await browser().get(`${setup.url}/api/auth/login?max_age=${value}`, manual)
    t.match({ status: page.status, code: codeOf(page) }, { status: 400, code: 'ERR_VALIDATION' })
    t.same(await rows(setup), [])
  })
}

test('A sign-in keeps auth_time in the session', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url)
  const [first] = await signedIn(setup)
  t.ok(Math.abs((first?.authTime ?? 0) - seconds()) < 10)

  await age(setup, 100)
  await signIn(user, setup.url) // silently: the provider's session goes on
  t.equal((await signedIn(setup))[0]?.authTime, first?.authTime, 'it is the provider\'s')
})

test('A step-up has a new id and auth_time, and keeps role and data of the session', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })
  await user.get(`${setup.url}/put?basket=full`)
  await age(setup, 4000)
  const [before] = await signedIn(setup)
  const cookie = cookieOf(user)

  const { answer, hops } = await signIn(user, setup.url, { query: { max_age: '300', returnTo: '/transfer' } })

  t.ok(hops.some(({ method }) => method === 'POST'), 'the provider asked')
  t.match(answer, { status: 303, location: `${setup.url}/transfer` })
  const after = await signedIn(setup)
  t.equal(after.length, 1)
  t.match(after[0], { user: { name: 'Alice Sample' }, role: 'ISSUER', roles: ['INVESTOR', 'ISSUER'], basket: 'full' })
  t.ok((after[0]?.authTime ?? 0) >= (before?.authTime ?? Infinity) + 4000)
  t.not(cookieOf(user), cookie)
  const stale = browser()
  stale.setCookie(setup.url, `cashsouk.sid=${cookie}; Path=/`)
  t.equal((await stale.get(`${setup.url}/api/auth/me`)).status, 401, 'the former session has ended')
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
  await until(() => revoked(setup).length === 1)
})

test('A step-up may ask for another role', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER', person: 'carol' })
  await user.get(`${setup.url}/put?basket=full`)
  await signIn(user, setup.url, { role: 'ADMIN', person: 'carol', query: { max_age: '60' } })
  t.match(await signedIn(setup), [{ role: 'ADMIN', basket: 'full' }])
})

test('A sign-in that is not a step-up keeps no data of the session', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = await withBasket(setup)
  await signIn(user, setup.url)
  t.notOk('basket' in ((await signedIn(setup))[0] ?? {}))
})

test('A step-up by another user answers 403 ERR_OTHER_USER and changes nothing', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })
  await user.get(`${setup.url}/put?basket=full`)
  const [cookie, before] = [cookieOf(user), await signedIn(setup)]

  const { answer } = await signIn(user, setup.url, { person: 'bob', query: { max_age: '300' } })

  t.match({ status: answer.status, code: codeOf(answer) }, { status: 403, code: 'ERR_OTHER_USER' })
  t.same(await signedIn(setup), before)
  t.equal(cookieOf(user), cookie)
  t.match((await user.get(`${setup.url}/api/auth/me`)).text, /Alice Sample/)
  t.equal(revoked(setup).length, 1, 'Bob\'s refresh token is revoked')
})

test('A user who is refused a step-up gets a link that asks for it again', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url, { role: 'ISSUER' })
  const { callbackUrl } = await reachCallback(user, setup.url, {
    person: 'bob', query: { max_age: '300', returnTo: '/transfer' }
  })
  const page = await user.get(callbackUrl, { ...manual, headers: { accept: 'text/html' } })
  const links = [...page.text.matchAll(/href="([^"]*)"/g)].map(([, href = '']) =>
    href.replaceAll(/&#(\d+);/g, (_, point: string) => String.fromCodePoint(Number(point))))
  t.ok(links.includes('/api/auth/login?role=ISSUER&returnTo=%2Ftransfer&max_age=300'), links.join())
})

test('A step-up whose session has ended meanwhile is a sign-in like any other', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = await withBasket(setup)
  const { callbackUrl } = await reachCallback(user, setup.url, { person: 'bob', query: { max_age: '300' } })
  await setup.database.query('DELETE FROM session WHERE sess->\'user\' IS NOT NULL')

  t.equal((await user.get(callbackUrl, manual)).status, 303)
  const [session] = await signedIn(setup)
  t.equal(session?.user?.name, 'Bob Sample')
  t.notOk('basket' in (session ?? {}))
})

test('A step-up does not end in the session of another user, who has signed in meanwhile', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = browser()
  await signIn(user, setup.url)
  const { callbackUrl } = await reachCallback(user, setup.url, { query: { max_age: '300' } })
  await signIn(user, setup.url, { person: 'bob', query: { prompt: 'login' } })
  await user.get(`${setup.url}/put?basket=of-bob`)

  t.equal((await user.get(callbackUrl, manual)).status, 303)
  const sessions = await signedIn(setup)
  t.match(sessions, [{ user: { name: 'Alice Sample' } }])
  t.notOk('basket' in (sessions[0] ?? {}))
})

test('Two step-ups in two tabs both finish and keep the data', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = await withBasket(setup)
  const tabs = [
    await reachCallback(user, setup.url, { query: { max_age: '300' } }),
    await reachCallback(user, setup.url, { query: { max_age: '60' } })
  ]
  for (const { callbackUrl } of tabs) t.equal((await user.get(callbackUrl, manual)).status, 303)
  t.match(await signedIn(setup), [{ basket: 'full' }])
})

for (const [what, env] of [['', {}], [' at SESSION_LIMIT=1', { SESSION_LIMIT: '1' }]] as const) {
  test(`Two step-ups whose callbacks overlap${what} both finish and keep the data`, async (t) => {
    const setup = await server(t, env, routes)
    const user = await withBasket(setup)
    const tabs = [
      await reachCallback(user, setup.url, { query: { max_age: '300' } }),
      await reachCallback(user, setup.url, { query: { max_age: '60' } })
    ]

    setup.cognito.fault({ delayMs: 400 })
    const pages = await Promise.all(tabs.map(({ callbackUrl }) => user.get(callbackUrl, manual)))

    t.same(pages.map(({ status }) => status), [303, 303])
    const sessions = await signedIn(setup)
    t.ok(sessions.length > 0)
    for (const { basket } of sessions) t.equal(basket, 'full')
  })
}

test('Three step-ups that overlap all have what another request changed meanwhile', async (t) => {
  const setup = await server(t, {}, routes)
  const user = await withBasket(setup)
  const tabs: string[] = []
  for (const age of ['300', '60', '30']) {
    tabs.push((await reachCallback(user, setup.url, { query: { max_age: age } })).callbackUrl)
  }
  const before = exchanges(setup)

  setup.cognito.fault({ delayMs: 500 })
  const finishing = Promise.all(tabs.map((url) => user.get(url, manual)))
  await until(() => exchanges(setup) === before + 3)
  await user.get(`${setup.url}/put?basket=fuller`)

  t.same((await finishing).map(({ status }) => status), [303, 303, 303])
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
  t.same([...new Set((await signedIn(setup)).map(({ basket }) => basket))], ['fuller'])
})

test('A step-up that a sign-in of the same user overtakes has the data of that session', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = await withBasket(setup)
  const { callbackUrl } = await reachCallback(user, setup.url, { query: { max_age: '300' } })
  const before = exchanges(setup)

  setup.cognito.fault({ delayMs: 1500 })
  const finishing = user.get(callbackUrl, manual)
  await until(() => exchanges(setup) > before)
  setup.cognito.fault({})
  await signIn(user, setup.url)
  await user.get(`${setup.url}/put?basket=other`)
  t.equal((await finishing).status, 303)

  t.same((await signedIn(setup)).map(({ basket }) => basket), ['other', 'other'])
})

for (const [what, path, expected] of [
  ['changed', '/put?basket=fuller', 'fuller'], ['removed', '/drop', undefined]
] as const) {
  test(`What another request has ${what} during a step-up stays ${what}`, async (t) => {
    const setup = await sharedServer({}, routes)
    const user = await withBasket(setup)
    const { callbackUrl } = await reachCallback(user, setup.url, { query: { max_age: '300' } })
    const before = exchanges(setup)

    setup.cognito.fault({ delayMs: 500 })
    const finishing = user.get(callbackUrl, manual)
    await until(() => exchanges(setup) > before)
    await user.get(setup.url + path)
    t.equal((await finishing).status, 303)

    const sessions = await signedIn(setup)
    t.same(sessions.map(({ basket }) => basket), [expected])
  })
}

test('A step-up holds if what changed at the last moment cannot be written', async (t) => {
  const setup = await server(t, {}, routes)
  const user = await withBasket(setup)
  const { callbackUrl } = await reachCallback(user, setup.url, { query: { max_age: '300' } })
  await setup.database.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN
      IF NEW.sess->>'basket' = 'fuller' AND current_setting('test.change', true) IS NULL THEN RAISE 'no'; END IF;
      RETURN NEW;
    END $$`)
  await setup.database.query('CREATE TRIGGER fail BEFORE UPDATE ON session FOR EACH ROW EXECUTE FUNCTION fail()')
  const other = new pg.Client({ connectionString: setup.database.directUrl })
  await other.connect()
  t.teardown(() => other.end())
  await other.query(`BEGIN; SET LOCAL test.change = '1';
    UPDATE session SET sess = jsonb_set(sess::jsonb, '{basket}', '"fuller"')::json WHERE sess->'user' IS NOT NULL`)

  const finishing = user.get(callbackUrl, manual)
  await until(async () => (await setup.database.query(
    'SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = \'Lock\''
  )).length > 0)
  await other.query('COMMIT')

  t.equal((await finishing).status, 303)
  t.equal((await user.get(`${setup.url}/api/auth/me`)).status, 200)
  t.same((await signedIn(setup)).map(({ basket }) => basket), ['full'])
  t.match(linesOf(setup.log, 'What a session got during a step-up could not be kept'), [{ level: 40 }])
})

test('A session that ended during a step-up leaves no data in the new one', async (t) => {
  const setup = await sharedServer({}, routes)
  const user = await withBasket(setup)
  const { callbackUrl } = await reachCallback(user, setup.url, { query: { max_age: '300' } })

  setup.cognito.fault({ delayMs: 500 })
  const finishing = user.get(callbackUrl, manual)
  await until(() => exchanges(setup) === 2)
  await setup.database.query('DELETE FROM session WHERE sess->\'user\' IS NOT NULL')
  t.equal((await finishing).status, 303)

  t.notOk('basket' in ((await signedIn(setup))[0] ?? {}))
})

/** A browser that is signed in at a party whose provider has no sign-in page and ignores `max_age`. */
async function signedInAt (t: Test): Promise<{ party: RelyingParty, user: Browser }> {
  const party = await relyingParty(t)
  const user = browser()
  await party.signIn(user)
  return { party, user }
}

async function stepUp (party: RelyingParty, user: Browser, behaviour: Behaviour): Promise<Page> {
  party.provider.behaviour = behaviour
  const login = await user.get(`${party.url}/api/auth/login?max_age=300`, manual)
  const authorize = await user.get(login.location ?? '', manual)
  return user.get(authorize.location ?? '', { ...manual, headers: { accept: 'application/json' } })
}

test('A step-up that the provider has ignored answers 401 ERR_AUTH_TIME and changes nothing', async (t) => {
  const { party, user } = await signedInAt(t)
  const [cookie, before] = [cookieOf(user), await party.rows()]
  for (const [what, claims] of [
    ['an auth_time that is too old', (all) => ({ ...all, auth_time: seconds() - 340 })],
    ['an iat that is as old', (all) => ({ ...all, auth_time: seconds() - 900, iat: seconds() - 900 })],
    ['no auth_time', ({ auth_time: _, ...others }) => others],
    ['an auth_time in the future', (all) => ({ ...all, auth_time: seconds() + 120 })],
    ['an auth_time before 1970', (all) => ({ ...all, auth_time: -1 })],
    [
      'an endless auth_time',
      (all) => JSON.stringify({ ...all, auth_time: 0 }).replace('"auth_time":0', '"auth_time":1e999')
    ]
  ] as [string, NonNullable<Behaviour['claims']>][]) {
    const revocations = party.provider.count('revoke')
    const page = await stepUp(party, user, { claims })
    t.match({ status: page.status, code: codeOf(page) }, { status: 401, code: 'ERR_AUTH_TIME' }, what)
    t.same(await party.rows(), before, 'the session is as it was')
    t.equal(cookieOf(user), cookie)
    t.equal(party.provider.count('revoke'), revocations + 1, 'the new refresh token is revoked')
  }
  t.equal((await user.get(`${party.url}/api/auth/me`)).status, 200)
})

test('A step-up tolerates a clock of the provider that differs by 30 seconds', async (t) => {
  const { party, user } = await signedInAt(t)
  for (const difference of [-320, 20]) {
    const page = await stepUp(party, user, { claims: (all) => ({ ...all, auth_time: seconds() + difference }) })
    t.equal(page.status, 303, String(difference))
  }
})

test('A guest\'s login with max_age needs a recent auth_time, too', async (t) => {
  const party = await relyingParty(t)
  const user = browser()
  const page = await stepUp(party, user, { claims: (all) => ({ ...all, auth_time: seconds() - 4000 }) })
  t.match({ status: page.status, code: codeOf(page) }, { status: 401, code: 'ERR_AUTH_TIME' })
  await party.leftNothing(t, user)
  t.equal((await stepUp(party, user, {})).status, 303)
})

test('A sign-in without max_age takes any auth_time, and keeps none that cannot be', async (t) => {
  const party = await relyingParty(t)
  for (const [authTime, kept] of [[seconds() - 4000.5, true], [-5, false], [seconds() + 1000, false]] as const) {
    party.provider.behaviour = { claims: (all) => ({ ...all, auth_time: authTime }) }
    const user = browser()
    t.equal((await party.signIn(user)).status, 303)
    const [row] = await party.rows()
    t.equal(row?.sess.authTime, kept ? Math.floor(authTime) : undefined)
    await party.database.query('DELETE FROM session')
  }
})
