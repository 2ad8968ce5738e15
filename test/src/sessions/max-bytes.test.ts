import { createRequire } from 'node:module'
import { test } from 'tap'
import { poolOf, rows, schema, session, sessions } from './harness.js'

const require = createRequire(import.meta.url)

/** 70 KB of session, as connect-pg-simple writes it. */
async function writtenByConnectPgSimple (pool: ReturnType<typeof poolOf>): Promise<void> {
  const expressSession: unknown = require('express-session')
  const make: unknown = require('connect-pg-simple')
  const Store = (make as (library: unknown) => new (options: object) => {
    set: (id: string, session: object, callback: (error?: Error | null) => void) => void
    close: () => Promise<void>
  })(expressSession)
  const theirs = new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false })
  await new Promise<void>((resolve, reject) => {
    theirs.set('large', session({ text: 'x'.repeat(70_000), n: 0 }, 900), (error) => {
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
  })
  await theirs.close()
}
const TOO_LONG = { code: 'ERR_SESSION_VALUE', statusCode: 500, message: /longer than \d+ bytes/ }

test('a session may have maxBytes bytes of JSON, and no more', async (t) => {
  const db = await schema(t)
  for (const maxBytes of [200, 1_000_000]) {
    const { set, load, store } = sessions(t, { pool: poolOf(t, db.url), maxBytes })
    const empty = session({ text: '' })
    const room = maxBytes - JSON.stringify(empty).length
    await set('id', session({ text: 'x'.repeat(room) }))
    t.match(await load('id'), { text: 'x'.repeat(room) })
    await t.rejects(set('id', session({ text: 'x'.repeat(room + 1) })), TOO_LONG)
    await t.rejects(set('other', session({ text: `é${'x'.repeat(room - 1)}` })), TOO_LONG, 'bytes, not characters')
    await t.rejects(store.replace('other', session({ text: 'x'.repeat(room + 1) }), ['id']), TOO_LONG)
    await t.rejects(store.put('other', { text: 'x'.repeat(room + 1) }, 60), TOO_LONG)
    const loaded = await load('id')
    await t.rejects(set('id', Object.assign(loaded, { text: 'x'.repeat(room + 1) })), TOO_LONG)
    t.match(await rows(db), [{ sid: 'id' }])
  }
})

test('a row of 70 KB that connect-pg-simple wrote can be read, changed and grown by 1 KiB at a time', async (t) => {
  const db = await schema(t, { table: false })
  const pool = poolOf(t, db.url)
  await writtenByConnectPgSimple(pool)
  const { set, load, touch } = sessions(t, { pool, absoluteTtl: 3600, touchInterval: 0.001 })

  t.equal((await load('large'))['text'], 'x'.repeat(70_000))
  await touch('large', await load('large'))
  await set('large', Object.assign(await load('large'), { n: 1 }))
  t.match(await load('large'), { n: 1, text: 'x'.repeat(70_000) })

  await set('large', Object.assign(await load('large'), { more: 'y'.repeat(900) }))
  await t.rejects(set('large', Object.assign(await load('large'), { more: 'y'.repeat(2000) })), TOO_LONG)
  t.equal((await load('large'))['more'], 'y'.repeat(900), 'what is refused changes nothing')
  await set('large', Object.assign(await load('large'), { more: 'y'.repeat(1800) }))
  await set('large', Object.assign(await load('large'), { text: 'x'.repeat(60_000) }))
  await t.rejects(set('large', Object.assign(await load('large'), { text: 'x'.repeat(66_000) })), TOO_LONG)
})

test('concurrent changes of a row above maxBytes may each add up to 1 KiB', async (t) => {
  const db = await schema(t, { table: false })
  const pool = poolOf(t, db.url)
  await writtenByConnectPgSimple(pool)
  const { set, load } = sessions(t, { pool })
  const [one, two, three] = [await load('large'), await load('large'), await load('large')]
  await set('large', Object.assign(one, { one: 'y'.repeat(900) }))
  await set('large', Object.assign(two, { two: 'y'.repeat(900) }))
  await t.rejects(set('large', Object.assign(three, { three: 'y'.repeat(1100) })), TOO_LONG)
  t.match(await load('large'), { one: 'y'.repeat(900), two: 'y'.repeat(900) })
})
