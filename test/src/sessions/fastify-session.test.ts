import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import hooks from '../../../plugins/hooks.js'
import sessionLibrary from '../../../plugins/session-library.js'
import sessionViewer from '../../../plugins/session-viewer.js'
import sessionPlugin from '../../../plugins/session.js'
import type { PgSessionStore, PgSessionStoreOptions } from '../../../src/sessions/store.js'
import { gate } from '../../support/gate.js'
import { about, age, pass, rows, schema, sessions, type Db } from './harness.js'

const SECRET = 's'.repeat(32)
const TTL = 900

/** How the store is registered with @fastify/session. */
type Mode = 'plugins/session.ts' | 'rolling' | 'not rolling'
const MODES: readonly Mode[] = ['plugins/session.ts', 'rolling', 'not rolling']

interface Instance {
  store: PgSessionStore
  /** Resolves when a request to `/slow` or `/reload` waits; `open` then lets it continue. */
  arrived: Promise<void>
  open: () => void
  /** The response to `GET path` with this cookie, and the cookie that it set ('' if cleared). */
  get: (path: string, sid?: string) => Promise<{
    statusCode: number
    body: Record<string, unknown>
    sid: string | undefined
    raw: string
  }>
}

async function instance (
  t: Test, url: string, mode: Mode, options: PgSessionStoreOptions = {}, maxAge = TTL
): Promise<Instance> {
  const { store } = sessions(t, { conString: url, ttl: TTL, ...options })
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  if (mode === 'plugins/session.ts') {
    const config = {
      COOKIE_NAME: 'sid', PUBLIC_URL: 'http://localhost', SESSION_TTL: maxAge, SESSION_SECRET: [SECRET]
    }
    await fastify.register(fp(async (app) => {
      app.decorate('config', config as FastifyInstance['config'])
    }, { name: 'config' }))
    await fastify.register(fp(async (app) => {
      await app.register(cookie, { secret: SECRET })
    }, { name: 'cookies' }))
    await fastify.register(fp(async (app) => {
      app.decorate('sessionStore', store)
    }, { name: 'session-store' }))
    // As without AUDIT and DEVICE_BOUND_SESSIONS.
    await fastify.register(fp(async (app) => { app.decorate('audit', undefined) }, { name: 'audit' }))
    await fastify.register(fp(async (app) => { app.decorate('deviceBound', null) }, { name: 'device-bound' }))
    await fastify.register(hooks)
    fastify.decorateRequest('session', null as never)
    await fastify.register(sessionViewer)
    await fastify.register(sessionLibrary)
    await fastify.register(sessionPlugin)
    fastify.requestSessions.addHooks(fastify)
  } else {
    await fastify.register(cookie)
    await fastify.register(fastifySession, {
      cookieName: 'sid',
      secret: SECRET,
      store: store,
      saveUninitialized: false,
      rolling: mode === 'rolling',
      cookie: { secure: false, maxAge: maxAge * 1000 }
    })
  }
  const waiting = routes(fastify, store)
  return {
    store,
    ...waiting,
    async get (path, sid) {
      const reply = await fastify.inject({ url: path, cookies: sid === undefined ? {} : { sid } })
      return {
        statusCode: reply.statusCode,
        body: reply.json<Record<string, unknown>>(),
        raw: reply.payload,
        sid: reply.cookies.find(({ name }) => name === 'sid')?.value
      }
    }
  }
}

function routes (fastify: FastifyInstance, store: PgSessionStore): Pick<Instance, 'arrived' | 'open'> {
  const [arrival, door] = [gate(), gate()]
  const content = ({ role, roles }: { role?: string, roles?: string[] }) => ({ role, roles })
  fastify.get('/', async ({ session }) => (
    { ...content(session), createdAt: store.createdAt(session), modified: session.isModified() }
  ))
  fastify.get<{ Params: { role: string } }>('/sign-in/:role', async ({ session, params }) => {
    session.role = params.role
    return content(session)
  })
  fastify.get('/regenerate', async (request) => {
    await request.session.regenerate(['role'])
    request.session.roles = ['ADMIN']
    return content(request.session)
  })
  fastify.get('/regenerate-empty', async (request) => {
    await request.session.regenerate()
    return content(request.session)
  })
  fastify.get<{ Params: { role: string } }>('/save/:role', async ({ session, params }) => {
    session.role = params.role
    await session.save()
    return content(session)
  })
  fastify.get('/reload', async (request) => {
    request.session.role = 'thrown away'
    arrival.open()
    await door.passed
    await request.session.reload()
    return content(request.session)
  })
  fastify.get('/destroy', async ({ session }) => {
    await session.destroy()
    return {}
  })
  fastify.get('/slow', async ({ session }) => {
    arrival.open()
    await door.passed
    session.role = 'LATE'
    return content(session)
  })
  fastify.get('/bigint', async ({ session }) => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    session.set('user', circular as never)
    return {}
  })
  return { arrived: arrival.passed, open: door.open }
}

