import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { UnconfirmedSignIns } from '../../../src/login/unconfirmed-sign-ins.js'

/** A store of ids. `fail`: how many of its next calls fail. */
function store (...ids: string[]) {
  const rows = new Set(ids)
  const state = { rows, fail: 0, calls: 0 }
  const call = async <Value>(value: () => Value): Promise<Value> => {
    state.calls++
    if (state.fail-- > 0) throw new Error('the database is unavailable')
    return value()
  }
  return Object.assign(state, {
    consume: (id: string) => call(() => rows.delete(id) ? {} : null),
    promises: { get: (id: string) => call(() => rows.has(id) ? {} : null) }
  })
}

/** Settles a sign-in `new` that would have ended `former`, and counts how often that is reported. */
function settle (t: Test, rows: ReturnType<typeof store>, formerId: string | undefined) {
  const signIns = new UnconfirmedSignIns(rows as never)
  t.teardown(() => signIns.close())
  const reported = { count: 0 }
  signIns.settle({ id: 'new', formerId, onFormerEnded: () => { reported.count++ } })
  return { signIns, reported }
}

async function eventually (what: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !what(); i++) await sleep(10)
}

test('a written session is removed and the former one is reported', async (t) => {
  const rows = store('new')
  const { reported } = settle(t, rows, 'former')
  await eventually(() => reported.count > 0)
  t.same([[...rows.rows], reported.count, rows.calls], [[], 1, 1])
})

test('without a former session, only the new one is looked for', async (t) => {
  const rows = store('new')
  const { reported } = settle(t, rows, undefined)
  await eventually(() => rows.rows.size === 0)
  t.same([[...rows.rows], reported.count], [[], 0])
})

test('a former session that still exists is not reported', async (t) => {
  const rows = store('former')
  const { reported } = settle(t, rows, 'former')
  await sleep(1200)
  t.same([[...rows.rows], reported.count], [['former'], 0])
  t.equal(rows.calls, 4, 'two attempts')
})

test('a statement committed late is found by a later attempt', async (t) => {
  const rows = store('former')
  const { reported } = settle(t, rows, 'former')
  await sleep(100)
  rows.rows.delete('former')
  rows.rows.add('new')
  await eventually(() => reported.count > 0)
  t.same([[...rows.rows], reported.count], [[], 1])
})

test('a former session that ended elsewhere is reported only once', async (t) => {
  const rows = store()
  const { reported } = settle(t, rows, 'former')
  await eventually(() => reported.count > 0)
  rows.rows.add('new')
  await eventually(() => rows.rows.size === 0)
  t.same([[...rows.rows], reported.count], [[], 1])
})

test('attempts continue while the database is unavailable', async (t) => {
  const rows = store('new')
  rows.fail = 1
  const { reported } = settle(t, rows, 'former')
  await eventually(() => reported.count > 0)
  t.same([[...rows.rows], reported.count], [[], 1])
})

test('close cancels the pauses and further attempts', async (t) => {
  const rows = store('former')
  const { signIns, reported } = settle(t, rows, 'former')
  await sleep(50)
  const start = performance.now()
  await signIns.close()
  t.ok(performance.now() - start < 500)
  t.same([rows.calls, reported.count], [2, 0])
})
