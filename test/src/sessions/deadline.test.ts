import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { withDeadline } from '../../../src/sessions/deadline.js'

const late = () => new Error('late')

test('withDeadline gives the outcome of a promise, and stops its timer', async (t) => {
  let fired = 0
  const counted = () => {
    fired++
    return late()
  }
  t.equal(await withDeadline(20, Promise.resolve('value'), counted), 'value')
  await t.rejects(withDeadline(20, Promise.reject(new Error('failed')), counted), { message: 'failed' })
  await sleep(60)
  t.equal(fired, 0)
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
