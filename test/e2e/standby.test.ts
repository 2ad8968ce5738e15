/**
 * A primary and a streaming standby that applies what it receives a second later. Needs the Debian packages pgpool2 and
 * postgresql-15.
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

/** Everything that ends the session `id`. */
const ENDS: Record<string, (store: PgSessionStore, id: string) => Promise<unknown>> = {
  'destroy': (store, id) => store.promises.destroy(id),
  'several destroys': (store, id) => Promise.all([store.promises.destroy(id), store.promises.destroy('other')]),
  'consume': (store, id) => store.consume(id),
  'consume with a reason': (store, id) => store.consume(id, { reason: 'signed_out' }),
  'destroyByUser': (store, id) => store.destroyByUser(id),
  'destroyByUser with a reason': (store, id) => store.destroyByUser(id, { reason: 'ended_elsewhere' }),
  'replace': (store, id) => store.replace(`${id} again`, { cookie: {} }, [id]),
  'clear': (store) => store.promises.clear()
}

test('With endCommit, a session that has ended has ended on the standby, too', async (t) => {
  const { primaryUrl, standbyUrl } = await startPgPool(t, BIN, DELAY_MS)
  const [primary, standby] = [primaryUrl, standbyUrl]
    .map((connectionString) => new pg.Pool({ connectionString, max: 1 }).on('error', () => {}))
  t.teardown(() => Promise.all([primary?.end(), standby?.end()]))
  // Everything else waits for nothing.
  await primary?.query('ALTER SYSTEM SET synchronous_standby_names = \'*\'')
  await primary?.query('ALTER SYSTEM SET synchronous_commit = local')
  await primary?.query('SELECT pg_reload_conf()')
  const isOnStandby = async (id: string): Promise<boolean> =>
    (await standby?.query('SELECT FROM session WHERE sid = $1', [id]))?.rowCount === 1
  const stores = (['default', 'remote_apply'] as const).map((endCommit) => {
    const store = new PgSessionStore({ conString: primaryUrl, endCommit, pruneSessionInterval: false })
    t.teardown(() => store.close())
    return { endCommit, store }
  })
  await stores[0]?.store.createTable()

  for (const [what, end] of Object.entries(ENDS)) {
    for (const { endCommit, store } of stores) {
      const id = `${what} ${endCommit}`
      const beganMs = performance.now()
      await store.promises.set(id, { cookie: { originalMaxAge: null, expires: null }, user: { sub: id } })
      t.ok(performance.now() - beganMs < DELAY_MS, 'a sign-in waits for nothing')
      await sleep(1.5 * DELAY_MS)
      t.equal(await isOnStandby(id), true)
      await end(store, id)
      t.equal(await isOnStandby(id), endCommit === 'default', id)
    }
  }
})
