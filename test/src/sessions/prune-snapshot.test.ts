/**
 * Pruning while another transaction holds an old snapshot, as a backup does: deleted rows are not vacuumed.
 *
 * @module
 */
import pg from 'pg'
import { test, type Test } from 'tap'
import { layoutOf } from '../../../src/sessions/layout-of.js'
import { prune } from '../../../src/sessions/statements/prune.js'
import { TABLE_SHAPE, type TableShape } from '../../../src/sessions/statements/table-shape.js'
import { NOW, poolOf, rows, schema, sessions, type Db } from './harness.js'

/** Rows that expired `seconds` ago, one microsecond apart, or all at the same time. */
const fill = (db: Db, count: number, apart = 1, seconds = 3600, prefix = 'id') => db.query(`
  INSERT INTO session (sid, sess, expire)
    SELECT $1 || n, '{"cookie":{}}', ${NOW} - $2 * interval '1 second' + n * $3 * interval '1 microsecond'
    FROM generate_series(1, $4) AS n`, [prefix, seconds, apart, count])

async function client (t: Test, db: Db): Promise<pg.Client> {
  const one = new pg.Client(db.url)
  await one.connect()
  t.teardown(() => one.end())
  return one
}

/** A transaction that sees the database as it is now, until the test ends. */
async function oldSnapshot (t: Test, db: Db): Promise<void> {
  const holder = await client(t, db)
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM session')
}

interface Plan { 'Node Type': string, 'Shared Hit Blocks': number, 'Shared Read Blocks': number, 'Plans'?: Plan[] }

/** The node and all below it. */
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** The blocks that the search for the oldest rows touches, in every partition, without locking and deletion. */
function blocksOfSearch (plan: Plan): number {
  const limit = nodesOf(plan).find((node) => node['Node Type'] === 'Limit') as Plan
  return nodesOf(limit)
    .filter((node) => node['Node Type'].endsWith('Scan') && node.Plans === undefined)
    .reduce((sum, node) => sum + node['Shared Hit Blocks'] + node['Shared Read Blocks'], 0)
}

/**
 * The blocks that the search of each batch touches, until nothing is left. A batch begins where the last one
 * ended, or, with `begins` false, at the oldest row.
 */
async function blocksPerBatch (t: Test, db: Db, batches: number, begins: boolean): Promise<number[]> {
  const one = await client(t, db)
  const { rows: [found] } = await one.query<{ shape: TableShape }>(TABLE_SHAPE, ['session'])
  const layout = layoutOf('session', found?.shape as TableShape, { userKey: ['user', 'sub'], keys: [] })
  const blocks: number[] = []
  let from: string | null = null
  for (let n = 0; n < batches; n++) {
    const { rows: [row] } = await one.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${prune.text(layout)}`, prune.values({ maxRows: 250, from })
    )
    blocks.push(blocksOfSearch(row?.['QUERY PLAN'][0]?.Plan as Plan))
    // What the store learns from the answer. The rows expire one microsecond after each other.
    const { rows: [next] } = await one.query<{ last: string }>(
      'SELECT (min(expire) - interval \'1 microsecond\')::text AS last FROM session'
    )
    if (begins) from = next?.last ?? null
  }
  return blocks
}

for (const begins of [true, false]) {
  const where = begins ? 'begins where the last one ended' : 'began at the oldest row'
  test(`under an old snapshot, a batch that ${where} touches ${begins ? 'as many' : 'ever more'} blocks`, async (t) => {
    const db = await schema(t)
    await sessions(t, { pool: poolOf(t, db.url) }).store.createTable()
    await fill(db, 10_000)
    await db.query('ANALYZE session')
    await oldSnapshot(t, db)
    const blocks = await blocksPerBatch(t, db, 36, begins)
    const [early = 0, late = 0] = [blocks.slice(1, 6), blocks.slice(-5)]
      .map((some) => some.reduce((sum, n) => sum + n))
    if (begins) t.ok(late < early * 1.5, `${early}, then ${late}`)
    else t.ok(late > early * 2, `${early}, then ${late}`)
  })
}

test('each batch of one prune begins where the last one ended, and the next prune at the oldest row', async (t) => {
  const db = await schema(t)
  const pool = poolOf(t, db.url, { max: 1 })
  const { store } = sessions(t, { pool })
  await store.createTable()
  await fill(db, 600)
  const begins: unknown[] = []
  const connected = await pool.connect()
  const query = connected.query.bind(connected)
  t.intercept(connected, 'query', {
    value: (...args: unknown[]) => {
      const { text = '', values = [] } = args[0] as { text?: string, values?: unknown[] }
      if (text.includes('election')) begins.push(values[1])
      return (query as (...args: unknown[]) => unknown)(...args)
    }
  })
  connected.release()
  const ends = (await db.query(`
    SELECT expire::text AS expire FROM session ORDER BY session.expire`)).map(({ expire }) => expire)

  t.equal(await store.prune(), 600)
  t.same(begins, [null, ends[249], ends[499]])
  await fill(db, 1, 1, 7200, 'older')
  t.equal(await store.prune(), 1)
  t.equal(begins[3], null)
})

for (const held of [false, true]) {
  const how = held ? ' under an old snapshot' : ''

  test(`1,000 rows with the same expiry are removed by one prune${how}`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { pool: poolOf(t, db.url) })
    await store.createTable()
    await fill(db, 1000, 0)
    await fill(db, 300, 1, 1800, 'later')
    if (held) await oldSnapshot(t, db)
    t.equal(await store.prune(), 1300)
    t.same(await rows(db), [])
  })

  test(`locked rows are skipped, and removed by a later prune${how}`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { pool: poolOf(t, db.url) })
    await store.createTable()
    await fill(db, 600)
    await fill(db, 300, 0, 1800, 'same')
    if (held) await oldSnapshot(t, db)
    const locker = await client(t, db)
    await locker.query(`BEGIN; SELECT FROM session WHERE sid IN ('id1', 'id250', 'id251', 'id600', 'same7') FOR UPDATE`)
    t.equal(await store.prune(), 895)
    t.same((await rows(db)).map(({ sid }) => sid), ['id1', 'id250', 'id251', 'id600', 'same7'])
    t.equal(await store.prune(), 0)
    await locker.query('ROLLBACK')
    t.equal(await store.prune(), 5)
  })

  test(`rows that expire while a prune runs are removed by it, or by the next${how}`, async (t) => {
    const db = await schema(t)
    const { store } = sessions(t, { pool: poolOf(t, db.url) })
    await store.createTable()
    await fill(db, 1000)
    await fill(db, 400, 1000, 0, 'soon') // within 0.4 s
    await db.query(`
      INSERT INTO session (sid, sess, expire) VALUES ('live', '{"cookie":{}}', ${NOW} + interval '1 hour')`)
    if (held) await oldSnapshot(t, db)
    const first = await store.prune()
    t.ok(first >= 1000, `${first}`)
    await db.query('SELECT pg_sleep(0.5)')
    t.equal(first + await store.prune(), 1400)
    t.same((await rows(db)).map(({ sid }) => sid), ['live'])
  })
}
