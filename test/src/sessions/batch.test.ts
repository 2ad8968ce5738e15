import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { Batch } from '../../../src/sessions/batch.js'

const separable = () => false
const tick = () => new Promise<void>((resolve) => { setImmediate(resolve) })

const add = <In, Out>(batch: Batch<In, Out>, item: In): Promise<Out> => new Promise((resolve, reject) => {
  batch.add(item, (error, out) => { if (error === null) resolve(out as Out); else reject(error) })
})

/** A batch whose runs are ended by hand. */
function gated (options: Partial<ConstructorParameters<typeof Batch<string, string>>[1]> = {}) {
  const runs: { items: string[], end: (error?: Error) => void }[] = []
  const batch = new Batch<string, string>((items) => new Promise((resolve, reject) => {
    runs.push({ items, end: (error) => { if (error === undefined) resolve(items.map((item) => item.toUpperCase())); else reject(error) } })
  }), { maxCalls: 100, separable, ...options })
  return { batch, runs, sent: () => runs.map(({ items }) => items) }
}

test('A lone call goes out at once', async (t) => {
  const { batch, runs, sent } = gated()

  const outcome = add(batch, 'a')
  await tick()
  t.same(sent(), [['a']])
  runs[0]?.end()

  t.equal(await outcome, 'A')
})

test('Calls of one tick go together, and calls that come meanwhile go together next', async (t) => {
  const { batch, runs, sent } = gated()
  const first = ['a', 'b'].map((item) => add(batch, item))
  await tick()
  const second = ['c', 'd', 'e'].map((item) => add(batch, item))
  await tick()
  t.same(sent(), [['a', 'b']], 'one batch is away at a time')

  runs[0]?.end()
  t.same(await Promise.all(first), ['A', 'B'])
  await tick()
  t.same(sent(), [['a', 'b'], ['c', 'd', 'e']])
  runs[1]?.end()

  t.same(await Promise.all(second), ['C', 'D', 'E'])
})

test('Where two may be away at once, each takes half of what waits, and a few go together', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2 })
  const sizes = () => sent().map(({ length }) => length)
  const call = (count: number) => Array.from({ length: count }, (_, n) => add(batch, String(n)))
  const all = call(10)
  await tick()
  t.same(sizes(), [10])

  all.push(...call(60))
  await tick()
  t.same(sizes(), [10, 30], 'what is left waits')

  runs[0]?.end()
  await tick()
  t.same(sizes(), [10, 30, 16])
  for (let i = 1; i < 4; i++) { runs[i]?.end(); await tick() }
  await Promise.all(all)
  t.same(sizes(), [10, 30, 16, 14])

  all.push(...call(40))
  await tick()
  t.same(sizes().slice(4), [20, 20], 'both begin together, and nothing is left')
  for (let i = 4; i < 6; i++) { runs[i]?.end(); await tick() }
  await Promise.all(all)
})

test('No more are away at once than may be, also where one comes back before a call that was to go out at once', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2, maxCalls: 20 })
  const sizes = () => sent().map(({ length }) => length)
  const all = [add(batch, 'first')]
  await tick()
  all.push(...Array.from({ length: 60 }, (_, n) => add(batch, String(n))))
  runs[0]?.end()
  await tick()
  t.same(sizes(), [1, 20, 20])

  for (let i = 1; i < 5; i++) { runs[i]?.end(); await tick() }
  await Promise.all(all)
  t.same(sizes(), [1, 20, 20, 16, 4])
})

test('Behind two that are slow, all that waits goes together', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2 })
  const all = ['a', 'b'].map((item) => add(batch, item))
  await tick()
  all.push(add(batch, 'c'))
  await tick()
  all.push(...Array.from({ length: 40 }, (_, n) => add(batch, String(n))))
  await sleep(200)
  t.same(sent().map(({ length }) => length), [2, 1, 40])

  for (const { end } of runs) end()
  await Promise.all(all)
})

test('Where two may be away at once, calls of one key still go one after the other', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2, key: (item) => item[0] ?? '' })
  const all = ['a1', 'b1'].map((item) => add(batch, item))
  await tick()
  all.push(...['a2', 'c1', 'b2', 'c2'].map((item) => add(batch, item)))
  await tick()
  t.same(sent(), [['a1', 'b1'], ['c1']])

  runs[1]?.end()
  await tick()
  t.same(sent(), [['a1', 'b1'], ['c1'], ['c2']])
  for (const run of [0, 2, 3]) { runs[run]?.end(); await tick() }
  await Promise.all(all)
  t.same(sent(), [['a1', 'b1'], ['c1'], ['c2'], ['a2', 'b2']])
})

test('A batch is told how long the first of its calls has waited', async (t) => {
  const told: number[] = []
  const batch = new Batch<string, string>(async (items, waitedMs) => {
    told.push(waitedMs)
    await sleep(400)
    return items
  }, { maxCalls: 100, separable })
  const first = add(batch, 'a')
  await tick()
  await Promise.all([first, add(batch, 'b')])
  t.ok(told[0] !== undefined && told[0] < 20 && told[1] !== undefined && told[1] > 40, String(told))
})

