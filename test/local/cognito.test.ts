import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose'
import { t as file, test, type Test } from 'tap'
import { startCognito, type LocalCognito } from '../../local/cognito/index.js'
import { MemoryStore } from '../../local/cognito/store.js'
import { browser, reachCallback, signIn, type Browser, type Page } from '../support/browser.js'
import { cognito, keyFolder, type Fault } from '../support/cognito.js'
import { moduleUrl, nodeOptions } from '../support/root.js'

const CALLBACK = 'http://localhost:3000/api/auth/callback'
const LOGOUT = 'http://localhost:3000/'
const STATE = 'a-state-of-this-test-alone'
const VERIFIER = 'v'.repeat(43)
const UUID = /^[\da-f]{8}-[\da-f]{4}-[1-5][\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

async function start (
  t: Test,
  options: Partial<Parameters<typeof startCognito>[0]> = {}
): Promise<LocalCognito> {
  const pool = await startCognito({
    port: 0,
    redirectUris: [CALLBACK],
    logoutUris: [LOGOUT],
    dataDir: await keyFolder(),
    ...options
  })
  t.teardown(() => pool.close())
  return pool
}

/** A pool for the tests that do not change it. */
let shared: Promise<LocalCognito> | undefined
const sharedPool = (): Promise<LocalCognito> =>
  (shared ??= keyFolder().then((dataDir) =>
    startCognito({ port: 0, redirectUris: [CALLBACK], logoutUris: [LOGOUT], dataDir })))

file.teardown(async () => { await (await shared)?.close() })

/** The challenge of a code verifier (RFC 7636 §4.2). */
const challenge = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url')

function authorizeUrl (pool: LocalCognito, parameters: Record<string, string | undefined> = {}): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: pool.clientId,
    redirect_uri: CALLBACK,
    scope: 'openid email profile',
    state: STATE,
    nonce: 'the-nonce',
    code_challenge: challenge(VERIFIER),
    code_challenge_method: 'S256'
  })
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) query.delete(name)
    else query.set(name, value)
  }
  return `${pool.origin}/oauth2/authorize?${query.toString()}`
}

/** Follows the pool's redirects, and stops before a redirect that leaves it. */
async function within (pool: LocalCognito, user: Browser, first: Promise<Page>): Promise<Page> {
  let page = await first
  while (page.location?.startsWith(pool.origin) === true) {
    page = await user.get(page.location, { redirect: 'manual' })
  }
  return page
}

const authorize = (
  pool: LocalCognito,
  user: Browser,
  parameters: Record<string, string | undefined> = {}
): Promise<Page> =>
  within(pool, user, user.get(authorizeUrl(pool, parameters), { redirect: 'manual' }))

/** Goes through the sign-in page. */
const arrive = async (
  pool: LocalCognito,
  user: Browser,
  person: string,
  parameters: Record<string, string | undefined> = {}
): Promise<URLSearchParams> => choose(pool, user, await authorize(pool, user, parameters), person)

/** Presses a button on the sign-in page, and returns the parameters with which the callback is reached. */
async function choose (pool: LocalCognito, user: Browser, page: Page, person: string): Promise<URLSearchParams> {
  const end = await within(pool, user, user.submit(page, person, { redirect: 'manual' }))
  if (end.location?.startsWith(`${CALLBACK}?`) !== true) {
    throw new Error(`ended at ${end.url} with ${end.status}`)
  }
  return new URL(end.location).searchParams
}

const getCode = async (
  pool: LocalCognito,
  person = 'alice',
  parameters: Record<string, string | undefined> = {}
): Promise<string> => (await arrive(pool, browser(), person, parameters)).get('code') ?? ''

const basic = ({ clientId, clientSecret }: { clientId: string, clientSecret: string }): string =>
  `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`

interface Answer { status: number, body: string, json: Record<string, string> }

async function post (
  pool: LocalCognito,
  path: string,
  form: Record<string, string>,
  authorization: string | null = basic(pool)
): Promise<Answer> {
  const response = await fetch(`${pool.origin}${path}`, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { accept: 'text/html, */*', ...(authorization === null ? {} : { authorization }) }
  })
  const body = await response.text()
  return {
    status: response.status,
    body,
    json: body.startsWith('{') ? (JSON.parse(body) as Record<string, string>) : {}
  }
}

const exchange = (
  pool: LocalCognito,
  code: string,
  more: Record<string, string> = {},
  authorization?: string | null
): Promise<Answer> =>
  post(
    pool,
    '/oauth2/token',
    {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: VERIFIER,
      ...more
    },
    authorization
  )

const refresh = (pool: LocalCognito, token: string): Promise<Answer> =>
  post(pool, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: token })

const tokens = async (
  pool: LocalCognito,
  person = 'alice'
): Promise<Record<'id_token' | 'access_token' | 'refresh_token', string>> =>
  (await exchange(pool, await getCode(pool, person))).json

const verify = async (pool: LocalCognito, token: string): Promise<JWTPayload> =>
  (
    await jwtVerify(token, createRemoteJWKSet(new URL(`${pool.issuer}/.well-known/jwks.json`)), {
      issuer: pool.issuer,
      algorithms: ['RS256']
    })
  ).payload

const userInfo = async (pool: LocalCognito, token: string): Promise<number> =>
  (await fetch(`${pool.origin}/oauth2/userInfo`, { headers: { authorization: `Bearer ${token}` } })).status

