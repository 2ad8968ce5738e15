import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { BackgroundEvents, type Bounds } from '../../../src/audit/background-events.js'
import type { LooseEvent } from '../../../src/sessions/index.js'

function collecting (t: Test, bounds: Partial<Bounds> = {}) {
  const batches: LooseEvent[][] = []
  const lost: number[] = []
  const fault: { error?: Error, gate?: Promise<void> } = {}
  const refusals = new BackgroundEvents(async (events) => {
    await fault.gate
    if (fault.error !== undefined) throw fault.error
    batches.push([...events])
  }, (count) => { lost.push(count) }, { flushMs: 5, ...bounds })
  t.teardown(() => refusals.close())
  return { refusals, batches, lost, fault }
}

const refused = (ip: string, reason = 'ERR_STATE_UNKNOWN'): LooseEvent => ({ type: 'refused', ip, reason })

test('Refusals are written together, in the background', async (t) => {
  const { refusals, batches } = collecting(t)
  refusals.add(refused('192.0.2.1'))
  refusals.add(refused('192.0.2.2'))
  t.same(batches, [])
  await sleep(30)
  t.same(batches, [[refused('192.0.2.1'), refused('192.0.2.2')]])
})

test('A flood from one address leaves room for others, and is counted with its address', async (t) => {
  const { refusals, batches } = collecting(t)
  for (let i = 0; i < 1000; i++) refusals.add(refused('192.0.2.1'))
  for (let i = 0; i < 7; i++) refusals.add(refused('192.0.2.1', 'ERR_RATE_LIMIT'))
  refusals.add(refused('192.0.2.2'))
  await refusals.close()

  const all = batches.flat()
  t.equal(all.filter(({ ip, count }) => ip === '192.0.2.1' && count === undefined).length, 5)
  t.equal(all.filter(({ ip }) => ip === '192.0.2.2').length, 1)
  t.same(all.filter(({ count }) => count !== undefined), [
    { type: 'refused', ip: '192.0.2.1', reason: 'ERR_STATE_UNKNOWN', count: 995 },
    { type: 'refused', ip: '192.0.2.1', reason: 'ERR_RATE_LIMIT', count: 7 }
  ])
})

test('A flood from many addresses writes a bounded number of rows, and every refusal is counted', async (t) => {
  const { refusals, batches } = collecting(t)
  for (let i = 0; i < 10_000; i++) refusals.add(refused(`2001:db8::${i.toString(16)}`, `ERR_${i % 3}`))
  for (let i = 0; i < 10_000; i++) refusals.add(refused(`2001:db8::${(i % 40).toString(16)}`, `ERR_${i % 3}`))
  await refusals.close()

  const all = batches.flat()
  t.equal(all.reduce((sum, { count = 1 }) => sum + count, 0), 20_000)
  t.ok(all.length <= 70, `${all.length} rows`)
})

test('Each minute is counted by itself', async (t) => {
  const { refusals, batches } = collecting(t, { windowMs: 40 })
  for (let i = 0; i < 8; i++) refusals.add(refused('192.0.2.1'))
  await sleep(100)
  refusals.add(refused('192.0.2.1'))
  await refusals.close()
  t.same(batches.flat().map(({ count = 1 }) => count), [1, 1, 1, 1, 1, 3, 1])
})

test('Refusals that cannot be written are counted, and later ones are written', async (t) => {
  const { refusals, batches, lost, fault } = collecting(t)
  fault.error = new Error('no database')
  refusals.add(refused('192.0.2.1'))
  refusals.add(refused('192.0.2.2'))
  await refusals.flush()
  t.same(lost, [2])
  delete fault.error
  refusals.add(refused('192.0.2.3'))
  await refusals.close()
  t.equal(batches.flat().length, 1)
})

test('One statement is under way at a time', async (t) => {
  const { refusals, batches, fault } = collecting(t)
  let open = () => {}
  fault.gate = new Promise((resolve) => { open = resolve })
  refusals.add(refused('192.0.2.1'))
  await sleep(20)
  for (const n of [2, 3, 4]) {
    refusals.add(refused(`192.0.2.${n}`))
    await sleep(20)
  }
  open()
  await refusals.close()
  t.same(batches.map((batch) => batch.length), [1, 3])
})

test('Events of several types are counted by their type, and some are only counted', async (t) => {
  const { refusals, batches } = collecting(t, { perAddress: 1 })
  const device = (reason: string): LooseEvent => ({ type: 'device', ip: '192.0.2.1', reason })
  refusals.add(refused('192.0.2.1', 'x'))
  for (let i = 0; i < 3; i++) refusals.add(device('x'))
  for (let i = 0; i < 4; i++) refusals.count(device('y'))
  await refusals.close()
  t.same(batches.flat(), [
    refused('192.0.2.1', 'x'),
    { type: 'device', reason: 'x', count: 3, ip: '192.0.2.1' },
    { type: 'device', reason: 'y', count: 4 }
  ])
})
