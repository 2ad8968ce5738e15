import { test } from 'tap'
import { merge } from '../../../src/sessions/merge.js'

test('Changes of both sides to different keys are kept', async (t) => {
  const { session, overwritten } = merge({ a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 3 })
  t.same({ session, overwritten }, { session: { a: 2, b: 3 }, overwritten: [] })
})

test('Our value of a key that both changed is kept and reported', async (t) => {
  const { session, overwritten } = merge({ a: 1 }, { a: 2 }, { a: 3 })
  t.same({ session, overwritten }, { session: { a: 2 }, overwritten: ['a'] })
})

test('A key that either side deleted is gone', async (t) => {
  t.same(merge({ a: 1, b: 1 }, { b: 1 }, { a: 1, b: 1, c: 1 }).session, { b: 1, c: 1 })
  t.same(merge({ a: 1, b: 1 }, { a: 1, b: 2 }, { b: 1 }).session, { b: 2 })
})

test('A key that we set to undefined is gone', async (t) => {
  t.same(merge({ a: 1 }, { a: undefined }, { a: 1, b: 1 }).session, { b: 1 })
})

test('Keys added by both sides are kept', async (t) => {
  t.same(merge({}, { a: [1] }, { b: { c: 1 } }).session, { a: [1], b: { c: 1 } })
})

test('The merged cookie is ours', async (t) => {
  const cookie = { originalMaxAge: 2 }
  t.same(merge({}, { cookie, a: 1 }, { cookie: { originalMaxAge: 1 } }).session.cookie, cookie)
})

test('A key named __proto__ or constructor changes no prototype', async (t) => {
  const ours = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<string, unknown>
  const { session } = merge({}, ours, {})
  t.equal((session as { polluted?: boolean }).polluted, undefined)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
})
