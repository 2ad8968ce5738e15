import { test } from 'tap'
import { CloudTrailEvent } from '../../../../src/cognito-events/schema.js'
import { browser, signIn, type Browser, type SignIn } from '../../../support/browser.js'
import { embedded } from '../../../support/embedded.js'
import { issuedBy, revoked } from '../../../support/refresh-tokens.js'
import { rows, server, sharedServer, type Setup } from '../../../support/server.js'
import { stoppablePostgres } from '../../../support/stoppable-postgres.js'
import { until } from '../../../support/until.js'

const POOL = 'eu-west-1_AbCdEfGhI'
const SECRET = 'a-secret-of-a-test-and-of-nothing-else'
const ENV = { COGNITO_EVENTS_SECRET: SECRET, COGNITO_USER_POOL_ID: POOL }
const ALICE = '11111111-1111-4111-8111-111111111111'
const CAROL = '33333333-3333-4333-8333-333333333333'
const HIDDEN = 'HIDDEN_DUE_TO_SECURITY_REASONS'

/** A second of CloudTrail's clock, which has no parts of it. */
const at = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

interface Detail {
  requestParameters?: Record<string, unknown> | null
  additionalEventData?: Record<string, unknown> | null
  [name: string]: unknown
}

/** An event as EventBridge delivers it. */
function event (eventName: string, detail: Detail = {}, envelope: Record<string, unknown> = {}) {
  const [example] = CloudTrailEvent.examples
  return {
    ...example,
    detail: {
      ...example.detail,
      eventVersion: '1.09',
      userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/admin' },
      responseElements: null,
      eventType: 'AwsApiCall',
      managementEvent: true,
      eventName,
      eventTime: at(Date.now()),
      requestParameters: { userPoolId: POOL, username: HIDDEN },
      additionalEventData: { sub: ALICE },
      ...detail
    },
    ...envelope
  }
}

const headers = { 'content-type': 'application/json; charset=utf-8', 'x-cashsouk-events-secret': SECRET }

const send = async (
  { url }: Pick<Setup, 'url'>, body: unknown, given: Record<string, string> = headers
): Promise<{ status: number, code: string | undefined }> => {
  const response = await fetch(`${url}/api/auth/cognito-events`, {
    method: 'POST', headers: given, body: typeof body === 'string' ? body : JSON.stringify(body)
  })
  const text = await response.text()
  return { status: response.status, code: text === '' ? undefined : (JSON.parse(text) as { code: string }).code }
}

const INVALID = 'ERR_VALIDATION'
const DONE = { status: 204, code: undefined }

async function person (setup: Setup, options: SignIn = {}): Promise<Browser> {
  const user = browser()
  await signIn(user, setup.url, { person: 'alice', ...options })
  return user
}

/** `live`, or why the session ended. */
const state = async (user: Browser, { url }: Setup): Promise<string> => {
  const { status, text } = await user.get(`${url}/api/auth/me`)
  return status === 200 ? 'live' : (JSON.parse(text) as { reason: string }).reason
}

/** As if all sessions had begun this many seconds earlier. */
const age = async ({ database }: Setup, seconds: number) => database.query(
  `UPDATE session SET sess = jsonb_set(
    jsonb_set(sess::jsonb, '{~store,created}', to_jsonb((sess -> '~store' ->> 'created')::bigint - ${seconds} * 1000)),
    '{authTime}', to_jsonb((sess ->> 'authTime')::bigint - ${seconds}))::json
  WHERE sess -> 'user' IS NOT NULL`)

for (const name of ['AdminDisableUser', 'AdminDeleteUser', 'AdminUserGlobalSignOut']) {
  test(`${name} ends all sessions of the user at once, and of no other user`, async (t) => {
    const setup = await sharedServer(ENV)
    const [phone, laptop, carol] = [await person(setup), await person(setup), await person(setup, { person: 'carol' })]

    t.same(await send(setup, event(name)), DONE)

    t.equal(await state(phone, setup), 'ended_elsewhere')
    t.equal(await state(laptop, setup), 'ended_elsewhere')
    t.equal(await state(carol, setup), 'live')
    t.same(await send(setup, event(name)), DONE, 'again')
  })
}