test('The ID token has Cognito\'s claims and a key of the pool', async (t) => {
  const pool = await sharedPool()
  const { id_token: token } = await tokens(pool, 'carol')
  const claims = await verify(pool, token)
  const now = Date.now() / 1000

  t.match(claims, {
    'aud': pool.clientId,
    'token_use': 'id',
    'sub': UUID,
    'cognito:groups': ['ADMIN'],
    'cognito:username': 'carol',
    'email': 'carol@example.com',
    'email_verified': true,
    'name': 'Carol Sample',
    'nonce': 'the-nonce',
    'origin_jti': UUID,
    'jti': UUID
  })
  t.ok(Math.abs(Number(claims.auth_time) - now) < 10)
  t.ok(Math.abs((claims.exp ?? 0) - 3600 - now) < 10)
  t.same(Object.keys(decodeProtectedHeader(token)).sort(), ['alg', 'kid'])
})

test('The access token has client_id and no audience', async (t) => {
  const pool = await start(t, { accessTokenTtl: 77 })
  const answer = (await exchange(pool, await getCode(pool, 'bob'))).json as unknown as {
    access_token: string
    id_token: string
    expires_in: number
  }
  const claims = await verify(pool, answer.access_token)

  t.match(claims, {
    'client_id': pool.clientId,
    'token_use': 'access',
    'cognito:groups': ['ISSUER'],
    'scope': 'openid email profile',
    'username': 'bob',
    'jti': UUID
  })
  t.notOk('aud' in claims)
  t.equal(claims.origin_jti, decodeJwt(answer.id_token).origin_jti)
  t.equal(answer.expires_in, 77)
  t.equal(claims.exp, (claims.iat ?? 0) + 77)
})

test('The at_hash of the ID token matches the access token', async (t) => {
  const { id_token: id, access_token: access } = await tokens(await sharedPool())
  t.equal(
    decodeJwt(id).at_hash,
    createHash('sha256').update(access).digest().subarray(0, 16).toString('base64url')
  )
})

test('cognito:groups is absent for a user without groups', async (t) => {
  const { id_token: id, access_token: access } = await tokens(await sharedPool(), 'alice')
  t.notOk('cognito:groups' in decodeJwt(id))
  t.notOk('cognito:groups' in decodeJwt(access))
})

test('The ID token has no nonce unless one was sent', async (t) => {
  const pool = await sharedPool()
  const { json } = await exchange(pool, await getCode(pool, 'alice', { nonce: undefined }))
  t.notOk('nonce' in decodeJwt(json.id_token ?? ''))
})

test('The discovery document names the endpoints', async (t) => {
  const pool = await sharedPool()
  t.equal(pool.issuer, `${pool.origin}/${pool.userPoolId}`)
  t.match(pool.userPoolId, /^[a-z]{2}-[a-z]+-\d_[A-Za-z0-9]+$/)
  t.match(await (await fetch(`${pool.issuer}/.well-known/openid-configuration`)).json(), {
    issuer: pool.issuer,
    authorization_endpoint: `${pool.origin}/oauth2/authorize`,
    token_endpoint: `${pool.origin}/oauth2/token`,
    revocation_endpoint: `${pool.origin}/oauth2/revoke`,
    jwks_uri: `${pool.issuer}/.well-known/jwks.json`
  })
})

