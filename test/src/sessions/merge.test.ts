import { test } from 'tap'
import { merge } from '../../../src/sessions/merge.js'

test('Keys that either changed are kept', async (t) => {
  const { session, overwritten } = merge({ a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 3 })
  t.same({ session, overwritten }, { session: { a: 2, b: 3 }, overwritten: [] })
})

test('On a key that both changed, ours is kept, and it is told', async (t) => {
  const { session, overwritten } = merge({ a: 1 }, { a: 2 }, { a: 3 })
  t.same({ session, overwritten }, { session: { a: 2 }, overwritten: ['a'] })
})

test('A key that we deleted is gone, one that they deleted stays gone', async (t) => {
  t.same(merge({ a: 1, b: 1 }, { b: 1 }, { a: 1, b: 1, c: 1 }).session, { b: 1, c: 1 })
  t.same(merge({ a: 1, b: 1 }, { a: 1, b: 2 }, { b: 1 }).session, { b: 2 })
})

test('A key that we set to undefined is gone', async (t) => {
  t.same(merge({ a: 1 }, { a: undefined }, { a: 1, b: 1 }).session, { b: 1 })
})

test('Keys that both added are both there', async (t) => {
  t.same(merge({}, { a: [1] }, { b: { c: 1 } }).session, { a: [1], b: { c: 1 } })
})

test('The cookie is ours', async (t) => {
  const cookie = { originalMaxAge: 2 }
  t.same(merge({}, { cookie, a: 1 }, { cookie: { originalMaxAge: 1 } }).session.cookie, cookie)
})

test('A key named __proto__ or constructor changes no prototype', async (t) => {
  const ours = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<string, unknown>
  const { session } = merge({}, ours, {})
  t.equal((session as { polluted?: boolean }).polluted, undefined)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
})