for (const name of ['DeleteUser', 'GlobalSignOut']) {
  test(`${name} by the user names no user pool, and ends the user's sessions`, async (t) => {
    const setup = await sharedServer(ENV)
    const user = await person(setup)
    t.same(await send(setup, event(name, { requestParameters: { accessToken: HIDDEN } })), DONE)
    t.equal(await state(user, setup), 'ended_elsewhere')
  })
}

test('A user name that is a sub is enough where CloudTrail has no sub', async (t) => {
  const setup = await sharedServer(ENV)
  const user = await person(setup)
  const named = (username: string) => event('AdminDisableUser', {
    requestParameters: { userPoolId: POOL, username }, additionalEventData: null
  })

  t.same(await send(setup, named(HIDDEN)), DONE)
  t.same(await send(setup, named(CAROL)), DONE)
  t.equal(await state(user, setup), 'live')
  t.match(setup.log.join(''), /A Cognito event does not say whose sessions end/)
  t.same(await send(setup, named(ALICE)), DONE)
  t.equal(await state(user, setup), 'ended_elsewhere')
})

test('AdminRemoveUserFromGroup ends sessions with a role of that group, and revokes their tokens', async (t) => {
  const setup = await sharedServer({ ...ENV, ROLE_MAP: 'staff=ADMIN' })
  const issued = issuedBy(setup)
  const left = (groupName: string) => event('AdminRemoveUserFromGroup', {
    requestParameters: { userPoolId: POOL, username: HIDDEN, groupName }, additionalEventData: { sub: CAROL }
  })
  const admin = await person(setup, { person: 'carol', role: 'ADMIN' })
  const alice = await person(setup)

  for (const group of ['ISSUER', 'unknown', '']) t.same(await send(setup, left(group)), DONE)
  t.equal(await state(admin, setup), 'live', 'groups that grant no role, and a role that is open to all')
  t.same(await send(setup, left('staff')), DONE)
  t.equal(await state(admin, setup), 'role_lost')
  t.equal(await state(alice, setup), 'live')
  await until(() => revoked(setup).length === 1)
  t.same(revoked(setup), issued.slice(0, 1))

  const investor = await person(setup, { person: 'carol', role: 'INVESTOR' })
  t.same(await send(setup, left('ADMIN')), DONE)
  t.equal(await state(investor, setup), 'role_lost', 'ADMIN is one of its roles')
})

test('An event that is delivered again does not end a session that began after it', async (t) => {
  const setup = await sharedServer(ENV)
  const user = await person(setup)
  await age(setup, 7200)
  const anHourAgo = event('AdminDisableUser', { eventTime: at(Date.now() - 3_600_000) })

  t.same(await send(setup, anHourAgo), DONE)
  t.equal(await state(user, setup), 'ended_elsewhere')
  await signIn(user, setup.url, { person: 'alice' })
  for (let i = 0; i < 3; i++) t.same(await send(setup, anHourAgo), DONE)
  t.equal(await state(user, setup), 'live')
})

test('Events may come in any order: the latest decides', async (t) => {
  const setup = await sharedServer(ENV)
  const user = await person(setup)
  const earlier = event('AdminUserGlobalSignOut', { eventTime: at(Date.now() - 7_200_000) })
  const later = event('AdminDisableUser', { eventTime: at(Date.now() - 3_600_000) })
  await age(setup, 5400)

  t.same(await send(setup, earlier), DONE)
  t.equal(await state(user, setup), 'live')
  t.same(await send(setup, later), DONE)
  t.equal(await state(user, setup), 'ended_elsewhere')
  t.same(await send(setup, earlier), DONE)
})

