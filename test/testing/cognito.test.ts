import Fastify, { type FastifyInstance } from 'fastify'
import { t as file, test, type Test } from 'tap'
import app, { options } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { startCognito, type Person } from '../../testing/index.js'
import { keyFolder } from '../support/cognito.js'
import { database } from '../support/database.js'

const people: Person[] = [
  { username: 'ann', email: 'ann@corp.example', groups: ['ADMIN'] },
  { username: 'dan', sub: 'dan-1' },
  { username: 'eve', refused: 'access_denied' }
]

const publicUrl = 'http://localhost:3000'
const pool = await startCognito({ publicUrl, people, dataDir: await keyFolder() })
file.teardown(() => pool.close())
const application = await start(file)

/** The application, which does not listen. */
async function start (t: Test): Promise<FastifyInstance> {
  const { url } = await database(t)
  const config = loadConfig({
    PUBLIC_URL: publicUrl,
    DATABASE_URL: url,
    SESSION_SECRET: 'a secret of a test and of nothing else',
    LOGIN_RATE_LIMIT: '0',
    ...pool.env
  })
  const fastify = Fastify(options)
  t.teardown(() => fastify.close())
  await fastify.register(app, { config })
  return fastify
}

/** The callback's answer. */
async function login (username: string, role = 'INVESTOR') {
  const begun = await application.inject(`/api/auth/login?role=${role}`)
  const [binding] = begun.cookies
  const callback = new URL(await pool.signIn(String(begun.headers.location), username))
  return application.inject({
    url: callback.pathname + callback.search,
    cookies: { [binding?.name ?? '']: binding?.value ?? '' }
  })
}

const outcome = async (username = 'ann'): Promise<string> => {
  const { statusCode, body } = await login(username)
  return statusCode === 303 ? '303' : `${statusCode} ${(JSON.parse(body) as { code: string }).code}`
}

test('A person of startCognito signs in with the groups and the email that were given', async (t) => {
  const { cookies } = await login('ann', 'ADMIN')
  const [{ name = '', value = '' } = {}] = cookies.filter(({ name }) => name === 'cashsouk.sid')

  const me = await application.inject({ url: '/api/auth/me', cookies: { [name]: value } })

  t.match(me.json(), {
    user: { sub: /^[\da-f]{8}-[\da-f]{4}-8/, email: 'ann@corp.example', username: 'ann' },
    role: 'ADMIN',
    roles: ['INVESTOR', 'ISSUER', 'ADMIN']
  })
})

test('A person without the group of a role does not get it', async (t) => {
  const { statusCode, body } = await login('dan', 'ADMIN')
  t.equal(statusCode, 403)
  t.match(body, /ERR_ROLE_NOT_GRANTED/)
})

test('A person who is refused comes back with the error that was given', async (t) => {
  t.equal(await outcome('eve'), '401 ERR_LOGIN_CANCELLED')
})

test('signIn of the pool says why the pool refuses', async (t) => {
  await t.rejects(pool.signIn(`${pool.env.COGNITO_DOMAIN}/oauth2/authorize?client_id=x`, 'ann'), {
    message: /^The pool answered 400: /
  })
  const begun = await application.inject('/api/auth/login')
  await t.rejects(pool.signIn(String(begun.headers.location), 'zoe'), { message: /no such user/ })
})

for (const [fault, expected] of [
  [{ token: 500 }, '502 ERR_COGNITO_ANSWER'],
  [{ token: 429 }, '502 ERR_COGNITO_ANSWER'],
  [{ token: 'garbage' }, '502 ERR_COGNITO_ANSWER'],
  [{ token: 'reset' }, '504 ERR_COGNITO_TIMEOUT'],
  [{ token: 'hang' }, '504 ERR_COGNITO_TIMEOUT'],
  [{ token: 'invalid_grant' }, '401 ERR_LOGIN_REFUSED'],
  [{ signIn: 'access_denied' }, '401 ERR_LOGIN_CANCELLED'],
  [{ signIn: 'server_error' }, '401 ERR_LOGIN_REFUSED'],
  [{ expired: true }, '401 ERR_ID_TOKEN']
] as const) {
  test(`With ${JSON.stringify(fault)}, the callback answers ${expected}, and without it signs in`, async (t) => {
    pool.fail(fault)
    t.equal(await outcome(), expected)
    pool.fail()
    t.equal(await outcome(), '303')
  })
}

test('With a delay, the sign-in succeeds later', async (t) => {
  t.teardown(() => { pool.fail() })
  pool.fail({ delayMs: 500 })
  const beganMs = performance.now()
  t.equal(await outcome(), '303')
  t.ok(performance.now() - beganMs >= 490)
})

test('A pool that was stopped refuses connections until it is started again', async (t) => {
  const begun = await application.inject('/api/auth/login')
  await pool.stop()
  await t.rejects(pool.signIn(String(begun.headers.location), 'ann'))
  await pool.start()
  t.equal(await outcome(), '303')
})

test('The pool records the requests of the application', async (t) => {
  const before = pool.requests.length
  await login('ann')
  const [exchange] = pool.requests.slice(before).filter(({ path }) => path === '/oauth2/token')
  t.match(exchange, { method: 'POST', headers: { authorization: /^Basic / } })
  t.equal(exchange?.body.get('grant_type'), 'authorization_code')
})

test('startCognito refuses people without a username, or with the same one', async (t) => {
  await t.rejects(startCognito({ people: [{ username: '' }] }), { name: 'TypeError', message: /has no username/ })
  await t.rejects(startCognito({ people: [{ username: 'ann' }, { username: 'ann' }] }), {
    name: 'TypeError', message: /two people have the username ann/
  })
})

test('startCognito refuses unknown options and members of a person, and names the known ones', async (t) => {
  for (const [options, message] of [
    [{ pepole: [] }, /options cannot have pepole: the names are publicUrl, redirectUris, logoutUris, people, port,/],
    [{ people: [{ username: 'ann', group: ['ADMIN'] }] }, /a person cannot have group: the names are username, sub, /],
    [{ people: ['ann'] }, /a person must be an object/],
    [[], /the options must be an object/]
  ] as const) {
    const started = startCognito(options as never).then((unwanted) => unwanted.close())
    await t.rejects(started, { name: 'TypeError', message })
  }
})

test('fail refuses a fault that does not exist, and leaves the pool as it was', async (t) => {
  t.teardown(() => { pool.fail() })
  pool.fail({ token: 500, jwks: undefined, signIn: undefined })
  for (const [fault, message] of [
    [{ tokn: 500 }, /^fail: the fault cannot have tokn: the names are token, jwks, revoke, delayMs, signIn, expired$/],
    [{ token: 'hagn' }, /^fail: token cannot be hagn: it is one of .*hang, stall, reset/],
    [{ revoke: 200 }, /^fail: revoke cannot be 200: it is one of 404, 429, 500, 503, hang/],
    ['hang', /^fail: the fault must be an object$/]
  ] as const) {
    t.throws(() => { pool.fail(fault as never) }, { name: 'TypeError', message })
  }
  t.equal(await outcome(), '502 ERR_COGNITO_ANSWER')
})

test('close can be called twice, and by then the port is free', async (t) => {
  const { env, close } = await startCognito({ dataDir: await keyFolder() })
  await Promise.all([close(), close()])
  await close()
  await t.rejects(fetch(env.COGNITO_DOMAIN))
})
