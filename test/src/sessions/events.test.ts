import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { RecordedEvent } from '../../../src/sessions/index.js'
import { PgSessionStore, type PgSessionStoreOptions } from '../../../src/sessions/store.js'
import { cuttingProxy } from '../../support/cutting-proxy.js'
import { database } from '../../support/database.js'
import { consumeStartedBefore } from '../../../src/sessions/statements/consume-started-before.js'
import { scans } from './plan.js'
import { poolOf, rows, schema, session, sessions, type Db } from './harness.js'

const KEY = 'a test key of 32 bytes or more, for ids'
const KINDS = [['plain ids', false], ['hashed ids', KEY]] as const

/** A store that records events, and the events that it told. */
function recording (t: Test, options: PgSessionStoreOptions) {
  const told: RecordedEvent[] = []
  return { told, ...sessions(t, { events: { onEvent: (event) => { told.push(event) } }, ...options }) }
}

/** The rows of the table of events, the first one first. */
const events = (db: Db, table = 'auth_event') =>
  db.query(`SELECT type, sub, role, session, ip, device, actor, reason, request_id, count FROM ${table} ORDER BY id`)

const of = (sub: string, role = 'INVESTOR') => session({ user: { sub }, role })

for (const [kind, hashIds] of KINDS) {
  test(`${kind}: a new session, its end and what a statement says of both are one row each`, async (t) => {
    const db = await schema(t)
    const { store, told } = recording(t, { conString: db.url, hashIds })
    const started = { type: 'sign_in', ip: '192.0.2.1', device: 'Firefox on Linux', requestId: 'r1' }

    await store.replace('one', of('alice'), [], { events: { started } })
    const [listed] = await store.listByUser('alice')
    await store.replace('two', of('alice'), ['one'], {
      events: { started: { type: 'sign_in' }, replaced: { type: 'ended', actor: 'user', reason: 'replaced' } }
    })
    await store.consume('two', { reason: 'signed_out', events: [{ type: 'sign_out' }, { type: 'other' }] })

    const recorded = await events(db)
    t.same(recorded[0], {
      type: 'sign_in', sub: 'alice', role: 'INVESTOR', session: listed?.id, ip: '192.0.2.1', device: 'Firefox on Linux',
      actor: null, reason: null, request_id: 'r1', count: 1
    })
    const types = recorded.slice(1).map(({ type, reason, sub }) => [type, reason, sub].join(' '))
    t.same(types.sort(), ['ended replaced alice', 'other  alice', 'sign_in  alice', 'sign_out  alice'])
    t.equal(recorded.find(({ type }) => type === 'ended')?.session, listed?.id)
    t.same(told.map(({ type, session }) => [type, session]), recorded.map(({ type, session }) => [type, session]))
    t.ok(told.every(({ id, at }) => /^\d+$/.test(id) && Math.abs(Date.parse(at) - Date.now()) < 60_000))
  })

  test(`${kind}: sessions that end by user, by public id and by a limit are recorded`, async (t) => {
    const db = await schema(t)
    const { store } = recording(t, { pool: poolOf(t, db.url), hashIds, absoluteTtl: 3600 })
    const begin = async (id: string) => store.replace(id, of('alice'), [], { events: { started: { type: 'sign_in' } } })
    const ended = (reason: string) => ({ reason, events: [{ type: 'ended', reason }] })
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await begin(id)
    const publicId = (id: string) => store.publicIds(id)[0]

    await store.consumeOfUser('alice', publicId('a') ?? '', ended('one'))
    await store.consumeByUser('alice', { except: 'f', ...ended('others') })
    await store.replaceWithin(
      { user: 'alice', max: 1, roles: { except: [] }, reason: 'replaced' }, 'g', of('alice'), [],
      { events: { started: { type: 'sign_in' }, surplus: { type: 'ended', reason: 'limit' } } }
    )
    await store.destroyByUser('alice', ended('operator'))

    const found = (await events(db)).filter(({ type }) => type === 'ended')
    const of_ = (reason: string) =>
      found.filter((row) => row.reason === reason).map((row) => row.session).sort()
    t.same(of_('one'), [publicId('a')])
    t.same(of_('others'), ['b', 'c', 'd', 'e'].map(publicId).sort())
    t.same(of_('limit'), [publicId('f')])
    t.same(of_('operator'), [publicId('g')])
  })
}

