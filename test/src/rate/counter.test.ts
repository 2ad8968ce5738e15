import { test } from 'tap'
import { Counter, type Share } from '../../../src/rate/counter.js'

const WINDOW_MS = 60_000

/** Counters of several instances, and the statements that they cost. */
function instances (size: number, limit: number, share?: Share) {
  const totals = new Map<string, number>()
  let statements = 0
  const shared: Share = share ?? (async (key, count) => {
    statements++
    const total = (totals.get(key) ?? 0) + count
    totals.set(key, total)
    return { total, leftMs: WINDOW_MS }
  })
  const counters = Array.from({ length: size }, () => new Counter(shared, 100))
  /** How many of `requests` are allowed, in turn on each instance. */
  const allowed = async (requests: number, key = 'key') => {
    let count = 0
    for (let i = 0; i < requests; i++) {
      const { current } = await (counters[i % size] as Counter).count(key, { limit, windowMs: WINDOW_MS })
      if (current <= limit) count++
    }
    return count
  }
  return { counters, allowed, statements: () => statements }
}

test('a key far below its limit costs no statement', async (t) => {
  const { allowed, statements } = instances(1, 60)
  for (let i = 0; i < 50; i++) t.equal(await allowed(6, `key ${i}`), 6)
  t.equal(statements(), 0)
})

test('one instance allows exactly the limit, with few statements, and none beyond it', async (t) => {
  const { allowed, statements } = instances(1, 60)
  t.equal(await allowed(100), 60)
  const needed = statements()
  t.ok(needed < 25, `${needed} statements`)
  t.equal(await allowed(1000), 0)
  t.equal(statements(), needed)
})

for (const size of [2, 3, 10]) {
  test(`${size} instances allow little more than the limit together`, async (t) => {
    const { allowed, statements } = instances(size, 60)
    const all = await allowed(600)
    t.ok(all >= 55 && all <= 60 + size * 6, `${all} of 60`)
    t.ok(statements() < size * 25, `${statements()} statements`)
  })
}

test('without the others, an instance counts for itself', async (t) => {
  const { allowed } = instances(2, 10, async () => undefined)
  t.equal(await allowed(100), 20)
})

test('requests that come in together ask together', async (t) => {
  const { counters: [counter], statements } = instances(1, 60)
  const counts = await Promise.all(
    Array.from({ length: 100 }, async () => counter?.count('key', { limit: 60, windowMs: WINDOW_MS }))
  )
  t.equal(counts.filter((count) => (count?.current ?? 0) <= 60).length, 60)
  t.ok(statements() <= 2, `${statements()} statements`)
})

test('a window ends when that of the others ends', async (t) => {
  const counter = new Counter(async (_key, count) => ({ total: 100 + count, leftMs: 30 }), 100)
  const count = async () => (await counter.count('key', { limit: 60, windowMs: WINDOW_MS })).current
  for (let i = 0; i < 6; i++) t.equal(await count(), i + 1)
  t.ok(await count() > 60)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.equal(await count(), 1)
})

test('no more keys are kept than there may be', async (t) => {
  const { allowed } = instances(1, 1)
  t.equal(await allowed(2, 'first'), 1)
  for (let i = 0; i < 100; i++) await allowed(1, `key ${i}`)
  t.equal(await allowed(1, 'first'), 1, 'it was forgotten')
})
