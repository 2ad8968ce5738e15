import pg from 'pg'
import { test } from 'tap'
import { PgSessionStore, type PgSessionStoreOptions } from '../../../src/sessions/index.js'
import { rows, schema, session, sessions } from './harness.js'

const pool = new pg.Pool()

const VALID: Required<Omit<PgSessionStoreOptions, 'conString' | 'conObject'>> = {
  pool,
  schemaName: 'public',
  tableName: 'session',
  createTableIfMissing: true,
  ttl: 900,
  absoluteTtl: 3600,
  touchInterval: 60,
  hashIds: 'k'.repeat(32),
  preparedStatements: false,
  pruneSessionInterval: false,
  userKey: ['user', 'sub'],
  maxBytes: 65_536,
  deadline: 5,
  errorLog: () => {}
}

const make = (options: object) => new PgSessionStore(options)

test('every option is accepted', async (t) => {
  await make(VALID).close()
  await make({ conString: 'postgres://localhost/x', pruneSessionInterval: false }).close()
  await make({ conObject: { host: 'localhost' }, pruneSessionInterval: false }).close()
  t.pass('no error')
})

for (const name of [...Object.keys(VALID), 'conString', 'conObject']) {
  test(`a misspelt ${name} is refused by name`, (t) => {
    const misspelt = `${name.slice(0, 2)}${name.slice(3)}`
    const message = `PgSessionStore: there is no option ${misspelt}`
    t.throws(() => make({ pool, [misspelt]: VALID[name as keyof typeof VALID] }), { name: 'TypeError', message })
    t.end()
  })
}

for (const [name, values] of Object.entries<unknown[]>({
  pool: [null, {}, 'postgres://localhost'],
  conString: [null, 1, '', {}],
  conObject: [null, 'text'],
  schemaName: [null, '', 1],
  tableName: [null, '', 1, {}, 'a\0'],
  createTableIfMissing: [null, 'false', 0],
  ttl: ['900', 0, -1, NaN, Infinity, null],
  absoluteTtl: ['900', 0, null],
  touchInterval: ['60', 0, null],
  hashIds: [true, 'short', [], [''], 1, null],
  preparedStatements: ['true', 1, null],
  pruneSessionInterval: ['60', 0, true, null],
  userKey: [[], 'user', [1], [''], {}, null],
  maxBytes: ['1', 0, 1.5, null],
  deadline: ['5', 0, null],
  errorLog: [null, 'console', {}]
})) {
  test(`${name}: a value of a wrong type or range is refused by name`, (t) => {
    for (const value of values) {
      t.throws(() => make({ pool: VALID.pool, [name]: value }), { name: 'TypeError', message: new RegExp(name) })
    }
    t.end()
  })
}

test('options that are no object are refused', (t) => {
  for (const options of [null, 'text', 1, []]) t.throws(() => make(options as object), { name: 'TypeError' })
  t.end()
})

test('maxBytes limits sessions, except for a longer row that another store wrote', async (t) => {
  const db = await schema(t)
  const { set, load, length } = sessions(t, { conString: db.url, maxBytes: 1000 })
  await set('short', session({ text: 'x'.repeat(900) }))
  const long = session({ text: 'x'.repeat(1000) })
  await t.rejects(set('long', long), { code: 'ERR_SESSION_VALUE', message: /1000 bytes/ })
  t.equal(await length(), 1)

  const theirs = sessions(t, { conString: db.url, maxBytes: 200_000 })
  await theirs.set('theirs', session({ text: 'x'.repeat(70_000), views: 9 }))
  await set('theirs', Object.assign(await load('theirs'), { views: 10, note: 'y'.repeat(900) }))
  t.match(await load('theirs'), { views: 10 })
  const larger = Object.assign(await load('theirs'), { more: 'z'.repeat(1100) })
  await t.rejects(set('theirs', larger), { code: 'ERR_SESSION_VALUE' })
  await set('theirs', Object.assign(await load('theirs'), { text: 'short' }))
  t.ok((await rows(db)).every(({ sess }) => sess.length < 2000), 'it may shrink')
})