test('a refused session records nothing, and none of what was live ends', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url })
  await store.replace('one', of('alice'), [], { events: { started: { type: 'sign_in' } } })

  const { isRefused } = await store.replaceWithin(
    { user: 'alice', max: 1, roles: { except: [] }, reason: null }, 'two', of('alice'), [],
    { events: { started: { type: 'sign_in' }, surplus: { type: 'ended' } } }
  )

  t.ok(isRefused)
  t.equal((await events(db)).length, 1)
})

test('sessions of guests, expired and unknown ones record nothing', async (t) => {
  const db = await schema(t)
  const { store, set } = recording(t, { conString: db.url })
  await store.replace('guest', session({ basket: 'full' }), [], { events: { started: { type: 'sign_in' } } })
  await set('expired', { cookie: { originalMaxAge: 1, expires: new Date(0) }, user: { sub: 'alice' } })
  const options = { reason: 'x', events: [{ type: 'ended' }] }

  for (const id of ['guest', 'expired', 'unknown']) await store.consume(id, options)
  t.equal(await store.destroyByUser('alice', options), 0)
  t.same(await events(db), [])
})

test('options of events are checked, and named', (t) => {
  const refusal = (events: object) => {
    try {
      void new PgSessionStore({ conString: 'postgres://127.0.0.1:1/x', events }).close()
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(refusal({ tableName: '' }), 'PgSessionStore: events.tableName must be a text that is not empty')
  t.equal(refusal({ maxAge: 0 }), 'PgSessionStore: events.maxAge must be a number of seconds above 0')
  t.equal(refusal({ onEvent: 'log' }), 'PgSessionStore: events.onEvent must be a function')
  t.equal(refusal({ table: 'x' }), 'PgSessionStore: events has no option table')
  t.equal(refusal({}), undefined)
  t.end()
})

test('concurrent sign-ins record one event each', async (t) => {
  const db = await schema(t)
  const { store, told } = recording(t, { pool: poolOf(t, db.url) })
  const ids = Array.from({ length: 200 }, (_, i) => `id${i}`)

  await Promise.all(ids.map(async (id) =>
    store.replace(id, of(id), [], { events: { started: { type: 'sign_in', requestId: `r-${id}` } } })))

  const recorded = await events(db)
  t.equal(recorded.length, 200)
  t.equal(told.length, 200)
  t.ok(recorded.every(({ sub, request_id: request }) => request === `r-${sub as string}`))
})

for (const moment of ['before', 'after'] as const) {
  test(`a statement whose connection is cut ${moment} it ran leaves both rows or neither`, async (t) => {
    const db = await database(t)
    const proxy = await cuttingProxy(t, db.url)
    const { store, told } = recording(t, { conString: proxy.url })
    await store.createTable()
    const ran = moment === 'after' ? 1 : 0
    const left = async () => [(await rows(db)).length, (await events(db)).length]

    let cut = proxy.cut(/INSERT INTO "session"/, moment)
    await t.rejects(store.replace('one', of('alice'), [], { events: { started: { type: 'sign_in' } } }))
    await cut
    t.same(await left(), [ran, ran])
    t.same(told, [], 'nothing is told before it is known')

    await db.query('DELETE FROM session; DELETE FROM auth_event')
    await store.replace('two', of('alice'), [])
    cut = proxy.cut(/DELETE FROM "session"/, moment)
    await t.rejects(store.consume('two', { events: [{ type: 'sign_out' }] }))
    await cut
    t.same(await left(), [1 - ran, ran])
  })
}

test('a statement that fails leaves neither the session nor its event', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url })
  await store.createTable()
  await db.query('ALTER TABLE auth_event ADD CHECK (type <> \'refused by the table\')')
  const started = { type: 'refused by the table' }

  await t.rejects(store.replace('one', of('alice'), [], { events: { started } }), { code: 'ERR_DATABASE' })
  await store.replace('two', of('alice'), [])
  await t.rejects(store.replace('three', of('alice'), ['two'], { events: { started } }), { code: 'ERR_DATABASE' })
  await t.rejects(store.consume('two', { events: [started] }), { code: 'ERR_DATABASE' })
  await t.rejects(store.destroyByUser('alice', { events: [started] }), { code: 'ERR_DATABASE' })

  t.same((await rows(db)).map(({ sid }) => sid), ['two'])
  t.same(await events(db), [])
})

test('events of no session are recorded as they are given, and texts are cleaned and cut', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url })
  const [row] = await store.recordEvents([
    { type: 'refused', user: 'alice', role: 'ADMIN', device: `a\0\n\ud800${'x'.repeat(300)}`, count: 7 }
  ])
  t.match(row, { type: 'refused', sub: 'alice', role: 'ADMIN', session: null, count: 7 })
  t.equal(row?.device, `a${'x'.repeat(196)}`)
  t.same(await store.recordEvents([]), [])
  t.equal((await events(db)).length, 1)
})