test('A session that began within the tolerance of the clocks ends, unless the user signed in later', async (t) => {
  const setup = await sharedServer(ENV)
  const before = await person(setup)
  await setup.database.query('UPDATE session SET sess = (sess::jsonb - \'authTime\')::json')
  t.same(await send(setup, event('AdminDisableUser', { eventTime: at(Date.now() - 20_000) })), DONE)
  t.equal(await state(before, setup), 'ended_elsewhere')

  const after = await person(setup, { query: { prompt: 'login' } })
  t.same(await send(setup, event('AdminDisableUser', { eventTime: at(Date.now() - 20_000) })), DONE)
  t.equal(await state(after, setup), 'live')
})

// Made within the tests: an event that is older than the sign-in ends nothing anyway.
for (const [what, change] of [
  ['of another user pool', () => event('AdminDisableUser', {
    requestParameters: { userPoolId: 'eu-west-1_Other', username: HIDDEN }
  })],
  ['without a user pool', () => event('AdminDisableUser', { requestParameters: null })],
  ['of a token of another user pool', () => event('GlobalSignOut', {
    requestParameters: null, additionalEventData: { sub: ALICE, userPoolId: 'eu-west-1_Other' }
  })],
  ['of a call that failed', () => event('AdminDisableUser', { errorCode: 'UserNotFoundException' })],
  ['of another operation', () => event('AdminGetUser')],
  ['of another service', () => event('AdminDisableUser', {}, { source: 'aws.iam' })],
  ['that is no call', () => event('AdminDisableUser', {}, { 'detail-type': 'AWS Service Event via CloudTrail' })],
  ['of an unknown user', () => event('AdminDisableUser', { additionalEventData: { sub: 'b'.repeat(36) } })],
  ['of a user with NUL', () => event('AdminDisableUser', { additionalEventData: { sub: 'a\0b' } })]
] as const) {
  test(`An event ${what} answers 204 without effect`, async (t) => {
    const setup = await sharedServer(ENV)
    const user = await person(setup)
    const held = await rows(setup)
    t.same(await send(setup, change()), DONE)
    t.same(await rows(setup), held)
    t.equal(await state(user, setup), 'live')
  })
}

for (const [what, body, status, code] of [
  ['that is no JSON', '{', 400, 'FST_ERR_CTP_INVALID_JSON_BODY'],
  ['without a body', '', 400, 'FST_ERR_CTP_EMPTY_JSON_BODY'],
  ['that is a list', [], 400, INVALID],
  ['without its detail', event('AdminDisableUser', {}, { detail: undefined }), 400, INVALID],
  ['without its time', event('AdminDisableUser', { eventTime: undefined }), 400, INVALID],
  ['with a time that is none', event('AdminDisableUser', { eventTime: '2026-13-45T99:00:00Z' }), 400, INVALID],
  ['with a time that is to come', event('AdminDisableUser', { eventTime: at(Date.now() + 600_000) }), 400, INVALID],
  ['with a text that is too long', event('x'.repeat(300)), 400, INVALID],
  ['that is too long', event('AdminDisableUser', { padding: 'x'.repeat(300_000) }), 413, 'FST_ERR_CTP_BODY_TOO_LARGE']
] as const) {
  test(`An event ${what} answers ${status} without effect`, async (t) => {
    const setup = await sharedServer(ENV)
    const user = await person(setup)
    t.same(await send(setup, body), { status, code })
    t.equal(await state(user, setup), 'live')
  })
}

test('Without the secret, or with another one, the answer is 401 and nothing ends', async (t) => {
  const setup = await sharedServer(ENV)
  const user = await person(setup)
  const json = { 'content-type': 'application/json' }
  const header = 'x-cashsouk-events-secret'
  const wrong: Record<string, string>[] = [
    {}, { [header]: '' }, { [header]: `${SECRET}x` }, { [header]: SECRET.slice(0, -1) },
    { authorization: 'Bearer' }, { authorization: `Basic ${SECRET}` },
    { authorization: `Bearer ${SECRET}`, [header]: 'another' }
  ]
  for (const given of wrong) {
    const answer = await send(setup, event('AdminDisableUser'), { ...json, ...given })
    t.same(answer, { status: 401, code: 'ERR_EVENTS_SECRET' })
  }
  t.same(await send(setup, '{', json), { status: 401, code: 'ERR_EVENTS_SECRET' }, 'before the body is read')
  t.equal(await state(user, setup), 'live')
})

