import { test } from 'tap'
import { logOutcome } from '../../src/log-outcome.js'

function recorder () {
  const lines: { outcome: string, durationMs: number, message: string }[] = []
  return {
    lines,
    info: (details: { outcome: string, durationMs: number }, message: string) => { lines.push({ ...details, message }) }
  }
}

test('successful work is logged as ok and returns its value', async (t) => {
  const log = recorder()
  t.equal(await logOutcome(log, 'Work', async () => 'done'), 'done')
  t.match(log.lines, [{ outcome: 'ok', durationMs: Number, message: 'Work' }])
  t.ok(Number.isInteger(log.lines[0]?.durationMs))
})

for (const [error, outcome] of [
  [Object.assign(new Error('no'), { code: 'ERR_EXAMPLE' }), 'ERR_EXAMPLE'], [new Error('no'), 'ERR_INTERNAL']
] as const) {
  test(`work that fails with ${String(error)} is logged as ${outcome}`, async (t) => {
    const log = recorder()
    let raised: unknown
    await logOutcome(log, 'Work', async () => { throw error }).catch((thrown: unknown) => { raised = thrown })
    t.equal(raised, error)
    t.match(log.lines, [{ outcome, durationMs: Number, message: 'Work' }])
  })
}
