/** In milliseconds. */
const INTERVAL_MS = 60_000

/** Calls `log` at most once a minute for each text. @param texts there are few. */
export function logSeldom (log: (text: string) => void): (text: string) => void {
  const lastMs = new Map<string, number>()
  return (text) => {
    const nowMs = performance.now()
    if (nowMs - (lastMs.get(text) ?? -Infinity) < INTERVAL_MS) return
    lastMs.set(text, nowMs)
    log(text)
  }
}

/** Calls `log` at most once. */
export function once<Args extends unknown[]> (log: (...args: Args) => void): (...args: Args) => void {
  let isDone = false
  return (...args) => {
    if (isDone) return
    isDone = true
    log(...args)
  }
}
