import original from 'connect-pg-simple'
import expressSession from 'express-session'
import { test } from 'tap'
import { agent } from '../../support/agent.js'
import { about, poolOf, rows, schema, sessions } from './harness.js'
import { libraries } from './libraries.js'

/** In seconds. */
const ABSOLUTE_TTL = 3600

test('a session of another store that is only read ends with the absolute lifetime', async (t) => {
  const db = await schema(t)
  const { store } = sessions(t, { conString: db.url, absoluteTtl: ABSOLUTE_TTL, touchInterval: 1 })
  await store.createTable()
  const pool = poolOf(t, db.url, { max: 2 })
  const before = new (original(expressSession))({ pool, pruneSessionInterval: false })
  const handlers = {
    '/in': ({ session: one }: { session: Record<string, unknown> }) => { one['user'] = 'alice' },
    '/': ({ session: one }: { session: Record<string, unknown> }) => ({ user: one['user'] })
  }
  const old = agent(await libraries['express-session'](t, { store: before as never, handlers }))
  await old('/in')
  const visit = agent(await libraries['express-session'](t, { store, handlers }))
  for (const [name, value] of old.cookies) visit.cookies.set(name, value)

  await db.query('UPDATE session SET expire = expire - interval \'5 minutes\'')
  t.same((await visit('/')).json, { user: 'alice' })

  const [row] = await rows(db)
  const stored = JSON.parse(row?.sess ?? '{}') as { '~store'?: { created: number } }
  const created = stored['~store']?.created ?? 0
  t.ok(about(created / 1000, Date.now() / 1000))
  t.ok(about((await rows(db))[0]?.left, 900))
  t.same((await visit('/')).json, { user: 'alice' })
})
