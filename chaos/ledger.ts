import type { Answer } from './http.js'

/** What people were told of a session. */
export interface Entry {
  cookie: string
  /** `unknown`: the answer to the sign-out was lost, or a 5xx, so the session may live or not. */
  state: 'live' | 'ended' | 'unknown'
}

/** A request that was not answered as it should be. Times: milliseconds on this process's monotonic clock. */
export interface Failure { beganAt: number, at: number, what: string, how: string }

/** What was acknowledged during a fault, and what went wrong. */
export class Ledger {
  readonly entries: Entry[] = []
  readonly failures: Failure[] = []
  /** Acknowledged sessions that were gone. */
  readonly lost: string[] = []
  /** Acknowledged sign-outs after which the session lived. */
  readonly undone: string[] = []
  /** Logins that a page started again by itself: the instance that had taken them did not live to answer. */
  restartedLogins = 0
  /** Acknowledged logins that ended without a sign-in and without an error. */
  readonly lostLogins: string[] = []
  requests = 0
  signIns = 0
  signOuts = 0
  slowest = { ms: 0, what: '' }

  /**
   * Sends a request, and records how long it took and whether it failed.
   *
   * @returns undefined if it failed: without an answer, or with a 429 or 5xx.
   */
  async record (what: string, send: () => Promise<Answer>): Promise<Answer | undefined> {
    const began = performance.now()
    this.requests++
    const answer = await send().catch((error: unknown) => (error as Error).message)
    const ms = performance.now() - began
    if (ms > this.slowest.ms) this.slowest = { ms, what }
    if (typeof answer !== 'string' && answer.status < 500 && answer.status !== 429) return answer
    const how = typeof answer === 'string' ? answer : `${answer.status} ${codeIn(answer.body)}`
    this.failures.push({ beganAt: began, at: performance.now(), what, how })
    return undefined
  }
}

/** The code of an error document; of an answer that is none, how it begins. */
export function codeIn (body: string): string {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? /ERR_\w+/.exec(body)?.[0] ?? body.slice(0, 40).replaceAll(/\s+/g, ' ')
}
