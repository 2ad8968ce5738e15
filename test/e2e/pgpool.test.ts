/**
 * Behind pgpool-II with load balancing, in front of a standby that is a second behind: what the store reads comes from
 * the primary. Needs the Debian packages pgpool2 and postgresql-15.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { test } from 'tap'
import { PgSessionStore } from '../../src/sessions/index.js'
import { startPgPool } from '../support/pgpool.js'

const BIN = process.env['TEST_POSTGRES_BIN'] ?? '/usr/lib/postgresql/15/bin'
const DELAY_MS = 1000
const ROUNDS = 25

const ids = Array.from({ length: ROUNDS }, (_, i) => `id ${i}`)
const right = { get: ROUNDS, batch: ROUNDS, list: ROUNDS, all: ROUNDS, count: ROUNDS }

test('Behind pgpool-II, everything is read from the primary', async (t) => {
  const { url, standbyUrl } = await startPgPool(t, BIN, DELAY_MS)

  for (const preparedStatements of [false, true]) {
    await t.test(`preparedStatements: ${preparedStatements}`, async (t) => {
      const store = new PgSessionStore({ conString: url, preparedStatements, pruneSessionInterval: false })
      t.teardown(() => store.close())
      const { set, get, destroy, length, all } = store.promises
      await store.createTable()
      await sleep(2 * DELAY_MS)

      /** How many of the reads after each change were right. */
      const rightAfter = async (change: (id: string) => Promise<unknown>, isThere: boolean) => {
        const counts: Record<string, number> = { ...right }
        for (const [i, id] of ids.entries()) {
          await change(id)
          const total = isThere ? i + 1 : ROUNDS - i - 1
          const reads = {
            get: (await get(id) !== null) === isThere,
            batch: ((await Promise.all([get(id), get('other')]))[0] !== null) === isThere,
            list: (await store.listByUser(id)).length === Number(isThere),
            all: (await all()).length === total,
            count: await length() === total
          }
          for (const [name, isRight] of Object.entries(reads)) if (!isRight) counts[name] = (counts[name] ?? 0) - 1
        }
        return counts
      }
      const begin = (id: string) => set(id, { cookie: { originalMaxAge: null, expires: null }, user: { sub: id } })
      t.same(await rightAfter(begin, true), right, 'a new session is found')
      await sleep(2 * DELAY_MS)
      t.same(await rightAfter((id) => destroy(id), false), right, 'an ended session is not found')
      await t.resolves(store.ping(), 'the probe asks the primary')
    })
  }

  const pool = new pg.Pool({ connectionString: url }).on('error', () => {})
  const { rows } = await pool.query('SELECT current_setting(\'transaction_read_only\') AS value')
  await pool.end()
  t.same(rows, [{ value: 'on' }], 'other reads are balanced')
  const standby = new PgSessionStore({ conString: standbyUrl, pruneSessionInterval: false })
  t.teardown(() => standby.close())
  await t.rejects(standby.ping(), { cause: { message: /read-only/ } }, 'the probe would notice the standby')
})