/** Signs in and returns the cookie. */
async function signIn ({ get }: Instance, role = 'INVESTOR'): Promise<string> {
  const { sid } = await get(`/sign-in/${role}`)
  if (sid === undefined) throw new Error('no cookie was set')
  return sid
}

/** Counts all writes to the session table with a trigger. */
async function countWrites (db: Db): Promise<() => Promise<number>> {
  await db.query(`
    CREATE TABLE writes (what text);
    CREATE FUNCTION note () RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO writes VALUES (TG_OP); RETURN NULL; END';
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON session
      FOR EACH ROW EXECUTE FUNCTION note ()`)
  return async () => Number((await db.query('SELECT count(*)::int AS n FROM writes'))[0]?.['n'])
}

for (const mode of MODES) {
  test(`${mode}: a guest has no row and gets no cookie`, async (t) => {
    const db = await schema(t)
    const { get, store } = await instance(t, db.url, mode)
    await store.createTable()
    t.match(await get('/'), { statusCode: 200, sid: undefined })
    await get('/', 'forged.signature')
    t.same(await rows(db), [])
  })

  test(`${mode}: instances read each other's sessions`, async (t) => {
    const db = await schema(t)
    const [here, there] = [await instance(t, db.url, mode), await instance(t, db.url, mode)]
    const sid = await signIn(here)
    t.match((await there.get('/', sid)).body, { role: 'INVESTOR', modified: false })
    t.match((await there.get('/sign-in/ISSUER', sid)).body, { role: 'ISSUER' })
    t.match((await here.get('/', sid)).body, { role: 'ISSUER' })
    t.equal((await rows(db)).length, 1)
  })

  test(`${mode}: 50 requests within touchInterval write nothing`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode, {
      touchInterval: 60, hashIds: 'k'.repeat(32), absoluteTtl: 3600
    })
    const sid = await signIn(one)
    const writes = await countWrites(db)
    for (let i = 0; i < 50; i++) t.match((await one.get('/', sid)).body, { role: 'INVESTOR' })
    t.equal(await writes(), 0)
  })

  test(`${mode}: 50 concurrent requests leave one row, touched if rolling`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    await db.query('UPDATE session SET expire = expire - interval \'10 minutes\'')
    const replies = await Promise.all(Array.from({ length: 50 }, () => one.get('/', sid)))
    for (const { body } of replies) t.match(body, { role: 'INVESTOR' })
    const [row, ...more] = await rows(db)
    t.same(more, [])
    t.ok(about(row?.left, mode === 'not rolling' ? TTL - 600 : TTL))
    const writes = await countWrites(db)
    await one.get('/', sid)
    t.equal(await writes(), 0)
  })

  test(`${mode}: a destroyed session is gone in every instance`, async (t) => {
    const db = await schema(t)
    const [here, there] = [await instance(t, db.url, mode), await instance(t, db.url, mode)]
    const sid = await signIn(here)
    await there.get('/', sid)
    await here.get('/destroy', sid)
    t.same((await there.get('/', sid)).body, { modified: false })
    t.same(await rows(db), [])
  })

  test(`${mode}: a slow request does not restore a destroyed session`, async (t) => {
    const db = await schema(t)
    const [here, there] = [await instance(t, db.url, mode), await instance(t, db.url, mode)]
    const sid = await signIn(here)
    const slow = here.get('/slow', sid)
    await here.arrived
    await there.get('/destroy', sid)
    here.open()
    await slow
    t.same((await there.get('/', sid)).body, { modified: false })
    t.same(await rows(db), [])
  })

  test(`${mode}: the cookie of an expired session does not restore it`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    await age(db)
    t.same((await one.get('/', sid)).body, { modified: false })
    t.notOk((await rows(db)).some(({ left }) => left > 0))
  })

  test(`${mode}: an active session survives, an idle one does not`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const [active, idle] = [await signIn(one), await signIn(one)]
    for (let i = 0; i < 4; i++) {
      await pass(db, TTL * 0.6)
      // Without rolling only a change extends a session.
      await one.get(mode === 'not rolling' ? `/sign-in/${i}` : '/', active)
    }
    t.ok((await one.get('/', active)).body['role'])
    t.notOk((await one.get('/', idle)).body['role'])
  })

  test(`${mode}: regenerate changes the id and leaves one row`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    const reply = await one.get('/regenerate', sid)
    t.match(reply.body, { role: 'INVESTOR', roles: ['ADMIN'] })
    t.not(reply.sid, sid)
    t.match((await one.get('/', reply.sid)).body, { role: 'INVESTOR', roles: ['ADMIN'] })
    t.same((await one.get('/', sid)).body, { modified: false })
    t.equal((await rows(db)).length, 1)
  })

  test(`${mode}: reload discards changes`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    one.open()
    t.match((await one.get('/reload', sid)).body, { role: 'INVESTOR' })
    t.match((await one.get('/', sid)).body, { role: 'INVESTOR' })
  })

  test(`${mode}: reload of a destroyed session signs no user in`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    const reloading = one.get('/reload', sid)
    await one.arrived
    await one.get('/destroy', sid)
    one.open()
    t.same((await reloading).body, {})
    t.notMatch(await rows(db), [{ sess: /INVESTOR|thrown/ }])
    t.same((await one.get('/', sid)).body, { modified: false })
  })

  test(`${mode}: save writes immediately and only once`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    await one.store.createTable()
    const writes = await countWrites(db)
    const { sid } = await one.get('/save/ISSUER')
    t.equal(await writes(), 1)
    t.match((await one.get('/', sid)).body, { role: 'ISSUER' })
    await one.get('/save/ADMIN', sid)
    t.equal(await writes(), 2)
    t.match((await one.get('/', sid)).body, { role: 'ADMIN' })
  })

  test(`${mode}: a database outage is a 503 and clears no cookie`, async (t) => {
    const db = await schema(t)
    const sid = await signIn(await instance(t, db.url, mode))
    const { get } = await instance(t, 'postgres://user:password@127.0.0.1:1/database', mode)
    for (const path of ['/', '/sign-in/ISSUER', '/destroy', '/regenerate']) {
      const reply = await get(path, sid)
      t.match(reply, { statusCode: 503, body: { code: 'ERR_DATABASE' }, sid: undefined }, path)
      t.notMatch(reply.raw, /ECONN|127\.0\.0\.1|:1\b/, path)
    }
    t.equal((await get('/')).statusCode, 200, 'a guest needs no database')
    t.match(await get('/sign-in/ISSUER'), { statusCode: 503, body: { code: 'ERR_DATABASE' }, sid: undefined })
  })

  test(`${mode}: a request whose row is invalid is a guest`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode)
    const sid = await signIn(one)
    const invalid = [
      '[]',
      '"x"',
      '{"__proto__":{"role":"ADMIN"},"cookie":{}}',
      '{"cookie":{"originalMaxAge":"x"},"role":"ADMIN"}'
    ]
    for (const sess of invalid) {
      await db.query('UPDATE session SET sess = $1', [sess])
      t.match(await one.get('/', sid), { statusCode: 200, body: { role: undefined } }, sess)
    }
  })

  test(`${mode}: the absolute lifetime ends an active session`, async (t) => {
    const db = await schema(t)
    const one = await instance(t, db.url, mode, { absoluteTtl: 1, touchInterval: 0.05 })
    const sid = await signIn(one)
    const { body } = await one.get('/', sid)
    t.ok(about(Number(body['createdAt']) / 1000, Date.now() / 1000))
    for (let i = 0; i < 10; i++) {
      await sleep(110)
      await one.get('/', sid)
    }
    t.notOk((await one.get('/', sid)).body['role'])
  })
}