test('The key set has no private keys', async (t) => {
  const pool = await sharedPool()
  const { keys } = (await (await fetch(`${pool.issuer}/.well-known/jwks.json`)).json()) as {
    keys: Record<string, string>[]
  }
  t.equal(keys.length, 2)
  for (const key of keys) t.same(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
})

test('The client may authenticate with client_secret_post', async (t) => {
  const pool = await sharedPool()
  const { status } = await exchange(
    pool,
    await getCode(pool),
    { client_id: pool.clientId, client_secret: pool.clientSecret },
    null
  )
  t.equal(status, 200)
})

test('A wrong client secret is 400 and does not consume the code', async (t) => {
  const pool = await sharedPool()
  const code = await getCode(pool)
  for (const authorization of [
    basic({ ...pool, clientSecret: 'wrong' }),
    basic({ clientId: 'unknown', clientSecret: pool.clientSecret })
  ]) {
    const { status, body } = await exchange(pool, code, {}, authorization)
    t.same([status, body], [400, '{"error":"invalid_client"}'])
  }
  t.equal((await exchange(pool, code)).status, 200)
})

test('A code works once', async (t) => {
  const pool = await sharedPool()
  const code = await getCode(pool)
  t.equal((await exchange(pool, code)).status, 200)
  const { status, body } = await exchange(pool, code)
  t.same([status, body], [400, '{"error":"invalid_grant"}'])
})

test('A code lives five minutes', async (t) => {
  const pool = await sharedPool()
  const [late, inTime] = [await getCode(pool), await getCode(pool)]
  const now = Date.now.bind(Date)
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 290_000
  t.equal((await exchange(pool, inTime)).status, 200)
  Date.now = () => now() + 301_000
  t.match(await exchange(pool, late), { status: 400, body: '{"error":"invalid_grant"}' })
})

for (const [what, more] of [
  ['another verifier', { code_verifier: 'w'.repeat(43) }],
  ['a malformed verifier', { code_verifier: 'short' }],
  ['no verifier', { code_verifier: '' }],
  ['another redirect_uri', { redirect_uri: `${CALLBACK}/` }]
] as const) {
  test(`A code with ${what} is 400 invalid_grant`, async (t) => {
    const pool = await sharedPool()
    t.match(await exchange(pool, await getCode(pool), more), {
      status: 400,
      body: '{"error":"invalid_grant"}'
    })
  })
}

test('An unknown grant type is 400 unsupported_grant_type', async (t) => {
  t.match(await post(await sharedPool(), '/oauth2/token', { grant_type: 'password' }), {
    status: 400,
    body: '{"error":"unsupported_grant_type"}'
  })
})

test('The PKCE method plain is refused at the authorize endpoint', async (t) => {
  const pool = await sharedPool()
  const { location = '' } = await authorize(pool, browser(), {
    code_challenge_method: 'plain',
    code_challenge: VERIFIER
  })
  t.match(Object.fromEntries(new URL(location).searchParams), { error: 'invalid_request', state: STATE })
})

test('A refresh token needs no offline_access and is not rotated', async (t) => {
  const pool = await sharedPool()
  const first = await tokens(pool, 'bob')
  for (const time of ['once', 'twice']) {
    const { status, json } = await refresh(pool, first.refresh_token)
    t.equal(status, 200, time)
    t.notOk('refresh_token' in json)
    const [old, fresh] = [decodeJwt(first.id_token), await verify(pool, json.id_token ?? '')]
    t.match(fresh, { sub: old.sub, auth_time: old.auth_time, origin_jti: old.origin_jti })
    t.not(fresh.jti, old.jti)
    t.match(await verify(pool, json.access_token ?? ''), { origin_jti: old.origin_jti })
  }
})

test('Revoking a refresh token ends only its own sign-in', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  const first = (await exchange(pool, (await arrive(pool, user, 'bob')).get('code') ?? '')).json
  const second = (
    await exchange(
      pool,
      new URL((await authorize(pool, user)).location ?? '').searchParams.get('code') ?? ''
    )
  ).json
  const access = (await refresh(pool, first.refresh_token ?? '')).json.access_token ?? ''
  t.equal(await userInfo(pool, access), 200)

  t.match(await post(pool, '/oauth2/revoke', { token: first.refresh_token ?? '' }), { status: 200, body: '' })

  t.equal(await userInfo(pool, access), 401)
  t.equal(await userInfo(pool, first.access_token ?? ''), 401)
  t.match(await refresh(pool, first.refresh_token ?? ''), { status: 400, body: '{"error":"invalid_grant"}' })
  t.equal(await userInfo(pool, second.access_token ?? ''), 200)
  t.equal((await refresh(pool, second.refresh_token ?? '')).status, 200)
})

test('Revoking a revoked or unknown token is an empty 200', async (t) => {
  const pool = await sharedPool()
  const { refresh_token: token } = await tokens(pool)
  for (const value of [token, token, 'never-was']) {
    t.match(await post(pool, '/oauth2/revoke', { token: value }), { status: 200, body: '' })
  }
})

test('Only a refresh token can be revoked', async (t) => {
  const pool = await sharedPool()
  const { id_token: id, access_token: access } = await tokens(pool)
  for (const token of [id, access]) {
    t.match(await post(pool, '/oauth2/revoke', { token }), {
      status: 400,
      body: '{"error":"unsupported_token_type"}'
    })
  }
  t.match(await post(pool, '/oauth2/revoke', {}), { status: 400, body: '{"error":"invalid_request"}' })
  t.equal(await userInfo(pool, access), 200)
})

test('Revoking needs the client\'s secret', async (t) => {
  const pool = await sharedPool()
  const { refresh_token: token } = await tokens(pool)
  t.match(
    await post(pool, '/oauth2/revoke', { token }, basic({ ...pool, clientSecret: 'wrong' })),
    { body: '{"error":"invalid_client"}' }
  )
  t.equal((await refresh(pool, token)).status, 200)
})

test('An unknown client or redirect_uri is never redirected', async (t) => {
  const pool = await sharedPool()
  for (const parameters of [
    { client_id: 'unknown' }, { client_id: undefined }, { redirect_uri: 'http://localhost:3000/elsewhere' },
    { redirect_uri: `${CALLBACK}/` }, { redirect_uri: `${CALLBACK}?x=1` },
    { redirect_uri: 'http://evil.example.com/' }
  ]) {
    const page = await authorize(pool, browser(), parameters)
    t.match(page, { status: 400, location: undefined }, JSON.stringify(parameters))
    t.match(page.headers.get('content-type'), 'text/html')
    t.notMatch(page.text, STATE)
  }
})

test('The sign-in page has three sample users and no script', async (t) => {
  const pool = await sharedPool()
  const page = await authorize(pool, browser())
  t.equal(page.status, 200)
  t.same(
    [...page.text.matchAll(/<button[^>]* name="person" value="(\w+)"/g)].map(([, name]) => name),
    ['alice', 'bob', 'carol']
  )
  t.equal(page.text.match(/@example\.com/g)?.length, 3)
  t.match(page.text, /<html lang="en">/)
  t.match(page.text, /name="cancel"/)
  t.notMatch(page.text, /<script|javascript:|\son\w+=/i)
  const policy = page.headers.get('content-security-policy') ?? ''
  t.match(policy, /default-src 'none'/)
  const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page.text) ?? []
  t.ok(policy.includes(`sha256-${createHash('sha256').update(style).digest('base64')}`))
})

