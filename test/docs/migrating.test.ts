import connectPgSimple from 'connect-pg-simple'
import express from 'express'
import session from 'express-session'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { freePort } from '../../local/free-port.js'
import { PgSessionStore, type SessionData } from '../../src/sessions/index.js'
import { serve } from '../support/agent.js'
import { browser, signIn } from '../support/browser.js'
import { cognito } from '../support/cognito.js'
import { database, withSetting, type Database } from '../support/database.js'
import { missingTests } from '../support/documents.js'
import { rootUrl } from '../support/root.js'
import { instance, NOT_ENDS } from '../support/server.js'

const guide = await readFile(new URL('docs/migrating.md', rootUrl), 'utf8')

const SECRET = 'a secret of a test and of nothing else'
const USER = { sub: '3f2b8c1e-5d4a-4c6f-9e7b-0a1d2c3b4e5f', email: 'alice@example.com', name: 'Alice' }
/** Of the application before, in milliseconds. */
const MAX_AGE = 3_600_000

/** The application before: express-session with connect-pg-simple, which makes the table. Its address. */
async function before (t: Test, db: Database): Promise<string> {
  const store = new (connectPgSimple(session))({
    conString: db.url,
    createTableIfMissing: true,
    pruneSessionInterval: false
  })
  t.teardown(() => { store.close() })
  const app = express()
  app.use(
    session({
      store,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: { maxAge: MAX_AGE, sameSite: 'lax' }
    })
  )
  const kept = (one: object) => one as Record<string, unknown>
  app.get('/sign-in', (request, response) => {
    request.session.regenerate(() => {
      Object.assign(request.session, {
        user: USER,
        role: 'INVESTOR',
        roles: ['INVESTOR', 'ISSUER'],
        refreshToken: 'as Cognito gave it'
      })
      response.json({})
    })
  })
  app.get('/me', (request, response) => {
    response.status(kept(request.session)['user'] === undefined ? 401 : 200).json(request.session)
  })
  app.get('/theme/:name', (request, response) => {
    kept(request.session)['theme'] = request.params['name']
    response.json({})
  })
  return (await serve(t, app)).replace('127.0.0.1', 'localhost')
}

/** This server, on the table and the cookie of the application before. */
async function after (t: Test, db: Database, env: Record<string, string> = {}) {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const pool = await cognito(t, { callbackUrl: `${url}/api/auth/callback`, logoutUrl: `${url}/` })
  const { fastify, log } = await instance(t, {
    PORT: String(port),
    PUBLIC_URL: url,
    DATABASE_URL: db.url,
    SESSION_SECRET: SECRET,
    COOKIE_NAME: 'connect.sid',
    LOG_LEVEL: 'info',
    ...pool.env,
    ...env
  })
  return { url, log, close: () => fastify.close() }
}

const sids = async (db: Database): Promise<unknown[]> =>
  (await db.query(`SELECT sid FROM session WHERE ${NOT_ENDS}`)).map(({ sid }) => sid as unknown)

test('Sessions of express-session with connect-pg-simple stay valid', async (t) => {
  const db = await database(t)
  const old = await before(t, db)
  const user = browser()
  await user.get(`${old}/sign-in`)
  t.match(await user.get(`${old}/me`), { status: 200 })
  const [plain] = await sids(db)

  // Both servers run, and requests alternate between them.
  const shared = await after(t, db, { SESSION_HASH_IDS: 'false' })
  const seen = []
  for (let round = 0; round < 10; round++) {
    t.match(JSON.parse((await user.get(`${old}/me`)).text), { user: USER, role: 'INVESTOR' })
    await user.get(`${old}/theme/${round}`)
    const answer = await user.get(`${shared.url}/api/auth/me`)
    t.equal(answer.status, 200)
    seen.push(JSON.parse(answer.text) as { createdAt: string })
    t.match(seen.at(-1), { user: USER, role: 'INVESTOR', roles: ['INVESTOR', 'ISSUER'] })
    t.match(JSON.parse((await user.get(`${old}/me`)).text), { theme: String(round) })
  }
  t.same(await sids(db), [plain])
  t.equal(
    new Set(seen.map(({ createdAt }) => createdAt)).size,
    1,
    'its absolute lifetime counts from its first use here'
  )
  const [row] = await db.query('SELECT sess FROM session')
  t.match(row?.['sess'], { 'user': USER, 'theme': '9', '~store': { created: Number } })

  // The application before is gone; the same server now keeps hashes.
  await shared.close()
  const alone = await after(t, db)
  t.match(await user.get(`${alone.url}/api/auth/me`), { status: 200 })
  t.match(await sids(db), [/^h1\./])
  t.equal((await sids(db)).length, 1)
  t.match(JSON.parse((await user.get(`${alone.url}/api/auth/me`)).text), { user: USER, createdAt: seen[0]?.createdAt })

  const cookie = user.cookieHeader(alone.url)
  t.equal((await user.post(`${alone.url}/api/auth/logout`, {}, { redirect: 'manual' })).status, 303)
  t.same(await sids(db), [])
  for (const url of [`${alone.url}/api/auth/me`, `${old}/me`]) {
    t.equal((await browser().get(url, { headers: { cookie } })).status, 401)
  }
  t.notMatch([...shared.log, ...alone.log].join(''), new RegExp(`${String(plain)}|as Cognito gave it`))
})

