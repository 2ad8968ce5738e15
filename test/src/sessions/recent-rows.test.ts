import { test } from 'tap'
import { LoadedRow } from '../../../src/sessions/loaded.js'
import { RecentRows } from '../../../src/sessions/recent-rows.js'
import { schema, session, sessions } from './harness.js'

/** A row of this session with some content, which is new at every call. */
const row = (sid: string, content: string): LoadedRow => new LoadedRow({
  table: 'table', sid, version: '1', expireMs: 0, nowMs: 0, createdMs: null, isCreatedStored: false,
  sess: JSON.stringify({ cookie: {}, content }), lifetimeMs: null, cookieExpiresMs: 1000
})

const copyOf = (content: string) => ({ cookie: { expires: new Date(1000) }, content })

test('Rows are kept by their size', (t) => {
  const recent = new RecentRows()
  const long = 'x'.repeat(60_000)
  const rows = Array.from({ length: 1000 }, (_, index) => row(`sid-${index}`, long))
  for (const one of rows) recent.add(one)

  const kept = rows.filter((one) => recent.originalOf(copyOf(long), [one.sid]) === one)
  const chars = kept.reduce((sum, one) => sum + one.sess.length, 0)
  t.ok(chars < 20_000_000, `${chars} characters`)
  t.ok(chars > 5_000_000, `${chars} characters`)
  t.equal(kept.at(-1), rows.at(-1))
  t.end()
})

test('Many rows of one session count once each', (t) => {
  const recent = new RecentRows()
  const small = row('small', 'text')
  recent.add(small)
  const long = 'x'.repeat(60_000)
  for (let i = 0; i < 1000; i++) recent.add(row('long', long))

  t.equal(recent.originalOf(copyOf('text'), ['small']), small)
  t.end()
})

test('A copy is known however often its row was loaded meanwhile, and however much it was changed', (t) => {
  const recent = new RecentRows()
  const first = row('sid', 'first')
  recent.add(first)
  const load = (cookieExpiresMs: number) =>
    recent.add(new LoadedRow({ ...first, cookieExpiresMs }))
  for (let jitterMs = -50; jitterMs <= 50; jitterMs++) load(1000 + jitterMs)
  const copyOf = (ms: number) => ({ cookie: { expires: new Date(ms) }, content: 'changed' })

  for (const ms of [950, 1000, 1050]) t.equal(recent.originalOf(copyOf(ms), ['sid']), first)
  for (const ms of [949, 1051]) t.equal(recent.originalOf(copyOf(ms), ['sid']), undefined)
  t.end()
})

test('a new session is not taken for a copy because its cookie has no valid expiry', async (t) => {
  const db = await schema(t)
  const [one, other] = [sessions(t, { conString: db.url }), sessions(t, { conString: db.url })]
  await one.set('id', session({ user: 'alice' }))
  await one.load('id')
  await other.destroy('id')

  await one.set('id', { cookie: { expires: 'soon' }, user: 'bob' })

  t.match(await one.load('id'), { user: 'bob' })
})

test('a session whose cookie is null is stored', async (t) => {
  const { set, load } = sessions(t, { conString: (await schema(t)).url })
  await set('id', { cookie: null, user: 'alice' })

  t.match(await load('id'), { cookie: {}, user: 'alice' })
})
