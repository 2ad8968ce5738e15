import { setImmediate as endOfTurn } from 'node:timers/promises'

/**
 * Resolves right after the event loop has asked its sockets: connections and requests that had arrived are accepted.
 *
 * @see https://nodejs.org/en/learn/asynchronous-work/event-loop-timers-and-nexttick
 */
export async function afterPoll (): Promise<void> {
  // This turn may have asked them before the caller kept it busy.
  await endOfTurn()
  await endOfTurn()
}