test('The old application accepts sessions that began on this server', async (t) => {
  const db = await database(t)
  const old = await before(t, db)
  const { url, close } = await after(t, db, { SESSION_HASH_IDS: 'false' })
  const user = browser()
  await signIn(user, url, { role: 'ISSUER', person: 'bob' })
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  await close()

  const answer = await user.get(`${old}/me`)
  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), { role: 'ISSUER', user: { name: 'Bob Sample' } })
})

test('The absolute lifetime of an old session starts with its first use here', async (t) => {
  const db = await database(t)
  const old = await before(t, db)
  const user = browser()
  await user.get(`${old}/sign-in`)
  const { url } = await after(t, db, { SESSION_ABSOLUTE_TTL: '2', SESSION_TTL: '2', SESSION_TOUCH_INTERVAL: '1' })
  t.equal((await user.get(`${url}/api/auth/me`)).status, 200)
  for (let i = 0; i < 12; i++) {
    await new Promise((resolve) => { setTimeout(resolve, 250) })
    await user.get(`${url}/api/auth/me`)
  }
  t.equal((await user.get(`${url}/api/auth/me`)).status, 401)
})

test('An Express application can switch to the store and keep its sessions', async (t) => {
  const db = await database(t)
  const old = await before(t, db)
  const user = browser()
  await user.get(`${old}/sign-in`)
  const store = new PgSessionStore({ conString: db.url, hashIds: 'k'.repeat(32), pruneSessionInterval: false })
  t.teardown(() => store.close())
  const app = express()
  app.use(
    session({
      store,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: { maxAge: MAX_AGE }
    })
  )
  app.get('/me', (request, response) => { response.json(request.session) })
  app.get('/change', (request, response) => {
    Object.assign(request.session, { changed: true })
    response.json({})
  })
  const url = (await serve(t, app)).replace('127.0.0.1', 'localhost')
  t.match(JSON.parse((await user.get(`${url}/me`)).text), { user: USER })
  await user.get(`${url}/change`)
  t.match(await sids(db), [/^h1\./])
  t.match(JSON.parse((await user.get(`${url}/me`)).text), { user: USER, changed: true })
})

test('connect-pg-simple shifts the expiry by the time zone unless it is UTC', async (t) => {
  const db = await database(t)
  const left = async () =>
    Number(
      (
        await db.query(
          'SELECT extract(epoch FROM expire - timezone(\'utc\', now())) AS left FROM session'
        )
      )[0]?.['left']
    )
  for (const [zone, expected] of [['Asia/Kuala_Lumpur', MAX_AGE / 1000 + 8 * 3600], ['UTC', MAX_AGE / 1000]] as const) {
    const store = new (connectPgSimple(session))({
      conString: await withSetting(t, db, 'timezone', zone),
      createTableIfMissing: true,
      pruneSessionInterval: false
    })
    await promisify(store.set.bind(store))('id', {
      cookie: { expires: new Date(Date.now() + MAX_AGE), originalMaxAge: MAX_AGE }
    } as SessionData as session.SessionData)
    t.ok(Math.abs(await left() - expected) < 60, zone)
    store.close()
    await db.query('TRUNCATE session')
  }
})

test('The guide maps every option of connect-pg-simple', async (t) => {
  const readme = await readFile(new URL('node_modules/connect-pg-simple/README.md', rootUrl), 'utf8')
  const options = [...readme.matchAll(/^\s*\* \*\*(\w+)\*\* *[-–]/gm)]
    .map(([, name = '']) => name)
    .filter((name) => !/close|prune(d|Sessions)/.test(name))
  t.ok(options.length >= 10, options.join())
  for (const option of options) t.match(guide, new RegExp(`^\\| \`${option}\``, 'm'), option)
})

test('Every table that the guide lists names a test that exists', async (t) => {
  const [, section = ''] = guide.split('\n## Which tables work\n')
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| ')).slice(2)
  t.ok(rows.length >= 14)
  for (const row of rows) t.match(row, /\.test\.ts › [^`]+` \|$/, row)
  const { named, missing } = await missingTests(guide)
  t.ok(named >= rows.length)
  t.same(missing, [])
})

test('Every statement for a table of another store is run by a test', async (t) => {
  const tests = await readFile(new URL('test/src/sessions/found-tables.test.ts', rootUrl), 'utf8')
  const [, section = ''] = guide.split('\n### Tables of other stores\n')
  const blocks = (section.split('\n## ')[0] ?? '').matchAll(/^\*\*(.+?)\*\*.*?^```sql$/gms)
  const names = [...blocks].map(([, name = '']) => name)
  t.equal(names.length, 4)
  for (const name of names) t.ok(tests.includes(`'${name.replaceAll('\'', '\\\'')}': {`), name)
})
