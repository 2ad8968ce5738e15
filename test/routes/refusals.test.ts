import { readFile } from 'node:fs/promises'
import { test, type Test } from 'tap'
import { CloudTrailEvent } from '../../src/cognito-events/schema.js'
import { browser, reachCallback, type Browser, type Options, type Page } from '../support/browser.js'
import { embedded } from '../support/embedded.js'
import { json, seconds, type Behaviour } from '../support/misbehaving-provider.js'
import { overload } from '../support/overload.js'
import { relyingParty, sharedParty, type RelyingParty } from '../support/relying-party.js'
import { rootUrl } from '../support/root.js'
import { server, sharedServer } from '../support/server.js'
import { stoppablePostgres } from '../support/stoppable-postgres.js'

interface Operation { operationId: string, responses: Record<string, { content?: Record<string, Content> }> }
interface Content { examples?: Record<string, { value: { message: string } }> }

const document = JSON.parse(await readFile(new URL('docs/openapi.json', rootUrl), 'utf8')) as {
  paths: Record<string, Record<string, Operation>>
}
const operations = Object.values(document.paths).flatMap((path) => Object.values(path))

/** The codes that the document lists for each operation. Nothing raises ERR_INTERNAL on purpose. */
const documented = operations.flatMap(({ operationId, responses }) => Object.values(responses)
  .flatMap(({ content }) => Object.keys(content?.['application/json']?.examples ?? {}))
  .filter((code) => code !== 'ERR_INTERNAL' && /^[A-Z]+_/.test(code))
  .map((code) => `${operationId} ${code}`))

/** Their messages name something of the request or of the settings. */
const OWN_MESSAGE = ['ERR_VALIDATION', 'ERR_ROLE_UNKNOWN', 'ERR_RATE_LIMIT', 'ERR_LOGIN_DENIED']

type Raise = (party: RelyingParty, user: Browser, t: Test) => Promise<Page | Response>

const JSON_ONLY: Options = { redirect: 'manual', headers: { accept: 'application/json' } }
const PREFETCH: Options = { redirect: 'manual', headers: { 'accept': 'application/json', 'sec-purpose': 'prefetch' } }
const FOREIGN: Options = { ...JSON_ONLY, from: 'https://evil.example' }
const FROM_ELSEWHERE = { origin: 'https://evil.example' }
const JSON_BODY = { 'content-type': 'application/json' }
const LONG = 'x'.repeat(5000)
const MALFORMED_TYPE: Options = { redirect: 'manual', headers: { 'accept': 'application/json', 'content-type': ';' } }

const get = (path: string, options = JSON_ONLY): Raise => ({ url }, user) => user.get(url + path, options)
const post = (path: string, form: Record<string, string> = {}, options = JSON_ONLY): Raise =>
  ({ url }, user) => user.post(url + path, form, options)
const remove = (path: string, headers: Record<string, string> = {}, body?: string): Raise => ({ url }, user) =>
  user.send('DELETE', url + path, {
    redirect: 'manual',
    headers: { accept: 'application/json', ...headers },
    ...(body === undefined ? {} : { body })
  })

/** A login whose provider behaves so. */
const login = (behaviour: Behaviour, query = ''): Raise => async (party, user) => {
  party.provider.behaviour = behaviour
  const started = await user.get(`${party.url}/api/auth/login${query}`, JSON_ONLY)
  const authorized = await user.get(started.location ?? '', JSON_ONLY)
  return user.get(authorized.location ?? '', JSON_ONLY)
}

const beyondTheRate = (path: string, requests: number): Raise => async (_party, user, t) => {
  const { url } = await relyingParty(t, { LOGIN_RATE_LIMIT: '1' })
  for (let i = 0; i < requests; i++) await user.get(url + path, JSON_ONLY)
  return user.get(url + path, JSON_ONLY)
}

