import { codeOf } from './errors.js'

interface Log { info (details: { outcome: string, durationMs: number }, message: string): void }

/** Runs `work` and logs how it ended, `ok` or an error's code, and how long it took, in milliseconds. */
export async function logOutcome<Value> (log: Log, message: string, work: () => Promise<Value>): Promise<Value> {
  const start = performance.now()
  let outcome = 'ok'
  try {
    return await work()
  } catch (error) {
    outcome = codeOf(error)
    throw error
  } finally {
    log.info({ outcome, durationMs: Math.round(performance.now() - start) }, message)
  }
}