test('without the option events no table is made, and events are refused', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url })
  await store.replace('one', of('alice'), [])
  const options = { reason: 'x', events: [{ type: 'ended' }] }

  t.same(await db.query('SELECT to_regclass(\'auth_event\') AS found'), [{ found: null }])
  await t.rejects(store.replace('two', of('alice'), [], { events: {} }), TypeError)
  await t.rejects(store.consume('one', options), TypeError)
  await t.rejects(store.destroyByUser('alice', options), TypeError)
  await t.rejects(store.recordEvents([{ type: 'refused' }]), TypeError)
  t.equal((await rows(db)).length, 1)
})

test('instances that start together create the table of events once', async (t) => {
  for (let round = 0; round < 3; round++) {
    const db = await database(t)
    const stores = Array.from({ length: 8 }, () => recording(t, { pool: poolOf(t, db.url, { max: 1 }) }))
    await Promise.all(stores.map(({ store }) => store.createTable()))
    const indexes = await db.query('SELECT indexname FROM pg_indexes WHERE tablename = \'auth_event\' ORDER BY 1')
    t.same(indexes.map(({ indexname }) => String(indexname)), [
      'auth_event_at_idx', 'auth_event_pkey', 'auth_event_sub_id_idx'
    ])
  }
})

test('the table of events may have another name, and is made again when it is dropped', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url, events: { tableName: 'The "trail"' } })
  await store.replace('one', of('alice'), [], { events: { started: { type: 'sign_in' } } })
  t.equal((await events(db, '"The ""trail"""')).length, 1)

  await db.query('DROP TABLE "The ""trail"""')
  await store.replace('two', of('alice'), [], { events: { started: { type: 'sign_in' } } })
  t.equal((await events(db, '"The ""trail"""')).length, 1)
})

