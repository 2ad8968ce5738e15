/**
 * The store with express-session and Express over HTTP, compared with express-session's own
 * MemoryStore. express-session.test.ts covers what needs no server.
 *
 * @module
 */
import express, { type ErrorRequestHandler, type Request } from 'express'
import session from 'express-session'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { agent, idIn, serve, type Agent } from '../../support/agent.js'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { about, rows, schema, sessions, standStill } from './harness.js'

declare module 'express-session' {
  interface SessionData { [key: string]: unknown }
}

type Options = Partial<session.SessionOptions>

/** In milliseconds. */
const MAX_AGE = 900_000

/** An application with a route for each session operation. */
function application (store: PgSessionStore | session.MemoryStore, options: Options = {}) {
  const app = express()
  app.use(session({
    store: store,
    secret: 's'.repeat(32),
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: MAX_AGE },
    ...options
  }))
  const content = ({ session: found }: Request) => {
    const { cookie, '~row': _, ...rest } = found as unknown as Record<string, unknown> & {
      cookie?: session.Cookie
    }
    if (cookie === undefined) return { ...rest, cookie: 'none' }
    const { originalMaxAge, expires } = cookie
    const minutes = originalMaxAge === null ? null : Math.round((originalMaxAge ?? NaN) / 60_000)
    return { ...rest, cookie: { minutes, isDate: expires instanceof Date } }
  }
  const promise = async (call: (callback: (error?: unknown) => void) => void) => promisify(call)()
  app.get('/', (request, response) => { response.json(content(request)) })
  app.get('/set/:key/:value', (request, response) => {
    request.session[request.params.key] = request.params.value
    response.json(content(request))
  })
  app.get('/delete/:key', (request, response) => {
    Reflect.deleteProperty(request.session, request.params.key)
    response.json(content(request))
  })
  app.get('/slow/:ms/:key/:value', async (request, response) => {
    await sleep(Number(request.params.ms))
    request.session[request.params.key] = request.params.value
    response.json(content(request))
  })
  app.get('/regenerate', async (request, response) => {
    await promise((callback) => { request.session.regenerate(callback) })
    request.session['fresh'] = 'yes'
    response.json(content(request))
  })
  app.get('/save', async (request, response) => {
    request.session['saved'] = 'yes'
    await promise((callback) => { request.session.save(callback) })
    response.json(content(request))
  })
  app.get('/save-and-change', async (request, response) => {
    request.session['saved'] = 'once'
    await promise((callback) => { request.session.save(callback) })
    request.session['saved'] = 'twice'
    response.json(content(request))
  })
  app.get('/reload', async (request, response) => {
    request.session['thrown'] = 'away'
    await promise((callback) => { request.session.reload(callback) })
    response.json(content(request))
  })
  app.get('/max-age/:ms', (request, response) => {
    request.session.cookie.maxAge = request.params.ms === 'none' ? null as never : Number(request.params.ms)
    request.session['changed'] = request.params.ms
    response.json(content(request))
  })
  app.get('/null', (request, response) => {
    request.session = null as never
    response.json({})
  })
  app.get('/destroy', async (request, response) => {
    await promise((callback) => { request.session.destroy(callback) })
    response.json({ session: typeof request.session })
  })
  app.get('/session', (request, response) => { response.json({ session: typeof request.session }) })
  app.use(((error: { statusCode?: number, code?: string }, _request, response, next) => {
    if (response.headersSent) next(error)
    else response.status(error.statusCode ?? 500).json({ code: error.code })
  }) satisfies ErrorRequestHandler)
  return app
}

async function visitor (
  t: Test, store: PgSessionStore | session.MemoryStore, options?: Options
): Promise<Agent> {
  return agent(await serve(t, application(store, options)))
}

/** A `Set-Cookie` header without its id and expiry, which differ between runs. */
const shape = (line: string): string =>
  line.replace(/=s%3A[^;]+/, '=ID').replace(/Expires=[^;]+/, 'Expires')

/** The responses to these requests in sequence, each with the number of sessions after it. */
async function transcript (
  t: Test, store: PgSessionStore | session.MemoryStore, options: Options, paths: string[]
) {
  const get = await visitor(t, store, options)
  const length = promisify((store as PgSessionStore).length.bind(store))
  const seen = []
  for (const path of paths) {
    const before = idIn(get.cookies.get('connect.sid'))
    const { status, json, set } = await get(path)
    const after = idIn(get.cookies.get('connect.sid'))
    const id = before === after ? 'the same' : 'another'
    seen.push({ path, status, json, set: set.map(shape), id, length: await length() })
  }
  return seen
}

