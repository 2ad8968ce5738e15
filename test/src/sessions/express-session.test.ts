import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventEmitter } from 'node:events'
import { test } from 'tap'
import type { ExpressRequest } from '../../../src/sessions/express-store.js'
import type { SessionData } from '../../../src/sessions/types.js'
import type { PgSessionStore } from '../../../src/sessions/store.js'
import { until } from '../../support/until.js'
import { about, rows, schema, session, sessions, standStill } from './harness.js'

/** The cookie of express-session 1.18: no constructor in its prototype, `expires` sets `originalMaxAge`. */
interface Cookie {
  path: string
  httpOnly: boolean
  originalMaxAge: number | null | undefined
  _expires: Date | null | undefined
  expires: Date | null | undefined
  maxAge: number | null | undefined
}

const cookiePrototype = {
  set expires (date: Date | null | undefined) {
    const self = this as unknown as Cookie
    self._expires = date
    self.originalMaxAge = self.maxAge
  },
  get expires () { return (this as unknown as Cookie)._expires },
  set maxAge (ms: number | null | undefined) {
    const self = this as unknown as Cookie
    if (ms && typeof ms !== 'number') throw new TypeError('maxAge must be a number or Date')
    self.expires = typeof ms === 'number' ? new Date(Date.now() + ms) : ms
  },
  get maxAge () {
    const { expires } = this as unknown as Cookie
    return expires instanceof Date ? expires.valueOf() - Date.now() : expires
  },
  toJSON () {
    const { originalMaxAge, _expires: expires, httpOnly, path } = this as unknown as Cookie
    return { originalMaxAge, expires, httpOnly, path }
  }
}

function newCookie (options: { maxAge?: number }): Cookie {
  const cookie = Object.create(cookiePrototype) as Cookie
  cookie.path = '/'
  cookie.maxAge = null
  cookie.httpOnly = true
  Object.assign(cookie, options)
  cookie.originalMaxAge ??= cookie.maxAge
  return cookie
}

class Session {
  declare req: Request
  declare id: string
  declare cookie: Cookie;
  [key: string]: unknown

  constructor (request: Request, data: object = {}) {
    Object.defineProperty(this, 'req', { value: request })
    Object.defineProperty(this, 'id', { value: request.sessionID })
    for (const key in data) if (!(key in this)) this[key] = (data as Record<string, unknown>)[key]
  }

  touch () { this.cookie.maxAge = this.cookie.originalMaxAge }
}

interface Request extends ExpressRequest { session: Session }

/** What express-session does with a store, at start-up and on each request. */
function express (store: PgSessionStore, cookieOptions: { maxAge?: number } = {}) {
  store.generate = (request) => {
    request.sessionID = randomBytes(24).toString('base64url')
    const fresh = new Session(request as Request)
    fresh.cookie = newCookie(cookieOptions)
    request.session = fresh
  }
  store.on('disconnect', () => {})
  store.on('connect', () => {})
  const hash = (one: Session) => JSON.stringify(one, function (this: unknown, key, value: unknown) {
    return this === one && key === 'cookie' ? undefined : value
  })
  const promise = (call: (callback: (error?: unknown) => void) => void) => new Promise<void>((resolve, reject) => {
    call((error) => {
      if (error instanceof Error) reject(error)
      else resolve()
    })
  })

  return {
    /** Runs `handler` for a request with this session id; resolves to the id of its session. */
    request: async (
      id: string | undefined, handler: (request: Request) => unknown = () => {}
    ): Promise<string | undefined> => {
      const request = { sessionStore: store, ...(id === undefined ? {} : { sessionID: id }) } as unknown as Request
      const loaded = id === undefined
        ? null
        : await new Promise<SessionData | null | undefined>((resolve, reject) => {
            store.get(id, (error, found) => {
              if (error instanceof Error) reject(error)
              else resolve(found)
            })
          })
      if (loaded == null) store.generate(request)
      else store.createSession(request, loaded)
      const [originalId, original] = [request.sessionID, hash(request.session)]
      await handler(request)
      if ((request.session as Session | undefined) === undefined) return undefined
      const { session: one } = request
      one.touch()
      const changed = hash(one) !== original || request.sessionID !== originalId
      if (changed) await promise((callback) => { store.set(one.id, one, callback) })
      else if (loaded != null) await promise((callback) => { store.touch(one.id, one, callback) })
      return one.id
    },
    promise
  }
}

test('the store is an EventEmitter with the methods express-session uses', async (t) => {
  const { store } = sessions(t, { conString: 'postgres://127.0.0.1:1/x' })
  t.type(store, EventEmitter)
  for (const name of [
    'get', 'set', 'touch', 'destroy', 'all', 'length', 'clear', 'createSession', 'regenerate', 'load'
  ]) {
    t.equal(typeof Reflect.get(store, name), 'function', name)
  }
})

