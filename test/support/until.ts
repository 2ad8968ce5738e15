import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Resolves when `condition` holds; asks every 20 ms.
 *
 * @throws what `condition` last threw, or an error that shows it, when it does not hold within `timeoutMs`
 */
export async function until (condition: () => unknown, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs // a test may have stopped Date.now
  let error: unknown
  do {
    try {
      if (await condition() === true) return
      error = new Error(`not within ${timeoutMs} ms: ${String(condition)}`)
    } catch (thrown) {
      error = thrown
    }
    await sleep(20)
  } while (performance.now() < end)
  throw error
}
