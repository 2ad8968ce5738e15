import { test } from 'tap'
import { all } from '../../../src/sessions/statements/all.js'
import { listByUser } from '../../../src/sessions/statements/by-user.js'
import { count } from '../../../src/sessions/statements/count.js'
import { get, getOne } from '../../../src/sessions/statements/get.js'
import { ping } from '../../../src/sessions/statements/ping.js'
import { schema, sessions } from './harness.js'
import { LAYOUT } from './plan.js'

const reads = { get, getOne, all, count, listByUser, ping }

test('every read calls a volatile function, which sends it to the primary', async (t) => {
  const db = await schema(t, { table: false })
  await sessions(t, { conString: db.url }).store.createTable()
  const functions = await db.query('SELECT provolatile FROM pg_proc WHERE proname = \'clock_timestamp\'')
  t.same(functions, [{ provolatile: 'v' }])
  for (const [name, { text, isRead }] of Object.entries(reads)) {
    t.equal(isRead, true, name)
    t.match(text(LAYOUT), /^\s*SELECT [^]*clock_timestamp\(\)[^]*FROM/, name)
  }
})

test('a session is read by its primary key, and a user\'s sessions by their index', async (t) => {
  const db = await schema(t, { table: false })
  await sessions(t, { conString: db.url }).store.createTable()
  await db.query(`
    INSERT INTO session (sid, sess, expire)
    SELECT 'id ' || i, json_build_object('user', json_build_object('sub', 'user ' || i)), now() + interval '1 day'
    FROM generate_series(1, 5000) AS i`)
  await db.query('ANALYZE session')
  const planOf = async (text: string, value: unknown): Promise<string> => {
    const rows = await db.query(`EXPLAIN (VERBOSE) ${text}`, [value])
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const byKey = /Index Scan (using|on) session_pkey [^]*Index Cond: .*sid/
  t.match(await planOf(reads.getOne.text(LAYOUT), 'id 1'), byKey)
  t.match(await planOf(reads.get.text(LAYOUT), ['id 1', 'id 2']), byKey)
  t.match(await planOf(reads.listByUser.text(LAYOUT), 'user 1'), /Index Scan using "IDX_session_user_sub"/)
})