test('The secret may come as Authorization: Bearer, and each of several is accepted', async (t) => {
  const setup = await sharedServer({ ...ENV, COGNITO_EVENTS_SECRET: `the-next-secret-of-a-test,${SECRET}` })
  for (const secret of ['the-next-secret-of-a-test', SECRET]) {
    const authorization = `Bearer ${secret}`
    t.same(await send(setup, event('AdminGetUser'), { 'content-type': 'application/json', authorization }), DONE)
  }
})

test('Without COGNITO_EVENTS_SECRET there is no such route', async (t) => {
  const setup = await sharedServer()
  const { status } = await send(setup, event('AdminDisableUser'))
  t.equal(status, 404)
})

test('The answer has no cookie and no CORS header, and foreign origins and cookies do not matter', async (t) => {
  const setup = await sharedServer({ ...ENV, RETURN_ORIGINS: 'https://portal.example.com' })
  const user = await person(setup)
  const response = await fetch(`${setup.url}/api/auth/cognito-events`, {
    method: 'POST',
    headers: {
      ...headers,
      'origin': 'https://evil.example',
      'sec-fetch-site': 'cross-site',
      'cookie': user.cookieHeader(setup.url)
    },
    body: JSON.stringify(event('AdminGetUser'))
  })
  t.equal(response.status, 204)
  t.same(response.headers.getSetCookie(), [])
  t.equal(response.headers.get('access-control-allow-origin'), null)
  t.equal(response.headers.get('cache-control'), 'no-store')
})

test('onSession and the log are told of what an event ends', async (t) => {
  const told: unknown[] = []
  const setup = await embedded(t, { options: {
    cognitoEventsSecret: [SECRET],
    cognitoUserPoolId: POOL,
    onSession: ({ reason, user }) => { told.push([reason, user?.sub]) }
  } })
  for (let i = 0; i < 2; i++) await signIn(browser(), setup.url, { person: 'alice' })
  t.same(await send(setup, event('AdminDisableUser')), DONE)

  await until(() => told.length === 2)
  t.same(told, Array(2).fill(['ended_elsewhere', ALICE]))
  const line = setup.log.find((text) => text.includes('"msg":"Cognito event"')) ?? '{}'
  t.match(JSON.parse(line), { level: 30, operation: 'AdminDisableUser', eventId: /^0d1f9c5c/, ended: 2 })
})

test('With AUDIT each session that an event ends is recorded, with the operation and who called it', async (t) => {
  const setup = await sharedServer({ ...ENV, AUDIT: 'true' })
  await setup.database.query('DELETE FROM auth_event')
  await person(setup)
  await person(setup)
  await send(setup, event('AdminDisableUser', { sourceIPAddress: '192.0.2.7' }))
  await send(setup, event('AdminDisableUser'))
  await send(setup, event('AdminDisableUser'), { 'content-type': 'application/json' })

  await until(async () => (await setup.database.query('SELECT FROM auth_event')).length === 5)
  const found = await setup.database.query(
    'SELECT type, sub, actor, reason, ip FROM auth_event WHERE type <> \'sign_in\' ORDER BY id'
  )
  const ended = { type: 'ended', sub: ALICE, actor: 'cognito', reason: 'AdminDisableUser', ip: '192.0.2.7' }
  const refused = { type: 'refused', sub: null, actor: null, reason: 'ERR_EVENTS_SECRET', ip: '127.0.0.1' }
  t.same(found, [ended, ended, refused])
})

test('While the database is down the answer is 503, and a later delivery ends the sessions', async (t) => {
  const postgres = await stoppablePostgres(t)
  const setup = await server(t, { ...ENV, DATABASE_URL: postgres.url })
  const user = await person(setup)
  const delivered = event('AdminDisableUser')
  await postgres.stop()
  t.same(await send(setup, delivered), { status: 503, code: 'ERR_DATABASE' })
  await postgres.start()
  await until(async () => (await send(setup, delivered)).status === 204)
  t.equal(await state(user, setup), 'ended_elsewhere')
})