for (const maxAge of [900_000, undefined]) {
  const what = maxAge === undefined ? 'without expiry' : 'with maxAge'
  const cookieOptions = maxAge === undefined ? {} : { maxAge }

  test(`a session (cookie ${what}) is written, read, changed and ended`, async (t) => {
    standStill(t)
    const db = await schema(t)
    const { request, promise } = express(sessions(t, { conString: db.url }).store, cookieOptions)
    const id = await request(undefined, ({ session }) => { session['user'] = 'alice' })
    await request(id, ({ session }) => {
      t.equal(session['user'], 'alice')
      t.ok(session instanceof Session)
      t.equal(session.id, id)
      t.equal(Object.getPrototypeOf(session.cookie), cookiePrototype)
      t.equal(session.cookie.originalMaxAge, maxAge ?? null)
      t.equal(session.cookie.expires instanceof Date, maxAge !== undefined)
      session['step'] = 1
    })
    await request(id, ({ session }) => { t.match(session, { user: 'alice', step: 1 }) })
    await request(id, async ({ session, sessionStore }) => {
      await promise((callback) => { (sessionStore as PgSessionStore).destroy(session.id, callback) })
    })
    t.same(await rows(db), [])
  })

  test(`an unchanged session (cookie ${what}) is touched only when due`, async (t) => {
    const db = await schema(t)
    const { request } = express(sessions(t, { conString: db.url }).store, cookieOptions)
    const id = await request(undefined, ({ session }) => { session['user'] = 'alice' })
    const [before] = await rows(db)
    for (let i = 0; i < 10; i++) await request(id)
    t.equal((await rows(db))[0]?.xmin, before?.xmin)
    await db.query('UPDATE session SET expire = expire - interval \'10 minutes\'')
    await request(id)
    t.ok(about((await rows(db))[0]?.left, 900))
  })
}

test('a guest has no row', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  await store.createTable()
  await express(store).request(undefined)
  await express(store).request('unknown')
  t.same(await rows(db), [])
})

test('regenerate ends the session and starts a new one', async (t) => {
  const db = await schema(t)
  const { store, get } = sessions(t, { conString: db.url })
  const { request, promise } = express(store)
  const id = await request(undefined, ({ session }) => { session['user'] = 'mallory' })
  const next = await request(id, async (req) => {
    await promise((callback) => { store.regenerate(req, callback) })
    t.notOk('user' in req.session)
    req.session['user'] = 'alice'
  })
  t.not(next, id)
  t.equal(await get(id ?? ''), null)
  t.match(await get(next ?? ''), { user: 'alice' })
})

test('regenerate passes on the store\'s error, but makes a new session', async (t) => {
  const { store } = sessions(t, { conString: 'postgres://127.0.0.1:1/x' })
  const { promise } = express(store)
  const request = { sessionID: 'id' } as unknown as Request
  await t.rejects(promise((callback) => { store.regenerate(request, callback) }), { code: 'ERR_DATABASE' })
  t.not(request.sessionID, 'id')
})

test('load returns a session outside a request', async (t) => {
  const db = await schema(t)
  const { store, set } = sessions(t, { conString: db.url })
  express(store)
  await set('id', session({ user: 'alice' }, 900))
  const load = (id: string) => new Promise((resolve) => {
    store.load(id, (error, found) => { resolve(error ?? found) })
  })
  const found = await load('id')
  t.ok(found instanceof Session)
  t.match(found, { id: 'id', user: 'alice' })
  t.equal(await load('unknown'), undefined)
  const unreachable = sessions(t, { conString: 'postgres://127.0.0.1:1/x' }).store
  t.match(await new Promise((resolve) => { unreachable.load('id', resolve) }), { code: 'ERR_DATABASE' })
})

test('createSession keeps the request\'s id', async (t) => {
  const { store } = sessions(t, { conString: 'postgres://127.0.0.1:1/x' })
  express(store)
  const request: ExpressRequest = { sessionID: 'id' }
  const cookie = { originalMaxAge: 1000, expires: new Date(Date.now() + 1000) }
  const made: unknown = store.createSession(request, { cookie, user: 'alice' })
  t.equal(request.session, made)
  t.equal(request.sessionID, 'id')
  t.match(made, { id: 'id', user: 'alice', cookie: { originalMaxAge: 1000 } })
})

test('a slow request does not restore a destroyed session', async (t) => {
  const db = await schema(t)
  const { store, destroy } = sessions(t, { conString: db.url })
  const { request } = express(store, { maxAge: 900_000 })
  const id = await request(undefined, ({ session }) => { session['user'] = 'alice' })
  await request(id, async ({ session }) => {
    session['late'] = true
    await destroy(id ?? '')
  })
  t.same(await rows(db), [])
})

test('an idle session is replaced by a new, empty one', async (t) => {
  const { request } = express(sessions(t, { conString: (await schema(t)).url }).store, { maxAge: 200 })
  const id = await request(undefined, ({ session }) => { session['user'] = 'alice' })
  await sleep(250)
  t.not(await request(id, ({ session }) => { t.notOk('user' in session) }), id)
})

test('methods may be called without a callback', async (t) => {
  const db = await schema(t)
  const { store, length } = sessions(t, { conString: db.url })
  store.set('id', session())
  await until(async () => await length() === 1)
  store.touch('id', session())
  store.destroy('id')
  await until(async () => await length() === 0)
  store.clear()
  store.set('bad', session({ big: 1n }))
  await sleep(50)
  t.pass()
})
