import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { Batch } from '../../../src/sessions/batch.js'
import { until } from '../../support/until.js'

const separable = () => false
const tick = () => new Promise<void>((resolve) => { setImmediate(resolve) })

const add = <In, Out>(batch: Batch<In, Out>, item: In): Promise<Out> => new Promise((resolve, reject) => {
  batch.add(item, (error, out) => {
    if (error === null) resolve(out as Out)
    else reject(error)
  })
})

/** A batch whose runs the test ends. */
function gated (options: Partial<ConstructorParameters<typeof Batch<string, string>>[1]> = {}) {
  const runs: { items: string[], end: (error?: Error) => void }[] = []
  const batch = new Batch<string, string>((items) => new Promise((resolve, reject) => {
    const end = (error?: Error) => {
      if (error === undefined) resolve(items.map((item) => item.toUpperCase()))
      else reject(error)
    }
    runs.push({ items, end })
  }), { maxCalls: 100, separable, ...options })
  return { batch, runs, sent: () => runs.map(({ items }) => items) }
}

test('A single call is sent immediately', async (t) => {
  const { batch, runs, sent } = gated()

  const outcome = add(batch, 'a')
  await tick()
  t.same(sent(), [['a']])
  runs[0]?.end()

  t.equal(await outcome, 'A')
})

test('Calls of the same tick share a batch, later calls the next one', async (t) => {
  const { batch, runs, sent } = gated()
  const first = ['a', 'b'].map((item) => add(batch, item))
  await tick()
  const second = ['c', 'd', 'e'].map((item) => add(batch, item))
  await tick()
  t.same(sent(), [['a', 'b']], 'only one batch is in flight')

  runs[0]?.end()
  t.same(await Promise.all(first), ['A', 'B'])
  await tick()
  t.same(sent(), [['a', 'b'], ['c', 'd', 'e']])
  runs[1]?.end()

  t.same(await Promise.all(second), ['C', 'D', 'E'])
})

test('Each of two batches takes half of the queue, but at least 16 calls', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2 })
  const sizes = () => sent().map(({ length }) => length)
  const call = (count: number) => Array.from({ length: count }, (_, n) => add(batch, String(n)))
  const all = call(10)
  await tick()
  t.same(sizes(), [10])

  all.push(...call(60))
  await tick()
  t.same(sizes(), [10, 30], 'the rest waits')

  runs[0]?.end()
  await tick()
  t.same(sizes(), [10, 30, 16])
  for (let i = 1; i < 4; i++) {
    runs[i]?.end()
    await tick()
  }
  await Promise.all(all)
  t.same(sizes(), [10, 30, 16, 14])

  all.push(...call(40))
  await tick()
  t.same(sizes().slice(4), [20, 20], 'both start together and take the whole queue')
  for (let i = 4; i < 6; i++) {
    runs[i]?.end()
    await tick()
  }
  await Promise.all(all)
})

test('maxInFlight also holds when a batch ends before a scheduled send', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2, maxCalls: 20 })
  const sizes = () => sent().map(({ length }) => length)
  const all = [add(batch, 'first')]
  await tick()
  all.push(...Array.from({ length: 60 }, (_, n) => add(batch, String(n))))
  runs[0]?.end()
  await tick()
  t.same(sizes(), [1, 20, 20])

  for (let i = 1; i < 5; i++) {
    runs[i]?.end()
    await tick()
  }
  await Promise.all(all)
  t.same(sizes(), [1, 20, 20, 16, 4])
})

