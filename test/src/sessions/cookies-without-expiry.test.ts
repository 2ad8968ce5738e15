import original from 'connect-pg-simple'
import expressSession from 'express-session'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { agent } from '../../support/agent.js'
import { testTable } from '../../support/tables.js'
import type { SessionData } from '../../../src/sessions/types.js'
import { about, poolOf, rows, schema, session, sessions, type Db } from './harness.js'
import { libraries } from './libraries.js'

/** `false` is valid JavaScript here, and in wide use, but not in the types. */
const COOKIES: Record<string, Record<string, unknown>> = {
  '{ expires: false }': { expires: false },
  '{ maxAge: false }': { maxAge: false },
  '{ maxAge: null }': { maxAge: null },
  '{ expires: null }': { expires: null }
}

/** The cookie in the only row. */
async function storedCookie (db: Db): Promise<Record<string, unknown>> {
  const [row] = await rows(db)
  return (JSON.parse(row?.sess ?? '{}') as { cookie: Record<string, unknown> }).cookie
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === false

for (const [library, serveApplication] of Object.entries(libraries)) {
  for (const [what, cookie] of Object.entries(COOKIES)) {
    test(`${library}: a session with the cookie ${what} is written, read and changed`, async (t) => {
      const db = await schema(t)
      const { store } = sessions(t, { conString: db.url })
      const visit = agent(await serveApplication(t, {
        store,
        cookie,
        handlers: {
          '/in': ({ session }) => { session['user'] = 'alice' },
          '/step': ({ session }) => { session['step'] = 1 },
          '/': ({ session }) => ({ user: session['user'], step: session['step'] })
        }
      }))

      const signedIn = await visit('/in')
      t.equal(signedIn.status, 200)
      t.notMatch(signedIn.set.join(), /expires|max-age/i)
      t.same((await visit('/step')).status, 200)

      t.same((await visit('/')).json, { user: 'alice', step: 1 })
      const { expires, originalMaxAge } = await storedCookie(db)
      t.ok(isAbsent(expires), 'expires')
      t.ok(isAbsent(originalMaxAge), 'originalMaxAge')
      t.ok(about((await rows(db))[0]?.left, 900), 'it lives for ttl')
      await db.query('UPDATE session SET expire = expire - interval \'10 minutes\'')
      await visit('/step')
      if (library === 'express-session') t.ok(about((await rows(db))[0]?.left, 900), 'it is extended')
    })
  }
}

test('express-session: cookie.expires = false in a request makes a cookie without expiry', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  const visit = agent(await libraries['express-session'](t, {
    store,
    handlers: {
      '/in': ({ session }) => { session['user'] = 'alice' },
      '/browser-only': ({ session }) => {
        session.cookie['expires'] = false
        session['kept'] = true
      },
      '/': ({ session }) => ({ user: session['user'], kept: session['kept'] })
    }
  }))
  await visit('/in')

  t.equal((await visit('/browser-only')).status, 200)

  t.same((await visit('/')).json, { user: 'alice', kept: true })
  t.match(await storedCookie(db), { expires: false, originalMaxAge: false })
})

/** Signs in under connect-pg-simple. Returns the visitor's cookies. */
async function signInBefore (
  t: Test, db: Db, cookie: Record<string, unknown>
): Promise<Map<string, string>> {
  const pool = poolOf(t, db.url, { max: 2 })
  const store = new (original(expressSession))({
    pool, createTableIfMissing: testTable === 'plain', pruneSessionInterval: false
  })
  const visit = agent(await libraries['express-session'](t, {
    store: store as never,
    cookie,
    handlers: { '/in': ({ session }) => { session['user'] = 'alice' } }
  }))
  await visit('/in')
  return visit.cookies
}

for (const [what, cookie] of Object.entries(COOKIES)) {
  test(`a row that connect-pg-simple wrote with ${what} is read and changed`, async (t) => {
    const db = await schema(t)
    const cookies = await signInBefore(t, db, cookie)
    const before = await storedCookie(db)
    const { store } = sessions(t, { conString: db.url })
    const visit = agent(await libraries['express-session'](t, {
      store,
      cookie,
      handlers: {
        '/': ({ session }) => ({ user: session['user'], step: session['step'] }),
        '/step': ({ session }) => { session['step'] = 1 }
      }
    }))
    for (const [name, value] of cookies) visit.cookies.set(name, value)

    t.same((await visit('/')).json, { user: 'alice' })
    await visit('/step')

    t.same((await visit('/')).json, { user: 'alice', step: 1 })
    t.same(await storedCookie(db), before)
    t.equal((await rows(db)).length, 1)
  })
}

test('a session with expires: false, set by the store alone, stays so', async (t) => {
  const db = await schema(t)
  const { store, load } = sessions(t, { conString: db.url })
  const set = promisify(store.set.bind(store))
  await set('id', { cookie: { expires: false, originalMaxAge: false }, n: 1 })

  const loaded = await load('id')
  t.equal(loaded.cookie?.expires, false)
  await set('id', Object.assign(loaded, { n: 2 }))

  t.match(await load('id'), { cookie: { expires: false, originalMaxAge: false }, n: 2 })
})

test('a lifetime that is neither a number nor absent cannot be stored', async (t) => {
  const { set } = sessions(t, { conString: (await schema(t)).url })
  for (const originalMaxAge of ['900', true, {}, []]) {
    const odd = { ...session(), cookie: { originalMaxAge } } as unknown as SessionData
    await t.rejects(set('id', odd), { code: 'ERR_SESSION_VALUE' })
  }
})
