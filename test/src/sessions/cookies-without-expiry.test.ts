import connectPgSimple from 'connect-pg-simple'
import expressSession from 'express-session'
import { test } from 'tap'
import { application, LIBRARIES, type Session } from './applications.js'
import { about, rows, schema, session, sessions, type Db } from './harness.js'

const TTL = 900

/** Every way to say that a cookie has no expiry. The types of the libraries know only some of them. */
const COOKIES: Record<string, object> = {
  'no lifetime': {},
  'maxAge: null': { maxAge: null },
  'maxAge: false': { maxAge: false },
  'expires: false': { expires: false },
  'expires: null': { expires: null }
}

const leftOf = async (db: Db) => (await rows(db))[0]?.left

for (const library of LIBRARIES) {
  for (const [name, cookie] of Object.entries(COOKIES)) {
    test(`${library}: a session with the cookie option ${name} lives for ttl`, async (t) => {
      const db = await schema(t)
      const { store } = sessions(t, { conString: db.url, ttl: TTL })
      const app = await application(t, library, store, {
        '/in': ({ session }) => { session['user'] = 'alice' },
        '/change': ({ session }) => { session['step'] = 1 },
        '/': ({ session }) => [session['user'], session['step']]
      }, cookie)
      const { get } = app.visitor()
      t.match(await get('/in'), { status: 200 })
      t.ok(about(await leftOf(db), TTL))
      await get('/change')
      t.same((await get('/')).body, ['alice', 1])
    })
  }
}

test('express-session: a cookie that gets expires = false is stored and read so', async (t) => {
  const db = await schema(t)
  const { store, load } = sessions(t, { conString: db.url, ttl: TTL })
  const app = await application(t, 'express-session', store, {
    '/in': ({ session }) => {
      session['user'] = 'alice'
      session.cookie['expires'] = false
    },
    '/': ({ session }) => [session['user'], session.cookie['expires']]
  })
  const { get } = app.visitor()
  t.match(await get('/in'), { status: 200 })
  t.match(await load((await rows(db))[0]?.sid ?? ''), { cookie: { expires: false, originalMaxAge: false } })
  t.same((await get('/')).body, ['alice', false])
})

for (const [name, cookie] of Object.entries<Record<string, unknown>>({
  'expires: false': { originalMaxAge: false, expires: false },
  'nothing': { originalMaxAge: null, expires: null }
})) {
  test(`a row that connect-pg-simple wrote with ${name} is read and changed`, async (t) => {
    const db = await schema(t)
    const { set, load, length } = sessions(t, { conString: db.url, ttl: TTL })
    await length() // makes the table
    const Theirs = connectPgSimple(expressSession)
    const theirs = new Theirs({ conString: db.url, pruneSessionInterval: false })
    t.teardown(() => theirs.close())
    const full = { ...cookie, httpOnly: true, path: '/' }
    await new Promise((resolve) => { theirs.set('id', { cookie: full, user: 'alice' } as never, resolve) })

    const loaded = await load('id')
    t.match(loaded, { user: 'alice', cookie: full })
    await set('id', Object.assign(loaded, { step: 1 }))
    t.match(await load('id'), { user: 'alice', step: 1, cookie: full })
    t.ok(about(await leftOf(db), TTL))
  })
}

test('a lifetime that is neither a number nor absent cannot be stored', async (t) => {
  const { set } = sessions(t, { conString: (await schema(t)).url })
  for (const originalMaxAge of ['900', true, {}, []]) {
    const odd = { ...session(), cookie: { originalMaxAge } } as unknown as Session
    await t.rejects(set('id', odd), { code: 'ERR_SESSION_VALUE' })
  }
})