test('Cancel returns access_denied with the state', async (t) => {
  const result = Object.fromEntries(await arrive(await sharedPool(), browser(), 'Cancel'))
  t.match(result, { error: 'access_denied', error_description: /\w/, state: STATE })
  t.same(Object.keys(result).sort(), ['error', 'error_description', 'state'])
})

test('The callback gets only code and state', async (t) => {
  const result = await arrive(await sharedPool(), browser(), 'alice')
  t.same([...result.keys()].sort(), ['code', 'state'])
  t.equal(result.get('state'), STATE)
})

test('login_hint puts a user first; other hints are accepted', async (t) => {
  const pool = await sharedPool()
  const page = await authorize(pool, browser(), {
    login_hint: 'Carol@example.com',
    identity_provider: 'COGNITO',
    lang: 'de',
    prompt: 'select_account'
  })
  t.match(page.text, /<ul[^>]*>\s*<li><button name="person" value="carol" class="expected" autofocus>/)
  t.notMatch((await authorize(pool, browser(), { login_hint: '"><script>' })).text, /autofocus|<script/)
})

test('A second sign-in skips the page, unless prompt=login', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'bob')

  const again = await authorize(pool, user)
  const { json } = await exchange(pool, new URL(again.location ?? '').searchParams.get('code') ?? '')
  t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': 'bob' })
  t.match(await authorize(pool, user, { prompt: 'login' }), { status: 200, text: /name="person"/ })
  t.match(await authorize(pool, browser()), { status: 200, text: /name="person"/ })
})

test('Another user may sign in from the same browser', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'bob')
  const { json } = await exchange(
    pool,
    (await arrive(pool, user, 'carol', { prompt: 'login' })).get('code') ?? ''
  )
  t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': 'carol' })
})

/** Lets this much time pass on the clock of this process, until the end of the test. */
function passTime (t: Test): (seconds: number) => void {
  const now = Date.now.bind(Date)
  let passed = 0
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + passed
  return (seconds) => { passed += seconds * 1000 }
}

const codeAt = (page: Page): string => new URL(page.location ?? '').searchParams.get('code') ?? ''

test('auth_time is that of the sign-in, also after a silent sign-in and a refresh', async (t) => {
  const pool = await sharedPool()
  const pass = passTime(t)
  const user = browser()
  const first = (await exchange(pool, (await arrive(pool, user, 'bob')).get('code') ?? '')).json
  const { auth_time: signedInAt, iat } = decodeJwt(first.id_token ?? '')
  t.ok(Number(signedInAt) <= Number(iat) && Number(signedInAt) > Number(iat) - 10)

  pass(600)
  const silent = (await exchange(pool, codeAt(await authorize(pool, user)))).json
  const refreshed = (await refresh(pool, first.refresh_token ?? '')).json
  for (const token of [silent.id_token, silent.access_token, refreshed.id_token, refreshed.access_token]) {
    const claims = decodeJwt(token ?? '')
    t.equal(claims.auth_time, signedInAt)
    t.ok(Number(claims.iat) >= Number(iat) + 600)
  }

  const again = (await exchange(pool, (await arrive(pool, user, 'bob', { prompt: 'login' })).get('code') ?? '')).json
  t.ok(Number(decodeJwt(again.id_token ?? '').auth_time) >= Number(signedInAt) + 600, 'a new sign-in has its own')
})

test('max_age asks again once the sign-in is older', async (t) => {
  const pool = await sharedPool()
  const pass = passTime(t)
  const user = browser()
  await arrive(pool, user, 'bob')

  pass(299)
  t.ok((await authorize(pool, user, { max_age: '300' })).location?.startsWith(CALLBACK))
  pass(10)
  t.match(await authorize(pool, user, { max_age: '300' }), { status: 200, text: /name="person"/ })
  t.match(await authorize(pool, user, { max_age: '0' }), { status: 200, text: /name="person"/ })
  const { json } = await exchange(pool, (await arrive(pool, user, 'bob', { max_age: '300' })).get('code') ?? '')
  t.ok(Number(decodeJwt(json.id_token ?? '').auth_time) > Date.now() / 1000 - 10)
  t.match(
    Object.fromEntries(new URL((await authorize(pool, browser(), { max_age: 'x' })).location ?? '').searchParams),
    { error: 'invalid_request', state: STATE }
  )
})

test('Cancel after prompt=login leaves the pool\'s session as it was', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'bob')
  t.equal((await arrive(pool, user, 'Cancel', { prompt: 'login' })).get('error'), 'access_denied')

  const { json } = await exchange(pool, codeAt(await authorize(pool, user, { prompt: 'none' })))
  t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': 'bob' })
})

test('The account chosen after prompt=login is the one of the next silent sign-in', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'alice')
  await arrive(pool, user, 'carol', { prompt: 'login consent' })

  const { json } = await exchange(pool, codeAt(await authorize(pool, user, { prompt: 'none' })))
  t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': 'carol' })
})

test('prompt=select_account and prompt=consent do not ask again', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'bob')
  for (const prompt of ['select_account', 'consent', 'select_account consent']) {
    t.ok((await authorize(pool, user, { prompt })).location?.startsWith(CALLBACK), prompt)
  }
})

