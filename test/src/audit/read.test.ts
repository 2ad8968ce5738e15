import { test, type Test } from 'tap'
import { AuditTrail } from '../../../src/audit/read.js'
import { PgSessionStore } from '../../../src/sessions/index.js'
import { database } from '../../support/database.js'
import { poolOf } from '../sessions/harness.js'

/** An audit trail with these many events of alice and of bob, in turn. */
async function trail (t: Test, pairs: number) {
  const db = await database(t)
  const store = new PgSessionStore({ conString: db.url, pruneSessionInterval: false, events: {} })
  t.teardown(() => store.close())
  await store.createTable()
  await db.query(`INSERT INTO auth_event (type, sub, role, session, ip, device, actor, reason, request_id)
    SELECT 'sign_in', s, 'INVESTOR', 'session' || n, '192.0.2.' || n % 250, 'Firefox on Linux', NULL, NULL, 'r' || n
    FROM generate_series(1, $1::int) AS n, unnest(ARRAY['alice', 'bob']) AS s
    ORDER BY n, s`, [pairs])
  return { db, audit: new AuditTrail(poolOf(t, db.url)) }
}

test('list gives the latest events first, by user and page by page', async (t) => {
  const { audit } = await trail(t, 60)

  t.equal((await audit.list()).length, 100)
  const first = await audit.list({ user: 'alice', limit: 40 })
  const second = await audit.list({ user: 'alice', limit: 40, before: first.at(-1)?.id })
  t.same([first.length, second.length], [40, 20])
  t.ok([...first, ...second].every(({ sub }) => sub === 'alice'))
  const requests = [...first, ...second].map(({ requestId }) => requestId)
  t.same(requests, Array.from({ length: 60 }, (_, i) => `r${60 - i}`))
  t.match((await audit.list({ limit: 3, before: first.at(-1)?.id })).map(({ sub }) => sub), ['bob', 'alice', 'bob'])
  t.match(first[0], {
    id: /^\d+$/, at: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, type: 'sign_in', sub: 'alice', role: 'INVESTOR',
    session: 'session60', ip: '192.0.2.60', device: 'Firefox on Linux', actor: null, reason: null, requestId: 'r60',
    count: 1
  })
  t.same(await audit.list({ user: 'carol' }), [])
})

test('export gives every event of a user, the first one first', async (t) => {
  const { audit } = await trail(t, 150)
  const exported = (await audit.export('bob')).map(({ requestId }) => requestId)
  t.same(exported, Array.from({ length: 150 }, (_, i) => `r${i + 1}`))
})

test('erase leaves no row that names the person, in batches, and keeps what happened', async (t) => {
  const { db, audit } = await trail(t, 2300)

  t.equal(await audit.erase('alice'), 2300)

  t.same(await audit.export('alice'), [])
  const [erased] = await db.query(`SELECT count(*)::int AS rows, min(type) AS type, min(role) AS role
    FROM auth_event WHERE sub IS NULL AND session IS NULL AND ip IS NULL AND device IS NULL AND request_id IS NULL`)
  t.same(erased, { rows: 2300, type: 'sign_in', role: 'INVESTOR' })
  t.equal((await audit.export('bob')).length, 2300)
  t.equal(await audit.erase('alice'), 0)
})

test('a page of a user and the oldest events are found by indexes', async (t) => {
  const { db } = await trail(t, 10_000)
  await db.query('ANALYZE auth_event')
  const plan = async (sql: string) => JSON.stringify(await db.query(`EXPLAIN ${sql}`))
  t.match(await plan('SELECT FROM auth_event WHERE sub = \'carol\' ORDER BY id DESC LIMIT 10'), /auth_event_sub_id_idx/)
  t.match(await plan('SELECT FROM auth_event WHERE at < now() - interval \'90 days\' ORDER BY at LIMIT 250'),
    /auth_event_at_idx/)
})