const LIFE = [
  '/', '/', '/set/user/alice', '/', '/set/user/alice', '/set/user/bob',
  '/set/more/1', '/delete/more', '/',
  '/save', '/', '/save-and-change', '/', '/reload', '/',
  '/regenerate', '/', '/max-age/60000', '/', '/max-age/none', '/', '/', '/null', '/',
  '/set/user/carol', '/', '/destroy', '/', '/set/user/dave', '/'
]

for (const resave of [false, true]) {
  for (const rolling of [false, true]) {
    for (const saveUninitialized of [false, true]) {
      for (const unset of ['keep', 'destroy'] as const) {
        const options = { resave, rolling, saveUninitialized, unset }
        test(`responses equal MemoryStore's with ${JSON.stringify(options)}`, async (t) => {
          const { store } = sessions(t, { conString: (await schema(t)).url })
          const [ours, theirs] = [
            await transcript(t, store, options, LIFE),
            await transcript(t, new session.MemoryStore(), options, LIFE)
          ]
          for (const [index, step] of theirs.entries()) t.strictSame(ours[index], step, step.path)
        })
      }
    }
  }
}

const COOKIES: Record<string, () => session.CookieOptions> = {
  'without a lifetime': () => ({}),
  'with a fixed expiry': () => ({ expires: new Date(Date.now() + 86_400_000) }),
  'with a path, a domain and SameSite': () => ({
    maxAge: MAX_AGE, path: '/', domain: 'localhost', sameSite: 'strict'
  }),
  'that scripts may read': () => ({ maxAge: MAX_AGE, httpOnly: false }),
  'that is secure, over http': () => ({ maxAge: MAX_AGE, secure: true }),
  'that is secure if the connection is': () => ({ maxAge: MAX_AGE, secure: 'auto' })
}
for (const [what, cookie] of Object.entries(COOKIES)) {
  test(`responses equal MemoryStore's with a cookie ${what}`, async (t) => {
    const { store } = sessions(t, { conString: (await schema(t)).url })
    const options = { cookie: cookie(), rolling: true }
    const [ours, theirs] = [
      await transcript(t, store, options, LIFE),
      await transcript(t, new session.MemoryStore(), options, LIFE)
    ]
    for (const [index, step] of theirs.entries()) t.strictSame(ours[index], step, step.path)
  })
}

test('every store method works on sessions of express-session', async (t) => {
  standStill(t)
  const { store, all, length, get, touch, destroy, clear } = sessions(t, {
    conString: (await schema(t)).url
  })
  const visit = await visitor(t, store)
  await visit('/set/user/alice')
  const id = idIn(visit.cookies.get('connect.sid')) ?? ''
  t.match(await all(), [{ user: 'alice', cookie: { originalMaxAge: MAX_AGE } }])
  t.equal(await length(), 1)
  const found = await get(id)
  t.match(found, { user: 'alice' })
  await touch(id, found ?? {})
  const loaded: unknown = await promisify(store.load.bind(store))(id)
  t.match(loaded, { id, user: 'alice' })
  t.equal(typeof (loaded as { save?: unknown }).save, 'function')
  await destroy(id)
  t.equal(await get(id), null)
  await visit('/set/user/bob')
  await clear()
  t.equal(await length(), 0)
})

test('a session loaded outside a request can be changed and saved', async (t) => {
  const { store, load } = sessions(t, { conString: (await schema(t)).url })
  const visit = await visitor(t, store)
  await visit('/set/user/alice')
  const id = idIn(visit.cookies.get('connect.sid')) ?? ''
  const loaded = await promisify(store.load.bind(store))(id) as Record<string, unknown> & {
    save (callback: (error?: unknown) => void): void
  }
  loaded['flag'] = true
  await promisify(loaded.save.bind(loaded))()
  t.match(await load(id), { user: 'alice', flag: true })
})

test('requests have no session between disconnect and connect', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url })
  const visit = await visitor(t, store)
  await visit('/set/user/alice')
  store.emit('disconnect')
  t.match((await visit('/session')).json, { session: 'undefined' })
  store.emit('connect')
  t.match((await visit('/')).json, { user: 'alice' })
})