test('The pool\'s session ends an hour after the sign-in, used or not', async (t) => {
  const pool = await sharedPool()
  const pass = passTime(t)
  const user = browser()
  await arrive(pool, user, 'bob')
  pass(3000)
  t.ok((await authorize(pool, user)).location?.startsWith(CALLBACK))
  pass(700)
  t.match(await authorize(pool, user), { status: 200, text: /name="person"/ })
})

test('/signup shows the sign-up page, also with a session, and goes on with the flow', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  const signUpUrl = authorizeUrl(pool, { login_hint: 'carol' }).replace('/oauth2/authorize?', '/signup?')
  for (const person of ['bob', 'carol']) {
    const page = await within(pool, user, user.get(signUpUrl, { redirect: 'manual' }))
    t.match(page, { status: 200, text: /<h1>Sign up<\/h1>/ })
    t.match(page.text, /value="carol" class="expected"/)
    const parameters = await choose(pool, user, page, person)
    t.same([...parameters.keys()].sort(), ['code', 'state'])
    const { json } = await exchange(pool, parameters.get('code') ?? '')
    t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': person, 'nonce': 'the-nonce' })
  }
  t.ok((await authorize(pool, user)).location?.startsWith(CALLBACK), 'the user is signed in afterwards')
  const page = await within(pool, user, user.get(signUpUrl, { redirect: 'manual' }))
  t.equal((await choose(pool, user, page, 'Cancel')).get('error'), 'access_denied')
  t.match(
    await user.get(signUpUrl.replace(pool.clientId, 'unknown'), { redirect: 'manual' }),
    { status: 400, location: undefined }
  )
})

test('/idp-initiated ends at the callback URL with a code alone', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  const start = async (query = '') =>
    within(pool, user, user.get(`${pool.origin}/idp-initiated${query}`, { redirect: 'manual' }))

  const parameters = await choose(pool, user, await start(`?client_id=${pool.clientId}`), 'carol')
  t.same([...parameters.keys()], ['code'])
  const { status, json } = await post(pool, '/oauth2/token', {
    grant_type: 'authorization_code', code: parameters.get('code') ?? '', redirect_uri: CALLBACK
  })
  t.equal(status, 200)
  t.match(decodeJwt(json.id_token ?? ''), { 'cognito:username': 'carol' })
  t.notOk('nonce' in decodeJwt(json.id_token ?? ''))

  const again = new URL((await start()).location ?? '')
  t.equal(again.origin + again.pathname, CALLBACK, 'with a session of the pool, at once')
  t.same([...again.searchParams.keys()], ['code'])
  for (const query of ['?client_id=unknown', '?redirect_uri=http://evil.example.com/']) {
    t.match(await start(query), { status: 400, location: undefined }, query)
  }
  t.match((await user.get(pool.origin)).text, /<a href="\/idp-initiated">/)
})

test('Both forms of the issuer have keys, and tokens change over while the pool runs', async (t) => {
  const pool = await start(t)
  const { original, updated } = pool.issuers
  t.same([pool.issuer, new Set([original, updated]).size], [original, 2])
  const issuers = async () => {
    const { id_token: id, access_token: access } = await tokens(pool)
    t.equal(await userInfo(pool, access), 200)
    return [id, access].map((token) => decodeJwt(token).iss)
  }
  t.same(await issuers(), [original, original])
  const earlier = await tokens(pool)

  pool.useIssuer('updated')

  t.same(await issuers(), [updated, updated])
  t.equal(decodeJwt((await refresh(pool, earlier.refresh_token)).json.id_token ?? '').iss, updated)
  t.equal(await userInfo(pool, earlier.access_token), 200, 'tokens of the other form hold')
  const [one, other] = await Promise.all([original, updated].map(async (issuer) => {
    t.match(await (await fetch(`${issuer}/.well-known/openid-configuration`)).json(), { issuer })
    return (await fetch(`${issuer}/.well-known/jwks.json`)).json()
  }))
  t.same(one, other)
  t.equal((await start(t, { issuer: 'updated' })).issuer.endsWith('/issuer/eu-west-1_LocalPool'), true)
})

test('prompt=none without a session is login_required', async (t) => {
  const { location = '' } = await authorize(await sharedPool(), browser(), { prompt: 'none' })
  t.match(Object.fromEntries(new URL(location).searchParams), { error: 'login_required', state: STATE })
})

test('A sign-in page is invalid in another browser', async (t) => {
  const pool = await sharedPool()
  const page = await authorize(pool, browser())
  t.match(await browser().submit(page, 'alice', { redirect: 'manual' }), { status: 400, location: undefined })
})

test('An unknown user cannot sign in', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  const page = await authorize(pool, user)
  t.match(await user.post(page.url, { person: 'mallory' }, { redirect: 'manual' }), {
    status: 400,
    location: undefined
  })
  t.match(await user.post(page.url, { person: 'x'.repeat(100_000) }, { redirect: 'manual' }), {
    status: 400,
    location: undefined
  })
})

test('GET /logout ends the session and redirects to logout_uri', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  const { refresh_token: token = '' } = (
    await exchange(pool, (await arrive(pool, user, 'bob')).get('code') ?? '')
  ).json
  const before = [...user.cookies]

  const answer = await user.get(
    `${pool.origin}/logout?${new URLSearchParams({ client_id: pool.clientId, logout_uri: LOGOUT }).toString()}`,
    { redirect: 'manual' }
  )

  t.match(answer, { status: 302, location: LOGOUT })
  t.notOk(user.cookies.some(({ path }) => path === '/'), 'its cookies are gone')
  t.match(await authorize(pool, user), { status: 200, text: /name="person"/ })
  for (const { name, value } of before) user.setCookie(pool.origin, `${name}=${value}; Path=/`)
  t.match(
    await authorize(pool, user),
    { status: 200, text: /name="person"/ },
    'an old cookie does not restore it'
  )
  t.equal((await refresh(pool, token)).status, 200, 'tokens stay valid')
})