const EVENTS = { COGNITO_EVENTS_SECRET: 'a-secret-of-a-test', COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI' }
const EVENT_HEADERS = { ...JSON_BODY, 'x-cashsouk-events-secret': EVENTS.COGNITO_EVENTS_SECRET }

const cognitoEvent = (body: string, headers: Record<string, string> = {}): Raise => async (_party, user, t) => {
  const { url } = await relyingParty(t, EVENTS)
  return user.send('POST', `${url}/api/auth/cognito-events`, { headers: { ...EVENT_HEADERS, ...headers }, body })
}

const draining = (path: string): Raise => async (_party, _user, t) => {
  const { url, fastify } = await server(t)
  fastify.cashsoukAuth.draining.start()
  return fetch(url + path)
}

/** A signed-in user's request while the database is down. The user has also reached the callback of a login. */
const withoutDatabase = (
  raise: (party: RelyingParty, user: Browser, callbackUrl: string) => Promise<Page>, env: Record<string, string> = {}
): Raise =>
  async (_party, user, t) => {
    const postgres = await stoppablePostgres(t)
    const party = await relyingParty(t, { DATABASE_URL: postgres.url, ...env })
    await party.signIn(user)
    const callbackUrl = await party.reachCallback(user)
    await postgres.stop()
    return raise(party, user, callbackUrl)
  }
const getWithoutDatabase = (path: string, env = {}) =>
  withoutDatabase(({ url }, user) => user.get(url + path, JSON_ONLY), env)
const postWithoutDatabase = (path: string) => withoutDatabase(({ url }, user) => user.post(url + path, {}, JSON_ONLY))
const removeWithoutDatabase = (path: string) => withoutDatabase(
  ({ url }, user) => user.send('DELETE', url + path, JSON_ONLY)
)

const OAUTH2 = { VERIFY_HEADERS: 'oauth2-proxy' }

/** A request at a server with the routes of oauth2-proxy, by a user who has signed in an hour ago, or by a guest. */
const oauth2 = (path: string, isGuest = false): Raise => async (_party, user, t) => {
  const party = await relyingParty(t, OAUTH2)
  return isGuest ? user.get(party.url + path, JSON_ONLY) : anHourAgo(path)(party, user, t)
}
const anHourAgo = (path: string): Raise => async (party, user) => {
  party.provider.behaviour = { claims: (all) => ({ ...all, auth_time: seconds() - 3600 }) }
  await party.signIn(user)
  return user.get(party.url + path, JSON_ONLY)
}

/** What is answered however many requests there are. */
const ALWAYS = ['getHealth', 'getLiveness', 'getReadiness', 'getAssertionKeys', 'receiveCognitoEvent']

const overloaded = (method: string, path: string): Raise => async (_party, user) => {
  const { url, fastify } = await sharedServer(OAUTH2)
  const end = overload(fastify)
  try {
    return await user.send(method, url + path, JSON_ONLY)
  } finally {
    end()
  }
}

const overloads = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods)
  .filter(([, { operationId }]) => !ALWAYS.includes(operationId))
  .map(([method, { operationId }]): [string, Raise] =>
    [`${operationId} ERR_OVERLOADED`, overloaded(method.toUpperCase(), path.replace(/\{\w+\}/, 'x'))]))