test('a database outage is a 503 and clears no cookie', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url })
  const visit = await visitor(t, store)
  await visit('/set/user/alice')
  const unreachable = sessions(t, { conString: 'postgres://user:password@127.0.0.1:1/database' })
  const origin = await serve(t, application(unreachable.store))
  const answer = await visit('/', { origin })
  t.match(answer, { status: 503, json: { code: 'ERR_DATABASE' }, set: [] })
  t.match((await visit('/')).json, { user: 'alice' })
})

for (const rolling of [true, false]) {
  test(`only an active session survives with rolling: ${rolling}`, async (t) => {
    const { store } = sessions(t, { conString: (await schema(t)).url, touchInterval: 0.1 })
    const [active, idle] = [
      await visitor(t, store, { rolling, cookie: { maxAge: 2000 } }),
      await visitor(t, store, { rolling, cookie: { maxAge: 2000 } })
    ]
    await active('/set/user/alice')
    await idle('/set/user/bob')
    for (let i = 0; i < 6; i++) {
      await sleep(500)
      t.match((await active('/')).json, { user: 'alice' })
    }
    t.notMatch((await idle('/')).json, { user: 'bob' })
  })
}

test('an unchanged session is not written, with resave or without', async (t) => {
  for (const resave of [true, false]) {
    const db = await schema(t)
    const visit = await visitor(t, sessions(t, { conString: db.url }).store, { resave, rolling: true })
    await visit('/set/user/alice')
    const [before] = await rows(db)
    for (let i = 0; i < 5; i++) await visit('/')
    t.equal((await rows(db))[0]?.xmin, before?.xmin)
  }
})

test('a lifetime measured milliseconds shorter is not a change', async (t) => {
  const db = await schema(t)
  const start = Date.now()
  let looks = 0
  t.intercept(Date, 'now', { value: () => start + looks++ })
  const visit = await visitor(t, sessions(t, { conString: db.url }).store, { resave: true, rolling: true })
  await visit('/set/user/alice')
  const [before] = await rows(db)
  for (let i = 0; i < 5; i++) await visit('/')
  t.equal((await rows(db))[0]?.xmin, before?.xmin)
  t.ok(looks > 0)
})

test('the row\'s expiry follows the cookie\'s expiry', async (t) => {
  const db = await schema(t)
  const visit = await visitor(t, sessions(t, { conString: db.url }).store, { rolling: true })
  await visit('/set/user/alice')
  t.ok(about((await rows(db))[0]?.left, MAX_AGE / 1000))
  await visit('/max-age/60000')
  t.ok(about((await rows(db))[0]?.left, 60))
  await db.query('UPDATE session SET expire = expire - interval \'45 seconds\'')
  await visit('/')
  t.ok(about((await rows(db))[0]?.left, 60))
})

test('concurrent changes to different keys are all kept', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url })
  const visit = await visitor(t, store, { resave: false })
  await visit('/set/user/alice')
  await Promise.all([visit('/slow/50/one/1'), visit('/slow/50/two/2'), visit('/slow/80/three/3')])
  t.match((await visit('/')).json, { user: 'alice', one: '1', two: '2', three: '3' })
})

test('a request slower than the logout does not restore the session', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  for (const options of [{ resave: true, rolling: true, saveUninitialized: true }, {}]) {
    const visit = await visitor(t, store, options)
    await visit('/set/user/alice')
    const id = idIn(visit.cookies.get('connect.sid'))
    const slow = visit('/slow/300/late/1')
    await sleep(100)
    await visit('/destroy')
    t.equal((await slow).status, 200)
    t.same(await db.query('SELECT FROM session WHERE sid = $1', [id]), [])
  }
})

test('an id that genid gives for an existing session is not used', async (t) => {
  const { store } = sessions(t, { conString: (await schema(t)).url })
  const given: string[] = []
  const genid = () => {
    given.push(`id-${given.length}`)
    return given.at(-1) as string
  }
  const visit = await visitor(t, store, { genid })
  await visit('/set/user/alice')
  t.equal(idIn(visit.cookies.get('connect.sid')), 'id-0')
  t.match((await visit('/')).json, { user: 'alice' })
  t.equal(idIn(visit.cookies.get('connect.sid')), 'id-0')
  t.equal(given.length, 2)
})

test('express-session works the same with hashed ids', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url, hashIds: 'k'.repeat(32) })
  const [ours, theirs] = [
    await transcript(t, store, { rolling: true }, LIFE),
    await transcript(t, new session.MemoryStore(), { rolling: true }, LIFE)
  ]
  t.strictSame(ours, theirs)
  t.match(await rows(db), [{ sid: /^h1\./ }])
})