test('A batch has at most max calls', async (t) => {
  const { batch, runs, sent } = gated({ maxCalls: 2 })
  const all = ['a', 'b', 'c', 'd', 'e'].map((item) => add(batch, item))

  for (let i = 0; i < 3; i++) { await tick(); runs[i]?.end() }

  t.same(await Promise.all(all), ['A', 'B', 'C', 'D', 'E'])
  t.same(sent(), [['a', 'b'], ['c', 'd'], ['e']])
})

test('Calls of one key go one after the other, in their order', async (t) => {
  const { batch, runs, sent } = gated({ key: (item) => item[0] ?? '' })
  const all = ['a1', 'b1', 'a2', 'a3', 'c1'].map((item) => add(batch, item))

  for (let i = 0; i < 3; i++) { await tick(); runs[i]?.end() }
  await Promise.all(all)

  t.same(sent(), [['a1', 'b1', 'c1'], ['a2'], ['a3']])
})

test('Calls of one key go one after the other also where the first is slow, and hold up no other', async (t) => {
  const { batch, runs, sent } = gated({ key: (item) => item[0] ?? '' })
  const outcomes = ['a1', 'a2', 'a3', 'b1'].map((item) => add(batch, item))
  await tick()
  const late = add(batch, 'c1')
  await sleep(250)
  t.same(sent(), [['a1', 'b1'], ['c1']])
  runs[1]?.end()
  t.equal(await late, 'C1')

  for (const run of [0, 2, 3]) { runs[run]?.end(); await tick() }
  t.same(await Promise.all(outcomes), ['A1', 'A2', 'A3', 'B1'])
  t.same(sent(), [['a1', 'b1'], ['c1'], ['a2'], ['a3']])
})

test('A call that has waited long does not go with one that came just now, whose time it would take', async (t) => {
  const { batch, runs, sent } = gated({ key: (item) => item[0] ?? '' })
  const held = ['a1', 'a2'].map((item) => add(batch, item))
  await sleep(600)
  const young = add(batch, 'b1')
  runs[0]?.end()
  await tick()
  t.same(sent(), [['a1'], ['a2']])
  runs[1]?.end()
  await tick()
  runs[2]?.end()
  t.same(await Promise.all([...held, young]), ['A1', 'A2', 'B1'])
})

test('A batch that is slow does not hold up the calls behind it', async (t) => {
  const { batch, runs, sent } = gated()
  const stuck = add(batch, 'stuck')
  await tick()

  const next = add(batch, 'next')
  await sleep(150)
  t.same(sent(), [['stuck'], ['next']])
  runs[1]?.end()
  t.equal(await next, 'NEXT')
  runs[0]?.end()

  t.equal(await stuck, 'STUCK')
})

test('No more than four slow batches are away at once, and all are served in the end', async (t) => {
  const { batch, runs } = gated({ maxCalls: 1 })
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((item) => add(batch, item))
  await sleep(500)
  t.equal(runs.length, 4)

  for (let i = 0; i < 6; i++) { runs[i]?.end(); await tick() }

  t.same(await Promise.all(all), ['A', 'B', 'C', 'D', 'E', 'F'])
})

test('When one item may be to blame, each is run alone: it fails, the others do not', async (t) => {
  const sent: string[][] = []
  const batch = new Batch<string, string>(async (items) => {
    sent.push(items)
    if (items.includes('bad')) throw new Error('bad item')
    return items
  }, { maxCalls: 100, separable: () => true })

  const outcomes = await Promise.allSettled(['a', 'bad', 'b'].map((item) => add(batch, item)))

  t.same(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  t.same(sent, [['a', 'bad', 'b'], ['a'], ['bad'], ['b']])
})

test('When no item is to blame, all calls of the batch fail, and the next batch is run', async (t) => {
  const { batch, runs } = gated()
  const first = Promise.allSettled(['a', 'b'].map((item) => add(batch, item)))
  await tick()
  const second = add(batch, 'c')
  runs[0]?.end(new Error('away'))

  t.same((await first).map(({ status }) => status), ['rejected', 'rejected'])
  await tick()
  runs[1]?.end()
  t.equal(await second, 'C')
})

test('An outcome that takes longer holds up its own call alone', async (t) => {
  let end: (out: string) => void = () => {}
  const batch = new Batch<string, string>(async (items) => items.map((item) => item === 'slow' ? new Promise<string>((resolve) => { end = resolve }) : item), { maxCalls: 100, separable })

  const [slow, quick] = [add(batch, 'slow'), add(batch, 'quick')]
  t.equal(await quick, 'quick')
  t.equal(await add(batch, 'later'), 'later')
  end('slow')

  t.equal(await slow, 'slow')
})