test('plugins/session.ts: regenerate alone leaves no row', async (t) => {
  const db = await schema(t)
  const one = await instance(t, db.url, 'plugins/session.ts')
  const sid = await signIn(one)
  await one.get('/regenerate-empty', sid)
  t.same(await rows(db), [])
})

test('a value that cannot be stored is a 500 and changes nothing', async (t) => {
  const db = await schema(t)
  const one = await instance(t, db.url, 'rolling')
  const sid = await signIn(one)
  t.equal((await one.get('/bigint', sid)).statusCode, 500)
  t.match((await one.get('/', sid)).body, { role: 'INVESTOR' })
})

test('a cookie without expiry stays so, and its session lives for ttl', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(cookie)
  await fastify.register(fastifySession, {
    cookieName: 'sid', secret: SECRET, store: store, saveUninitialized: false, cookie: { secure: false }
  })
  routes(fastify, store)
  const sid = (await fastify.inject('/sign-in/INVESTOR')).cookies[0]?.value ?? ''
  for (let i = 0; i < 4; i++) {
    await pass(db, TTL * 0.6)
    const reply = await fastify.inject({ url: '/', cookies: { sid } })
    t.match(reply.json(), { role: 'INVESTOR' })
    t.equal(reply.cookies[0]?.expires, undefined)
  }
})
