import { test } from 'tap'
import { pooled } from '../../support/pgbouncer.js'
import { poolOf, schema, session, sessions } from './harness.js'

/** What requests do, thirty at a time. */
async function use ({ set, load, touch, destroy, get }: ReturnType<typeof sessions>, prefix: string): Promise<void> {
  await Promise.all(Array.from({ length: 30 }, async (_, i) => {
    const id = `${prefix}${i}`
    await set(id, session({ n: i }, 600))
    const loaded = await load(id)
    loaded['changed'] = true
    await set(id, loaded)
    await touch(id, session({}, 900))
    if ((await load(id))['changed'] !== true) throw new Error('a change is lost')
    await destroy(id)
    if (await get(id) !== null) throw new Error('a session is still there')
  }))
}

test('preparedStatements: every statement works repeatedly', async (t) => {
  const db = await schema(t)
  const store = sessions(t, {
    pool: poolOf(t, db.url),
    preparedStatements: true,
    hashIds: 'a key of the tests, of 32 bytes or more',
    absoluteTtl: 3600
  })
  // PostgreSQL may use a generic plan from the sixth round on.
  for (const round of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await use(store, round)
  t.same(await db.query('SELECT sid FROM session'), [])
})

if (!pooled) {
  test('preparedStatements: nothing is prepared by default', async (t) => {
    const db = await schema(t)
    const prepared = async (options: { preparedStatements?: boolean }) => {
      const pool = poolOf(t, db.url, { max: 1 })
      await use(sessions(t, { pool, ...options }), 'id')
      return Number((await pool.query<{ n: string }>('SELECT count(*) AS n FROM pg_prepared_statements')).rows[0]?.n)
    }
    t.equal(await prepared({}), 0)
    t.ok(await prepared({ preparedStatements: true }) > 4)
  })

  test('preparedStatements: a lost statement ends their use, not the call', async (t) => {
    const db = await schema(t)
    const pool = poolOf(t, db.url, { max: 1 })
    const store = sessions(t, { pool, preparedStatements: true })
    await use(store, 'a')
    await pool.query('DEALLOCATE ALL')

    await use(store, 'b')

    t.same((await pool.query('SELECT name FROM pg_prepared_statements')).rows, [])
  })

  test('preparedStatements: an unknown statement ends their use, not the call', async (t) => {
    const db = await schema(t)
    const [one, other] = [poolOf(t, db.url, { max: 1 }), poolOf(t, db.url, { max: 1 })]
    await use(sessions(t, { pool: one, preparedStatements: true }), 'a')
    const { rows: before } = await one.query<{ name: string }>('SELECT name FROM pg_prepared_statements ORDER BY 1')
    for (const { name } of before) await other.query(`PREPARE ${name} AS SELECT 1`)

    await use(sessions(t, { pool: other, preparedStatements: true }), 'b')

    t.same((await other.query('SELECT name FROM pg_prepared_statements ORDER BY 1')).rows, before)
  })
}

test('preparedStatements: stores of several tables may share connections', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url, { max: 1 })
  const one = sessions(t, { pool, preparedStatements: true })
  const other = sessions(t, { pool, preparedStatements: true, tableName: 'other' })
  await one.set('id', session({ of: 'one' }))
  t.equal(await other.get('id'), null)
  await other.set('id', session({ of: 'other' }))
  t.match([await one.load('id'), await other.load('id')], [{ of: 'one' }, { of: 'other' }])
})