test('GET /logout with a wrong logout_uri or client is 400', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'bob')
  for (const query of [
    { client_id: pool.clientId, logout_uri: `${LOGOUT}x` },
    { client_id: pool.clientId, logout_uri: 'http://localhost:3000' },
    { client_id: pool.clientId },
    { client_id: 'unknown', logout_uri: LOGOUT },
    { logout_uri: LOGOUT }
  ]) {
    const page = await user.get(
      `${pool.origin}/logout?${new URLSearchParams(query as Record<string, string>).toString()}`,
      { redirect: 'manual' }
    )
    t.match(page, { status: 400, location: undefined }, JSON.stringify(query))
    t.match(page.headers.get('content-type'), 'text/html')
  }
  t.ok((await authorize(pool, user)).location?.startsWith(CALLBACK))
})

test('The pool\'s cookies are HttpOnly and prefixed', async (t) => {
  const pool = await sharedPool()
  const user = browser()
  await arrive(pool, user, 'alice')
  t.ok(user.cookies.length > 0)
  for (const { name, httpOnly } of user.cookies) {
    t.match(name, /^local-cognito/)
    t.ok(httpOnly)
  }
})

test('A restart keeps issuer, client and keys', async (t) => {
  const dataDir = join(t.testdir(), 'made', 'cognito')
  const first = await start(t, { dataDir })
  const { id_token: token } = await tokens(first)
  await first.close()

  const second = await start(t, { dataDir, port: Number(new URL(first.origin).port) })

  const { close: _close, useIssuer: _useIssuer, ...before } = first
  t.match(second, before)
  t.match(await verify(second, token), { aud: second.clientId })
  t.equal((await stat(join(dataDir, 'pool.json'))).mode & 0o777, 0o600)
  t.equal((await stat(dataDir)).mode & 0o777, 0o700)
})

test('Pools that start together in one folder share their keys', async (t) => {
  const dataDir = t.testdir()
  const pools = await Promise.all([1, 2, 3].map(() => start(t, { dataDir })))
  t.equal(new Set(pools.map(({ clientSecret }) => clientSecret)).size, 1)
  const other = await startCognito({ port: 0, redirectUris: [CALLBACK], logoutUris: [LOGOUT] })
  t.teardown(() => other.close())
  t.equal(other.clientSecret === pools[0]?.clientSecret, false, 'without a folder the keys are new')
})

test('A damaged key file is reported and not replaced', async (t) => {
  const dataDir = t.testdir({ 'pool.json': '{"clientSecret":' })
  await t.rejects(startCognito({ port: 0, redirectUris: [CALLBACK], logoutUris: [], dataDir }), {
    message: /pool\.json/
  })
  t.equal(await readFile(join(dataDir, 'pool.json'), 'utf8'), '{"clientSecret":')
  await writeFile(join(dataDir, 'pool.json'), '{}')
  await t.rejects(startCognito({ port: 0, redirectUris: [CALLBACK], logoutUris: [], dataDir }), {
    message: /pool\.json/
  })
})

test('A key file that cannot be read is not replaced', async (t) => {
  const dataDir = t.testdir({ 'pool.json': {} })
  await t.rejects(startCognito({ port: 0, redirectUris: [CALLBACK], logoutUris: [], dataDir }), { code: 'EISDIR' })
  t.ok((await stat(join(dataDir, 'pool.json'))).isDirectory())
})

test('The memory store drops the oldest row above 5,000', async (t) => {
  const store = new MemoryStore()
  for (let i = 0; i <= 5000; i++) await store.upsert(`id-${i}`, { uid: `uid-${i}` })

  t.equal(await store.find('id-0'), undefined)
  t.match(await store.find('id-1'), { uid: 'uid-1' })
  t.match(await store.findByUid('uid-5000'), { uid: 'uid-5000' })
  t.equal(await store.findByUid('uid-0'), undefined)
})

test('A port in use is replaced by a free one', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => { other.close() })
  const { port } = other.address() as { port: number }
  const pool = await start(t, { port })
  t.not(pool.origin, `http://localhost:${port}`)
  t.equal((await fetch(`${pool.issuer}/.well-known/jwks.json`)).status, 200)
})

test('close() cuts open connections and may be called again', async (t) => {
  const pool = await start(t)
  await fetch(`${pool.issuer}/.well-known/jwks.json`) // leaves a connection open
  const slow = connect(Number(new URL(pool.origin).port), '127.0.0.1').on('error', () => {})
  t.teardown(() => { slow.destroy() })
  slow.write(
    'POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n'
  )
  await once(slow, 'data')
  const begin = performance.now()
  await Promise.all([pool.close(), pool.close()])
  await pool.close()
  t.ok(performance.now() - begin < 500)
  await t.rejects(fetch(pool.origin))
})

