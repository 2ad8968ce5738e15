import { test } from 'tap'
import { browser, signIn } from '../../../support/browser.js'
import { pass } from '../../../support/pass.js'
import { poolOf, server, type Setup, sharedServer } from '../../../support/server.js'

const left = async ({ database }: Setup): Promise<number> => {
  const [row] = await database.query(
    'SELECT extract(epoch FROM expire - timezone(\'utc\', now()))::float8 AS left FROM session'
  )
  return Number(row?.left)
}

const extend = '/api/auth/extend'

test('POST /api/auth/extend extends at once and answers as GET /api/auth/me', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_TOUCH_INTERVAL: '600' })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 20)
  const me = JSON.parse((await user.get(`${setup.url}/api/auth/me`)).text) as Record<string, unknown>
  t.ok(await left(setup) < 581, 'a touch is not due')

  const answer = await user.post(`${setup.url}${extend}`)

  t.equal(answer.status, 200)
  const extended = JSON.parse(answer.text) as Record<string, unknown>
  t.same(Object.keys(extended), Object.keys(me))
  t.match(extended, { user: me.user, role: me.role, absoluteExpiresAt: me.absoluteExpiresAt })
  t.ok(Number(extended.expiresInSeconds) >= 598, String(extended.expiresInSeconds))
  t.ok(await left(setup) > 597)
  t.match(answer.headers.getSetCookie(), [/^cashsouk\.sid=[^;]+; Max-Age=600; /])
})

test('POST /api/auth/extend ends at the absolute lifetime', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600', SESSION_ABSOLUTE_TTL: '1000' })
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query(`UPDATE session SET
    expire = expire - interval '550 s',
    sess = jsonb_set(sess::jsonb, '{~store,created}',
      to_jsonb((sess -> '~store' ->> 'created')::bigint - 800000))::json`)

  const answer = await user.post(`${setup.url}${extend}`)

  const told = JSON.parse(answer.text) as { expiresInSeconds: number, absoluteExpiresInSeconds: number }
  t.ok(told.expiresInSeconds > 195 && told.expiresInSeconds <= 200, String(told.expiresInSeconds))
  t.equal(told.absoluteExpiresInSeconds, told.expiresInSeconds)
})

test('POST /api/auth/extend waits for a row that another request has locked', async (t) => {
  const setup = await server(t, { SESSION_TTL: '600' })
  const user = browser()
  await signIn(user, setup.url)
  await pass(setup.database, 20)
  const client = await poolOf(setup.fastify).connect()
  await client.query('BEGIN; SELECT FROM session FOR UPDATE')

  const extending = user.post(`${setup.url}${extend}`)
  await new Promise((resolve) => { setTimeout(resolve, 300) })
  await client.query('COMMIT')
  client.release()

  t.equal((await extending).status, 200)
  t.ok(await left(setup) > 597)
})

test('POST /api/auth/extend answers 401 to a guest', async (t) => {
  const { url } = await sharedServer()

  const answer = await browser().post(`${url}${extend}`)

  t.match(JSON.parse(answer.text), { statusCode: 401, code: 'ERR_UNAUTHENTICATED', reason: 'none' })
})

test('POST /api/auth/extend does not bring back a session that ended', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  await user.post(`${setup.url}/api/auth/logout`, {}, { redirect: 'manual' })

  const answer = await browser().post(`${setup.url}${extend}`, {}, { headers: { cookie } })

  t.match(JSON.parse(answer.text), { statusCode: 401, reason: 'signed_out' })
  t.same(answer.headers.getSetCookie(), [])
})

test('POST /api/auth/extend answers 503 when the row cannot be written', async (t) => {
  const setup = await server(t)
  const user = browser()
  await signIn(user, setup.url)
  await setup.database.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
    CREATE TRIGGER refuse BEFORE UPDATE ON session FOR EACH ROW EXECUTE FUNCTION refuse()`)

  const answer = await user.post(`${setup.url}${extend}`)

  t.match(JSON.parse(answer.text), { statusCode: 503, code: 'ERR_DATABASE' })
  t.same(answer.headers.getSetCookie(), [])
})

for (const [name, headers] of [
  ['from a foreign origin', { origin: 'https://evil.example' }],
  ['from an opaque origin', { origin: 'null' }],
  ['from a sibling', { 'sec-fetch-site': 'same-site', 'origin': 'https://other.example.com' }]
] as const) {
  test(`POST /api/auth/extend ${name} answers 403 and extends nothing`, async (t) => {
    const setup = await sharedServer()
    const user = browser()
    await signIn(user, setup.url)
    await pass(setup.database, 500)

    const answer = await user.post(`${setup.url}${extend}`, {}, { headers })

    t.match(JSON.parse(answer.text), { statusCode: 403, code: 'ERR_FOREIGN_ORIGIN' })
    t.ok(await left(setup) < 401)
  })
}

test('POST /api/auth/extend from one of RETURN_ORIGINS succeeds', async (t) => {
  const { url } = await server(t, { RETURN_ORIGINS: 'https://investor.example.com' })
  const user = browser()
  await signIn(user, url)

  const answer = await user.post(
    `${url}${extend}`, {}, { headers: { 'origin': 'https://investor.example.com', 'sec-fetch-site': 'same-site' } }
  )

  t.equal(answer.status, 200)
  t.equal(answer.headers.get('access-control-allow-origin'), 'https://investor.example.com')
  t.equal(answer.headers.get('access-control-allow-credentials'), 'true')
})

test('POST /api/auth/extend ignores any body up to 4 KiB, and is the only method', async (t) => {
  const setup = await sharedServer()
  const user = browser()
  await signIn(user, setup.url)
  const cookie = user.cookieHeader(setup.url)
  const send = async (body: string, type: string) => (await fetch(
    `${setup.url}${extend}`,
    { method: 'POST', body, headers: { cookie, 'origin': setup.url, 'content-type': type } }
  )).status

  t.equal(await send('a=b', 'application/x-www-form-urlencoded'), 200)
  t.equal(await send('{"broken', 'application/json'), 200)
  t.equal(await send('', 'application/json'), 200)
  t.equal(await send('x'.repeat(5000), 'text/plain'), 413)
  t.equal((await fetch(`${setup.url}${extend}`)).status, 404)
})