/** The URL of `db` for a new role that may use the session table, and has these privileges. */
async function role (t: Test, db: Db, ...grants: string[]): Promise<string> {
  const name = `r${process.pid}_${Math.floor(Math.random() * 1e9)}`
  await db.query(`CREATE ROLE ${name} LOGIN PASSWORD 'test'`)
  t.teardown(async () => { await db.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`) })
  await db.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC') // as since PostgreSQL 15
  for (const grant of ['SELECT, INSERT, UPDATE, DELETE ON session', ...grants]) {
    await db.query(`GRANT ${grant} TO ${name}`)
  }
  return Object.assign(new URL(db.url), { username: name, password: 'test' }).href
}

test('a role that may not create the table of events is told the SQL, and with it the table can be used', async (t) => {
  const db = await database(t)
  await sessions(t, { conString: db.url }).store.createTable()
  const url = await role(t, db)
  const problem = async () => {
    const error: unknown = await recording(t, { conString: url }).store.createTable().catch((thrown: unknown) => thrown)
    return (error as Error | undefined)?.cause as Error | undefined
  }

  const missing = await problem()
  t.equal(missing?.name, 'EventTableError')
  t.match(missing?.message, /^table "auth_event" is missing, and the role may not create it\. Run as its owner:\n/)
  await db.query(missing?.message.split('\n').slice(1).join('\n') ?? '')

  const forbidden = await problem()
  t.match(forbidden?.message, /^the role lacks SELECT, INSERT, DELETE on table "auth_event"\. Run:\nGRANT /)
  await db.query(forbidden?.message.split('\n')[1] ?? '')

  const { store } = recording(t, { conString: url, events: { maxAge: 60 } })
  await store.replace('one', of('alice'), [], { events: { started: { type: 'sign_in' } } })
  await db.query('UPDATE auth_event SET at = now() - interval \'2 minutes\'')
  await store.prune()
  t.same(await events(db), [])
})

test('a table of that name with other columns is refused by their names', async (t) => {
  const db = await schema(t)
  await db.query('CREATE TABLE auth_event (id bigint, at timestamptz, type text)')
  const { store } = recording(t, { conString: db.url })
  const error: unknown = await store.createTable().catch((thrown: unknown) => thrown)
  t.match((error as { cause: Error }).cause.message, /^table "auth_event" has no column sub, role, session, ip, /)
})

test('events are pruned with the sessions when they are older than maxAge, in batches', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url, events: { maxAge: 86_400 } })
  await store.createTable()
  await db.query(`INSERT INTO auth_event (at, type)
    SELECT now() - interval '2 days', 'old' FROM generate_series(1, 600)`)
  await db.query('INSERT INTO auth_event (at, type) SELECT now() - interval \'23 hours\', \'young\'')

  t.equal(await store.prune(), 0, 'sessions are counted')
  t.same((await events(db)).map(({ type }) => type), ['young'])
})

test('without maxAge events are kept', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url, events: {} })
  await store.createTable()
  await db.query('INSERT INTO auth_event (at, type) VALUES (now() - interval \'20 years\', \'old\')')
  await store.prune()
  t.equal((await events(db)).length, 1)
})

test('a listener of events that fails does not fail the call', async (t) => {
  const db = await schema(t)
  const { store, logged } = sessions(t, { conString: db.url, events: { onEvent: () => { throw new Error('no') } } })
  await store.replace('one', of('alice'), [], { events: { started: { type: 'sign_in' } } })
  t.same(logged.map(({ message }) => message), ['A listener of events failed'])
})

/** Milliseconds since 1970 on the database's clock. */
const now = async (db: Db) => Number((await db.query('SELECT extract(epoch FROM now()) * 1000 AS now'))[0]?.['now'])

test('consumeStartedBefore ends what had started by then, and nothing that is newer', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url, absoluteTtl: 3600 })
  const signedIn = async (id: string, authTime?: number) =>
    store.replace(id, session({ user: { sub: 'alice' }, ...(authTime === undefined ? {} : { authTime }) }), [])
  const live = async () => (await store.listByUser('alice')).length
  const end = async (ms: number, toleranceMs = 0) =>
    (await store.consumeStartedBefore('alice', { ms, toleranceMs }, { events: [{ type: 'ended' }] })).length
  const startMs = await now(db)
  const second = Math.floor(startMs / 1000)

  await signedIn('older')
  await sleep(5)
  const betweenMs = await now(db)
  await sleep(5)
  await signedIn('newer')
  t.equal(await end(betweenMs), 1)
  t.equal(await end(betweenMs), 0, 'again')
  t.equal(await end(betweenMs, 30_000), 1, 'within the tolerance')

  await signedIn('at the provider later', second + 2)
  await signedIn('at the provider earlier', second - 2)
  await signedIn('at the provider in that second', second)
  t.equal(await end(second * 1000, 30_000), 2)
  t.equal(await live(), 1)
  t.same((await events(db)).map(({ type }) => type), ['ended', 'ended', 'ended', 'ended'])
})

test('consumeStartedBefore with roles ends sessions that have one of them', async (t) => {
  const db = await schema(t)
  const { store } = recording(t, { conString: db.url, absoluteTtl: 3600 })
  const contents = [
    { role: 'ADMIN' }, { role: 'INVESTOR', roles: ['INVESTOR', 'ADMIN'] }, { role: 'INVESTOR', roles: ['INVESTOR'] },
    { roles: 'ADMIN' }, {}, { role: 'ISSUER', roles: [], note: 'half a \ud800' }
  ]
  for (const [i, content] of contents.entries()) {
    await store.replace(`id${i}`, session({ user: { sub: 'alice' }, ...content }), [])
  }
  const before = { ms: await now(db), toleranceMs: 1000 }

  t.same(await store.consumeStartedBefore('alice', before, { roles: [] }), [])
  const ended = await store.consumeStartedBefore('alice', before, { roles: ['ADMIN', 'OTHER'] })
  t.equal(ended.length, 2)
  t.ok(ended.every(({ session: { role, roles } }) => role === 'ADMIN' || String(roles).includes('ADMIN')))
  t.equal((await store.listByUser('alice')).length, 4)
  t.same(await store.consumeStartedBefore('bob', before), [])
})

test('consumeStartedBefore finds the sessions of a user by an index', async (t) => {
  const db = await schema(t, { table: false })
  const { store } = recording(t, { conString: db.url })
  await store.replace('id', of('alice'), [])
  await db.query(`INSERT INTO session (sid, sess, expire)
    SELECT 'other' || n,
      json_build_object('user', json_build_object('sub', n::text)),
      timezone('utc', now()) + interval '1 day'
    FROM generate_series(1, 20000) AS n`)
  await db.query('ANALYZE session')

  const input = { user: 'alice', beforeMs: await now(db), toleranceMs: 0, roles: ['ADMIN'], reason: null }
  const found = await scans(db, consumeStartedBefore, input)
  t.ok(found.length > 0)
  t.same(found.filter(({ how }) => how === 'Seq Scan'), [])
})
