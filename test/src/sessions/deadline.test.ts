import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { withDeadline } from '../../../src/sessions/deadline.js'

const late = () => new Error('late')
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test('withDeadline gives the outcome of a promise, and leaves no timer', async (t) => {
  const before = timers()
  t.equal(await withDeadline(10_000, Promise.resolve('value'), late), 'value')
  await t.rejects(withDeadline(10_000, Promise.reject(new Error('failed')), late), { message: 'failed' })
  t.equal(timers(), before)
})

test('withDeadline fails when the promise is late', async (t) => {
  await t.rejects(withDeadline(20, sleep(200, 'value'), late), { message: 'late' })
})

test('withDeadline gives a function a promise that rejects at the deadline, and waits for its end', async (t) => {
  const seen: string[] = []
  await t.rejects(withDeadline(20, async (deadline) => {
    try {
      await deadline
    } finally {
      await sleep(20)
      seen.push('cleaned up')
    }
  }, late), { message: 'late' })
  t.same(seen, ['cleaned up'])
})

test('withDeadline tolerates a function that is between two waits at the deadline', async (t) => {
  t.equal(await withDeadline(20, async () => sleep(60, 'value'), late), 'value')
})