test('The whole queue goes into one batch behind two slow ones', async (t) => {
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

test('Calls of the same key stay in order with two batches in flight', async (t) => {
  const { batch, runs, sent } = gated({ maxInFlight: 2, key: (item) => item[0] ?? '' })
  const all = ['a1', 'b1'].map((item) => add(batch, item))
  await tick()
  all.push(...['a2', 'c1', 'b2', 'c2'].map((item) => add(batch, item)))
  await tick()
  t.same(sent(), [['a1', 'b1'], ['c1']])

  runs[1]?.end()
  await tick()
  t.same(sent(), [['a1', 'b1'], ['c1'], ['c2']])
  for (const run of [0, 2, 3]) {
    runs[run]?.end()
    await tick()
  }
  await Promise.all(all)
  t.same(sent(), [['a1', 'b1'], ['c1'], ['c2'], ['a2', 'b2']])
})

test('A batch receives the waiting time of its first call', async (t) => {
  const addedMs: Record<string, number> = {}
  const waits: number[] = []
  const batch = new Batch<string, string>(async (items, waitedMs) => {
    const sinceMs = performance.now() - (addedMs[items[0] ?? ''] ?? NaN)
    t.ok(waitedMs >= 0 && waitedMs <= sinceMs + 1, `${waitedMs}, ${sinceMs}`)
    waits.push(waitedMs)
    await sleep(400)
    return items
  }, { maxCalls: 100, separable })
  const addNow = (input: string) => {
    addedMs[input] = performance.now()
    return add(batch, input)
  }
  const first = addNow('a')
  await tick()
  await Promise.all([first, addNow('b')])
  t.equal(waits.length, 2)
  t.ok(waits[1] !== undefined && waits[1] > 40, String(waits))
})

test('A batch has at most maxCalls calls', async (t) => {
  const { batch, runs, sent } = gated({ maxCalls: 2 })
  const all = ['a', 'b', 'c', 'd', 'e'].map((item) => add(batch, item))

  for (let i = 0; i < 3; i++) {
    await tick()
    runs[i]?.end()
  }

  t.same(await Promise.all(all), ['A', 'B', 'C', 'D', 'E'])
  t.same(sent(), [['a', 'b'], ['c', 'd'], ['e']])
})

test('Calls of the same key run one at a time, in order', async (t) => {
  const { batch, runs, sent } = gated({ key: (item) => item[0] ?? '' })
  const all = ['a1', 'b1', 'a2', 'a3', 'c1'].map((item) => add(batch, item))

  for (let i = 0; i < 3; i++) {
    await tick()
    runs[i]?.end()
  }
  await Promise.all(all)

  t.same(sent(), [['a1', 'b1', 'c1'], ['a2'], ['a3']])
})

test('A slow call keeps its key in order and delays no other key', async (t) => {
  const { batch, runs, sent } = gated({ key: (item) => item[0] ?? '' })
  const outcomes = ['a1', 'a2', 'a3', 'b1'].map((item) => add(batch, item))
  await tick()
  const late = add(batch, 'c1')
  await sleep(250)
  t.same(sent(), [['a1', 'b1'], ['c1']])
  runs[1]?.end()
  t.equal(await late, 'C1')

  for (const run of [0, 2, 3]) {
    runs[run]?.end()
    await tick()
  }
  t.same(await Promise.all(outcomes), ['A1', 'A2', 'A3', 'B1'])
  t.same(sent(), [['a1', 'b1'], ['c1'], ['a2'], ['a3']])
})

test('A call that has waited long is not batched with a new call', async (t) => {
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

test('A slow batch does not delay the calls behind it', async (t) => {
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

test('At most four slow batches are in flight, and all calls complete', async (t) => {
  const { batch, runs } = gated({ maxCalls: 1 })
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((item) => add(batch, item))
  await until(() => runs.length >= 4)
  await sleep(200)
  t.equal(runs.length, 4)

  for (let i = 0; i < 6; i++) {
    runs[i]?.end()
    await tick()
  }

  t.same(await Promise.all(all), ['A', 'B', 'C', 'D', 'E', 'F'])
})

test('A separable error makes each item run alone; only the bad one fails', async (t) => {
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

test('Any other error fails the whole batch, and the next batch runs', async (t) => {
  const { batch, runs } = gated()
  const first = Promise.allSettled(['a', 'b'].map((item) => add(batch, item)))
  await tick()
  const second = add(batch, 'c')
  runs[0]?.end(new Error('no connection'))

  t.same((await first).map(({ status }) => status), ['rejected', 'rejected'])
  await tick()
  runs[1]?.end()
  t.equal(await second, 'C')
})

test('A slow outcome delays only its own call', async (t) => {
  let end: (out: string) => void = () => {}
  const batch = new Batch<string, string>(async (items) => items.map((item) => item === 'slow'
    ? new Promise<string>((resolve) => { end = resolve })
    : item), { maxCalls: 100, separable })

  const [slow, quick] = [add(batch, 'slow'), add(batch, 'quick')]
  t.equal(await quick, 'quick')
  t.equal(await add(batch, 'later'), 'later')
  end('slow')

  t.equal(await slow, 'slow')
})