const refusals: Record<string, Raise> = {
  ...Object.fromEntries(overloads),

  'getHealth ERR_DRAINING': draining('/health'),
  'getLiveness ERR_DRAINING': draining('/health/live'),
  'getReadiness ERR_DRAINING': draining('/health/ready'),
  'getReadiness ERR_DATABASE': getWithoutDatabase('/health/ready'),

  'getAssertionKeys ERR_DATABASE': getWithoutDatabase('/.well-known/jwks.json'),

  'receiveCognitoEvent ERR_VALIDATION': cognitoEvent('{}'),
  'receiveCognitoEvent ERR_EVENTS_SECRET': cognitoEvent('{}', { 'x-cashsouk-events-secret': 'another' }),
  'receiveCognitoEvent ERR_DATABASE': withoutDatabase(
    async ({ url }, user) => user.send('POST', `${url}/api/auth/cognito-events`, {
      headers: EVENT_HEADERS, body: JSON.stringify(CloudTrailEvent.examples[0])
    }), EVENTS
  ),
  'receiveCognitoEvent FST_ERR_CTP_EMPTY_JSON_BODY': cognitoEvent(''),
  'receiveCognitoEvent FST_ERR_CTP_INVALID_JSON_BODY': cognitoEvent('{'),
  'receiveCognitoEvent FST_ERR_CTP_BODY_TOO_LARGE': cognitoEvent(LONG.repeat(60)),
  'receiveCognitoEvent FST_ERR_CTP_INVALID_MEDIA_TYPE': cognitoEvent('x', { 'content-type': ';' }),

  'startLogin ERR_VALIDATION': get(`/api/auth/login?role=${LONG}`),
  'startLogin ERR_ROLE_UNKNOWN': get('/api/auth/login?role=KING'),
  'startLogin ERR_RETURN_TO': get('/api/auth/login?returnTo=https://evil.example'),
  'startLogin ERR_PREFETCH': get('/api/auth/login', PREFETCH),
  'startLogin ERR_NAVIGATION_REQUIRED': get('/api/auth/login', { ...JSON_ONLY, headers: { 'sec-fetch-mode': 'cors' } }),
  'startLogin ERR_RATE_LIMIT': beyondTheRate('/api/auth/login', 1),
  'startLogin ERR_DATABASE': getWithoutDatabase('/api/auth/login'),

  'completeLogin ERR_VALIDATION': get(`/api/auth/callback?state=${LONG}`),
  'completeLogin ERR_STATE_MISSING': get('/api/auth/callback'),
  'completeLogin ERR_STATE_UNKNOWN': get('/api/auth/callback?state=unknown&code=x'),
  'completeLogin ERR_CODE_MISSING': login({ callback: (parameters) => { parameters.delete('code') } }),
  'completeLogin ERR_LOGIN_CANCELLED': get('/api/auth/callback?error=access_denied'),
  'completeLogin ERR_LOGIN_REFUSED': get('/api/auth/callback?error=server_error'),
  'completeLogin ERR_ID_TOKEN': login({ claims: (all) => ({ ...all, aud: 'another' }) }),
  'completeLogin ERR_AUTH_TIME': login({ claims: (all) => ({ ...all, auth_time: 0 }) }, '?max_age=300'),
  'completeLogin ERR_PREFETCH': get('/api/auth/callback?state=x', PREFETCH),
  'completeLogin ERR_ROLE_NOT_GRANTED': login({}, '?role=ADMIN'),
  'completeLogin ERR_OTHER_USER': async (party, user, t) => {
    await party.signIn(user)
    return login({ claims: (all) => ({ ...all, sub: 'another' }) }, '?max_age=300')(party, user, t)
  },
  'completeLogin ERR_LOGIN_DENIED': async (_party, user, t) => {
    const { url } = await embedded(t, { options: { onLogin: async () => ({ refuse: 'Please call us.' }) } })
    const { callbackUrl } = await reachCallback(user, url)
    return user.get(callbackUrl, JSON_ONLY)
  },
  'completeLogin ERR_SESSION_LIMIT': async (_party, user, t) => {
    const party = await relyingParty(t, { SESSION_LIMIT: '1', SESSION_LIMIT_ACTION: 'refuse' })
    await party.signIn()
    return (await party.signIn(user)).page
  },
  'completeLogin ERR_RATE_LIMIT': beyondTheRate('/api/auth/callback?state=x', 5),
  'completeLogin ERR_COGNITO_ANSWER': login({ respond: { token: json({}, 500) } }),
  'completeLogin ERR_DATABASE': withoutDatabase((_party, user, callbackUrl) => user.get(callbackUrl, JSON_ONLY)),
  'completeLogin ERR_COGNITO_TIMEOUT': login({ respond: { token: (request) => { request.socket.destroy() } } }),

  'getSession ERR_VALIDATION': get('/api/auth/me?slide=no'),
  'getSession ERR_UNAUTHENTICATED': get('/api/auth/me'),
  'getSession ERR_DATABASE': getWithoutDatabase('/api/auth/me'),

  'extendSession ERR_UNAUTHENTICATED': post('/api/auth/extend'),
  'extendSession ERR_FOREIGN_ORIGIN': post('/api/auth/extend', {}, FOREIGN),
  'extendSession ERR_DATABASE': postWithoutDatabase('/api/auth/extend'),
  'extendSession FST_ERR_CTP_BODY_TOO_LARGE': post('/api/auth/extend', { LONG }),
  'extendSession FST_ERR_CTP_INVALID_MEDIA_TYPE': post('/api/auth/extend', {}, MALFORMED_TYPE),

  'getSignOutPage ERR_VALIDATION': get(`/api/auth/logout?returnTo=${LONG}`),
  'getSignOutPage ERR_LOGOUT_URL': get('/api/auth/logout?returnTo=https://evil.example/'),
  'getSignOutPage ERR_DATABASE': getWithoutDatabase('/api/auth/logout'),

  'signOut ERR_VALIDATION': post(`/api/auth/logout?returnTo=${LONG}`),
  'signOut ERR_LOGOUT_URL': post('/api/auth/logout?returnTo=https://evil.example/'),
  'signOut ERR_FOREIGN_ORIGIN': post('/api/auth/logout', {}, FOREIGN),
  'signOut ERR_DATABASE': postWithoutDatabase('/api/auth/logout'),
  'signOut FST_ERR_CTP_BODY_TOO_LARGE': post('/api/auth/logout', { LONG }),
  'signOut FST_ERR_CTP_INVALID_MEDIA_TYPE': post('/api/auth/logout', {}, MALFORMED_TYPE),

  'listSessions ERR_UNAUTHENTICATED': get('/api/auth/sessions'),
  'listSessions ERR_DATABASE': getWithoutDatabase('/api/auth/sessions'),

  'endOtherSessions ERR_UNAUTHENTICATED': remove('/api/auth/sessions'),
  'endOtherSessions ERR_FOREIGN_ORIGIN': remove('/api/auth/sessions', FROM_ELSEWHERE),
  'endOtherSessions ERR_DATABASE': removeWithoutDatabase('/api/auth/sessions'),
  'endOtherSessions FST_ERR_CTP_EMPTY_JSON_BODY': remove('/api/auth/sessions', JSON_BODY),
  'endOtherSessions FST_ERR_CTP_INVALID_JSON_BODY': remove('/api/auth/sessions', JSON_BODY, '{'),
  'endOtherSessions FST_ERR_CTP_BODY_TOO_LARGE': remove('/api/auth/sessions', JSON_BODY, LONG.repeat(4)),
  'endOtherSessions FST_ERR_CTP_INVALID_MEDIA_TYPE': remove('/api/auth/sessions', { 'content-type': ';' }, 'x'),

  'endSession ERR_VALIDATION': remove(`/api/auth/sessions/${'x'.repeat(70)}`),
  'endSession ERR_UNAUTHENTICATED': remove('/api/auth/sessions/x'),
  'endSession ERR_FOREIGN_ORIGIN': remove('/api/auth/sessions/x', FROM_ELSEWHERE),
  'endSession ERR_NOT_FOUND': async (party, user, t) => {
    await party.signIn(user)
    return remove('/api/auth/sessions/x')(party, user, t)
  },
  'endSession ERR_DATABASE': removeWithoutDatabase('/api/auth/sessions/x'),
  'endSession FST_ERR_CTP_EMPTY_JSON_BODY': remove('/api/auth/sessions/x', JSON_BODY),
  'endSession FST_ERR_CTP_INVALID_JSON_BODY': remove('/api/auth/sessions/x', JSON_BODY, '{'),
  'endSession FST_ERR_CTP_BODY_TOO_LARGE': remove('/api/auth/sessions/x', JSON_BODY, LONG.repeat(4)),
  'endSession FST_ERR_CTP_INVALID_MEDIA_TYPE': remove('/api/auth/sessions/x', { 'content-type': ';' }, 'x'),

  'getAccountPage ERR_DATABASE': getWithoutDatabase('/api/auth/account'),
  'submitEndSession ERR_VALIDATION': post(`/api/auth/account/end/${'x'.repeat(70)}`),
  'submitEndSession ERR_FOREIGN_ORIGIN': post('/api/auth/account/end/x', {}, FOREIGN),
  'submitEndSession ERR_DATABASE': postWithoutDatabase('/api/auth/account/end/x'),
  'submitEndSession FST_ERR_CTP_BODY_TOO_LARGE': post('/api/auth/account/end/x', { LONG }),
  'submitEndSession FST_ERR_CTP_INVALID_MEDIA_TYPE': post('/api/auth/account/end/x', {}, MALFORMED_TYPE),
  'submitEndOtherSessions ERR_FOREIGN_ORIGIN': post('/api/auth/account/end', {}, FOREIGN),
  'submitEndOtherSessions ERR_DATABASE': postWithoutDatabase('/api/auth/account/end'),
  'submitEndOtherSessions FST_ERR_CTP_BODY_TOO_LARGE': post('/api/auth/account/end', { LONG }),
  'submitEndOtherSessions FST_ERR_CTP_INVALID_MEDIA_TYPE': post('/api/auth/account/end', {}, MALFORMED_TYPE),

  'verify ERR_VERIFY_QUERY': get('/api/auth/verify?other=1'),
  'verify ERR_UNAUTHENTICATED': get('/api/auth/verify'),
  'verify ERR_RECENT_SIGN_IN': anHourAgo('/api/auth/verify?max_age=300'),
  'verify ERR_ROLE_NOT_GRANTED': anHourAgo('/api/auth/verify?role=ADMIN'),
  'verify ERR_DATABASE': getWithoutDatabase('/api/auth/verify'),
  'verifyOauth2 ERR_VERIFY_QUERY': oauth2('/oauth2/auth?other=1', true),
  'verifyOauth2 ERR_UNAUTHENTICATED': oauth2('/oauth2/auth', true),
  'verifyOauth2 ERR_RECENT_SIGN_IN': oauth2('/oauth2/auth?max_age=300'),
  'verifyOauth2 ERR_ROLE_NOT_GRANTED': oauth2('/oauth2/auth?allowed_groups=ADMIN'),
  'verifyOauth2 ERR_DATABASE': getWithoutDatabase('/oauth2/auth', OAUTH2),
  'getUserInfo ERR_UNAUTHENTICATED': oauth2('/oauth2/userinfo', true),
  'getUserInfo ERR_DATABASE': getWithoutDatabase('/oauth2/userinfo', OAUTH2),

  'getHome ERR_DATABASE': getWithoutDatabase('/')
}

test('Each code that the document lists for a route has a request below that raises it', (t) => {
  t.same(Object.keys(refusals).sort(), documented.sort())
  t.end()
})

for (const [name, raise] of Object.entries(refusals)) {
  const [operationId = '', code = ''] = name.split(' ')
  test(`${operationId} answers ${code} with the documented status`, async (t) => {
    const answer = await raise(await sharedParty(), browser(), t)

    const text = typeof answer.text === 'string' ? answer.text : await answer.text()
    const sent = JSON.parse(text) as { code: string, message: string }
    t.equal(sent.code, code)
    const { responses } = operations.find((operation) => operation.operationId === operationId) as Operation
    const example = responses[answer.status]?.content?.['application/json']?.examples?.[code]
    t.ok(example !== undefined, `${answer.status}`)
    if (!OWN_MESSAGE.includes(code)) t.equal(example?.value.message, sent.message)
  })
}
