/** The signals with which people and platforms stop a process. */
export const STOP_SIGNALS: ('SIGINT' | 'SIGTERM')[] = ['SIGINT', 'SIGTERM']

/** Ctrl-C reaches a server twice that npm has started: from the terminal, and from npm. In milliseconds. */
const SAME_SIGNAL_MS = 100

/**
 * Calls `first` for the first signal to stop, and `again` for the next one.
 *
 * @param events emits the signals.
 */
export function onStopSignals (
  { first, again }: Record<'first' | 'again', (signal: NodeJS.Signals) => void>,
  events: NodeJS.EventEmitter = process
): void {
  let firstMs: number | undefined
  for (const signal of STOP_SIGNALS) {
    events.on(signal, () => {
      const nowMs = performance.now()
      if (firstMs === undefined) {
        firstMs = nowMs
        first(signal)
      } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
        again(signal)
      }
    })
  }
}