test('The local Cognito prints nothing', async (t) => {
  const script = `
    const { startCognito } = await import(
      ${JSON.stringify(moduleUrl('../../local/cognito/index', import.meta.url).href)}
    )
    const pool = await startCognito({ port: 0, redirectUris: [${JSON.stringify(CALLBACK)}], logoutUris: [] })
    const authorize = pool.origin + '/oauth2/authorize?response_type=code&client_id=' + pool.clientId +
      '&scope=openid&state=${STATE}&redirect_uri='
    for (const url of [
      authorize + ${JSON.stringify(encodeURIComponent(CALLBACK))}, authorize + 'http://evil.example.com/',
      pool.origin + '/nowhere'
    ]) {
      await fetch(url, { headers: { origin: 'http://localhost:1' } })
    }
    await fetch(pool.origin + '/oauth2/token', { method: 'POST', body: 'code=${STATE}' })
    const headers = { 'content-type': 'application/json', origin: 'http://localhost:1' }
    await fetch(pool.origin + '/oauth2/token', { method: 'POST', body: '{', headers })
    await pool.close()`
  const child = spawn(process.execPath, [
    ...nodeOptions, '--input-type=module', '--eval', script
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const [code] = await once(child, 'close') as [number]
  t.equal(code, 0)
  t.equal(printed, '')
})

test('The proxy forwards and records back-channel requests', async (t) => {
  const { env, requests } = await cognito(t, { callbackUrl: CALLBACK })
  const pool = asPool(env)
  const code = await getCode(pool, 'carol')
  const { json } = await exchange(pool, code)
  t.match(await verify(pool, json.id_token ?? ''), { 'cognito:groups': ['ADMIN'] })
  t.same(
    requests.map(({ method, path }) => `${method} ${path}`),
    ['POST /oauth2/token', `GET /${new URL(pool.issuer).pathname.slice(1)}/.well-known/jwks.json`]
  )
  t.equal(requests[0]?.body.get('code'), code)
  t.equal(requests[0]?.headers.authorization, basic(pool))
})

const asPool = (env: Awaited<ReturnType<typeof cognito>>['env']): LocalCognito =>
  ({
    origin: env.COGNITO_DOMAIN,
    issuer: env.COGNITO_ISSUER,
    clientId: env.COGNITO_CLIENT_ID,
    clientSecret: env.COGNITO_CLIENT_SECRET
  }) as LocalCognito

test('A fault lasts until it is removed', async (t) => {
  const { env, fault } = await cognito(t, { callbackUrl: CALLBACK })
  const pool = asPool(env)
  const ask = () => post(pool, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: 'none' })
  const patient = (ms: number) =>
    fetch(`${pool.origin}/oauth2/token`, {
      method: 'POST',
      body: 'a=b',
      signal: AbortSignal.timeout(ms)
    })

  for (const [token, status, body] of [
    [500, 500, /message/],
    [503, 503, /message/],
    [429, 429, /message/],
    ['html', 200, /<!doctype/],
    ['garbage', 200, /^\{"id_token"/],
    ['empty', 200, /^$/],
    ['invalid_grant', 400, /^\{"error":"invalid_grant"\}$/],
    ['invalid_client', 400, /^\{"error":"invalid_client"\}$/]
  ] as const) {
    fault({ token })
    const answer = await (await patient(2000)).text()
      .then(async (text) => ({ text, status: (await patient(2000)).status }))
    t.match(answer, { status, text: body }, String(token))
  }
  for (const token of ['reset', 'huge-header'] as const) {
    fault({ token })
    await t.rejects(patient(2000), { message: 'fetch failed' }, token)
  }
  fault({ token: 'hang' })
  await t.rejects(patient(150), { name: 'TimeoutError' })
  fault({ token: 'stall' })
  const stalled = await patient(150)
  t.equal(stalled.status, 200)
  await t.rejects(stalled.text(), { name: 'TimeoutError' })
  fault({ token: 'endless' })
  let bytes = 0
  for await (const chunk of (await patient(2000)).body ?? []) {
    if ((bytes += (chunk as Uint8Array).byteLength) > 5_000_000) break
  }
  t.ok(bytes > 5_000_000)

  fault(undefined)
  t.match(await ask(), { status: 400, body: '{"error":"invalid_grant"}' })
})

test('Key set and revocation can fail on their own', async (t) => {
  const { env, fault } = await cognito(t, { callbackUrl: CALLBACK })
  const pool = asPool(env)
  fault({ jwks: 404, revoke: 500 })
  t.equal((await fetch(`${pool.issuer}/.well-known/jwks.json`)).status, 404)
  t.equal((await post(pool, '/oauth2/revoke', { token: 'x' })).status, 500)
  t.equal((await exchange(pool, await getCode(pool))).status, 200)
})

test('An ID token can be missing, altered or wrongly signed', async (t) => {
  const { env, fault } = await cognito(t, { callbackUrl: CALLBACK })
  const pool = asPool(env)
  const forged = async (idToken: NonNullable<Fault['idToken']>) => {
    fault({ idToken })
    return (await exchange(pool, await getCode(pool))).json.id_token
  }

  t.equal(await forged('missing'), undefined)
  t.match(
    await verify(
      pool,
      (await forged((claims, header) => ({ claims: { ...claims, aud: 'another' }, header }))) ?? ''
    ),
    { aud: 'another' }
  )
  t.match(await forged('unsigned'), /^[\w-]+\.[\w-]+\.$/)
  await t.rejects(verify(pool, (await forged('foreign-key')) ?? ''), {
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
  })
  const confused = await forged((claims, { kid }) => ({ claims, header: { alg: 'HS256', kid } })) ?? ''
  t.match(decodeProtectedHeader(confused), { alg: 'HS256' })
  await t.rejects(verify(pool, confused), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' })
})

test('A stopped pool restarts on the same port', async (t) => {
  const { env, stop, start: again } = await cognito(t, { callbackUrl: CALLBACK })
  await stop()
  await t.rejects(fetch(env.COGNITO_DOMAIN), { cause: { code: 'ECONNREFUSED' } })
  await again()
  t.equal((await fetch(`${env.COGNITO_ISSUER}/.well-known/jwks.json`)).status, 200)
})

test('The sign-in page does not contain the state', async (t) => {
  const state = randomBytes(16).toString('hex')
  const page = await authorize(await sharedPool(), browser(), { state })
  t.equal(page.status, 200)
  t.notMatch(page.text, state)
  t.notMatch(page.url, state)
})

/** A minimal server for a sign-in; it puts its name into a header. */
async function instance (t: Test, name: string, authorizeAt: () => string): Promise<number> {
  const server = createHttpServer(({ url = '', headers: { host, cookie } }, response) => {
    response.setHeader('x-instance', `${name} ${host} ${cookie}`)
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    if (pathname === '/api/auth/login') {
      response.writeHead(302, {
        'location': authorizeAt(),
        'set-cookie': ['login=1; HttpOnly', `role=${searchParams.get('role')}; Path=/`]
      })
    } else {
      response.writeHead(303, {
        'location': '/done',
        'set-cookie': 'sid=signed-in; Path=/; HttpOnly; SameSite=Lax'
      })
    }
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close().closeAllConnections() })
  return (server.address() as { port: number }).port
}

test('signIn may use another instance for the callback', async (t) => {
  const publicUrl = 'http://auth.example.com'
  const pool = await start(t, { redirectUris: [`${publicUrl}/api/auth/callback`] })
  const authorizeAt = () => authorizeUrl(pool, { redirect_uri: `${publicUrl}/api/auth/callback` })
  const [a, b] = [await instance(t, 'A', authorizeAt), await instance(t, 'B', authorizeAt)]
  const user = browser({ via: { [publicUrl]: a } })

  const { answer, callbackUrl, hops } = await signIn(user, publicUrl, {
    role: 'ISSUER',
    person: 'bob',
    callbackVia: b
  })

  t.same(
    hops.map(
      ({ method, status, url }) =>
        `${method} ${new URL(url).pathname.split('/').slice(0, 3).join('/')} ${status}`
    ),
    [
      'GET /api/auth 302',
      'GET /oauth2/authorize 302',
      `GET /login/${hops[2]?.url.split('/').at(-1)} 200`,
      `POST /login/${hops[2]?.url.split('/').at(-1)} 303`,
      'GET /oauth2/authorize 302',
      'GET /api/auth 303'
    ]
  )
  t.equal(answer, hops.at(-1))
  t.equal(answer.url, callbackUrl)
  t.equal(hops[0]?.headers.get('x-instance'), 'A auth.example.com undefined')
  t.equal(answer.headers.get('x-instance'), 'B auth.example.com login=1; role=ISSUER')
  t.match(user.cookie('sid'), { value: 'signed-in', httpOnly: true, domain: 'auth.example.com' })

  const stopped = await reachCallback(browser({ via: { [publicUrl]: a } }), publicUrl, { person: 'cancel' })
  t.match(new URL(stopped.callbackUrl).searchParams.get('error'), 'access_denied')
  t.notOk(stopped.hops.some(({ url }) => url.includes('/callback?')))
})

test('The test browser keeps cookies like a real one', async (t) => {
  const user = browser()
  const sent = (url: string, more = {}) => user.cookieHeader(url, more)
  user.setCookie('http://localhost:3000/', 'port=any; Path=/')
  t.equal(sent('http://localhost:3999/x'), 'port=any', 'cookies ignore ports')
  t.equal(sent('http://127.0.0.1:3000/'), '', 'but not hosts')

  user.setCookie('http://a.example.com/x/y', 'here=1')
  t.equal(sent('http://a.example.com/x'), 'here=1')
  t.equal(sent('http://a.example.com/xy'), '')
  t.equal(sent('http://b.a.example.com/x'), '')

  user.setCookie('https://a.example.com/', 'wide=1; Domain=.example.com; Path=/; Secure; SameSite=Strict')
  t.equal(sent('https://b.example.com/'), 'wide=1')
  t.equal(sent('http://b.example.com/'), '', 'Secure')
  t.equal(sent('https://b.example.com/', { from: 'https://elsewhere.test' }), '', 'SameSite=Strict')
  t.equal(sent('http://a.example.com/x', { from: 'https://elsewhere.test' }), 'here=1')
  t.equal(
    sent('http://a.example.com/x', { from: 'https://elsewhere.test', method: 'POST' }),
    '',
    'SameSite=Lax'
  )

  for (const refused of [
    'a=1; Domain=other.com', 'a=1; Secure', '=1', 'a=1; Max-Age=0',
    'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT'
  ]) {
    user.setCookie('http://a.example.com/', refused)
  }
  t.notOk(user.cookie('a'))
  user.setCookie('http://localhost/', 'port=; Path=/; Max-Age=0')
  t.equal(sent('http://localhost:3000/'), '')
  user.clearCookies()
  t.equal(user.cookies.length, 0)
})
