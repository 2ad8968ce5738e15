import { test } from 'tap'
import type { UserKey } from '../../../src/sessions/index.js'
import { isGeneratedFrom } from '../../../src/sessions/user-column.js'
import { schema, session, sessions } from './harness.js'

const path = (keys: readonly string[], user: unknown) =>
  keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), user) as Record<string, unknown>

for (const [name, userKey, content] of [
  ['passport', ['passport', 'user'], (user: unknown) => path(['passport', 'user'], user)],
  ['one key', ['userId'], (user: unknown) => path(['userId'], user)],
  ['odd keys', ['it\'s', '->', 'ö"'], (user: unknown) => path(['it\'s', '->', 'ö"'], user)],
  ['a function', (one: Record<string, unknown>) => one['account'] as string, (user: unknown) => ({ account: user })]
] as [string, UserKey, (user: unknown) => Record<string, unknown>][]) {
  test(`userKey: the sessions of a user are found by ${name}`, async (t) => {
    const db = await schema(t, { table: false })
    const { store, set, get, logged } = sessions(t, { conString: db.url, userKey })
    const users = ['alice', 'alice', 'bob', 42, undefined]
    for (const [i, user] of users.entries()) await set(`id${i}`, session(content(user)))

    const found = (await store.listByUser('alice')).map((one) => one.session)
    t.same(found, [session(content('alice')), session(content('alice'))])
    t.equal((await store.listByUser(42)).length, 1)
    t.equal((await store.listByUser('42')).length, 1)
    t.same(await store.listByUser('carol'), [])
    t.equal(await store.destroyByUser('alice', { except: 'id0' }), 1)
    t.not(await get('id0'), null)
    t.equal(await get('id1'), null)
    t.equal(await store.destroyByUser(42), 1)
    t.same(logged, [], 'the table has the column')
  })
}

test('userKey: a user that changes is found under the new one', async (t) => {
  const { store, set, load } = sessions(t, {
    conString: (await schema(t, { table: false })).url, userKey: (one) => one['account'] as string
  })
  await set('id', session({ account: 'alice' }))
  await set('id', Object.assign(await load('id'), { account: 'bob' }))
  t.equal((await store.listByUser('alice')).length, 0)
  const [found] = await store.listByUser('bob')
  t.same(Object.keys(found?.session ?? {}).sort(), ['account', 'cookie'])
})

test('userKey: an index finds the sessions of a user', async (t) => {
  const db = await schema(t, { table: false })
  const { set } = sessions(t, { conString: db.url, userKey: ['passport', 'user'] })
  await set('id', session({ passport: { user: 'alice' } }))
  await db.query('SET enable_seqscan = off')
  const plan = await db.query('EXPLAIN SELECT FROM session WHERE passport_user = \'alice\'')
  t.match(JSON.stringify(plan), /IDX_session_passport_user/)
})

test('userKey: a table without the column answers right, and says so once', async (t) => {
  const db = await schema(t, { table: false })
  const first = sessions(t, { conString: db.url })
  await first.set('id', session({ user: { sub: 'alice' }, passport: { user: 'bob' } }))
  const { store, logged } = sessions(t, { conString: db.url, userKey: ['passport', 'user'] })
  for (let i = 0; i < 3; i++) {
    t.equal((await store.listByUser('bob')).length, 1)
    t.equal((await store.listByUser('alice')).length, 0)
  }
  t.match(logged, [{ message: /no column of the user/ }])
  t.equal(logged.length, 1)
})

test('userKey: an error of the function reaches the caller, and nothing is stored', async (t) => {
  const { set, length } = sessions(t, {
    conString: (await schema(t, { table: false })).url, userKey: () => { throw new Error('no user') }
  })
  await t.rejects(set('id', session()), { message: 'no user' })
  t.equal(await length(), 0)
})

test('a generated column is told by its expression', (t) => {
  const expression = '((CASE WHEN true THEN sess ELSE sess END -> \'user\'::text) ->> \'sub\'::text)'
  t.ok(isGeneratedFrom(expression, ['user', 'sub']))
  for (const other of [['sub'], ['user'], ['sub', 'user'], ['user', 'sub', 'x'], ['user', 'su'], ['use', 'sub']]) {
    t.notOk(isGeneratedFrom(expression, other), other.join())
  }
  t.end()
})
